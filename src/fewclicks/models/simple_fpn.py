"""The pyramid of SimpleClick (Liu et al., ICCV 2023): four scales from the one scale of a plain ViT.

After the simple feature pyramid of ViTDet (Li et al., ECCV 2022), with a layer norm over channels and positions.
"""

import torch.nn.functional as F
from torch import Tensor, nn


def layer_norm(channels: int) -> nn.GroupNorm:
    """Layer norm over channels, rows and columns of BxCxHxW, scaled and shifted by channel."""
    return nn.GroupNorm(1, channels)


def conv1x1(inputs: int, outputs: int) -> list[nn.Module]:
    """1x1 convolution, norm, GELU: how each scale ends."""
    return [nn.Conv2d(inputs, outputs, 1), layer_norm(outputs), nn.GELU()]


def double(inputs: int, outputs: int) -> list[nn.Module]:
    """Transposed convolution to twice the resolution, norm."""
    return [nn.ConvTranspose2d(inputs, outputs, 2, stride=2), layer_norm(outputs)]


def halve(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution to half the resolution, norm."""
    return [nn.Conv2d(inputs, outputs, 2, stride=2), layer_norm(outputs)]


class SimpleFPN(nn.Module):
    """Features at one scale -> features at 4, 2, 1 and 1/2 times its resolution.

    The parts are named after their strides for patches of 16 pixels.
    """

    def __init__(self, dim: int, out_dims: tuple[int, int, int, int]) -> None:
        super().__init__()
        out_4, out_8, out_16, out_32 = out_dims
        mid_4, mid_8, mid_32 = max(2 * out_4, dim // 2), max(out_8, dim // 2), max(out_32, 2 * dim)
        self.down_4 = nn.Sequential(
            *double(dim, mid_4), nn.GELU(), *double(mid_4, mid_4 // 2), *conv1x1(mid_4 // 2, out_4)
        )
        self.down_8 = nn.Sequential(*double(dim, mid_8), *conv1x1(mid_8, out_8))
        self.down_16 = nn.Sequential(*conv1x1(dim, out_16))
        self.down_32 = nn.Sequential(*halve(dim, mid_32), *conv1x1(mid_32, out_32))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """[BxCxhxw] -> [Bxo0x4hx4w, Bxo1x2hx2w, Bxo2xhxw, Bxo3xh/2xw/2], the last rounded up."""
        (x,) = features
        padding = (0, x.shape[-1] % 2, 0, x.shape[-2] % 2)
        even = F.pad(x, padding, "replicate") if any(padding) else x  # padding by nothing is a copy
        return [self.down_4(x), self.down_8(x), self.down_16(x), self.down_32(even)]
