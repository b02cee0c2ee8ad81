"""The light decoder of the compact model: a feature pyramid (Lin et al., CVPR 2017) that climbs to 1/2 resolution."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvBNReLU(nn.Sequential):
    """kxk convolution, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions whose sum with the input begins as the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.layers = nn.Sequential(ConvBNReLU(channels, channels), last)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> the same."""
        y: Tensor = self.layers(x)
        return x + y


class FPN(nn.Module):
    """Features, finest first -> one map at the finest level's resolution, of `widths[0]` channels.

    The mean over the whole picture is added at the coarsest level, so that a click far away is heard everywhere.
    `twice`: each level but the finest, where a pixel is dear, goes through a Residual too.
    """

    def __init__(self, channels: tuple[int, ...], widths: tuple[int, ...], twice: bool = False) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, w, 1) for c, w in zip(channels, widths, strict=True))
        self.context = nn.Sequential(nn.Conv2d(channels[-1], widths[-1], 1), nn.ReLU(inplace=True))
        self.down = nn.ModuleList(nn.Conv2d(widths[i + 1], widths[i], 1) for i in range(len(widths) - 1))
        self.smooth = nn.ModuleList(ConvBNReLU(w, w) for w in widths)
        self.again = nn.ModuleList(Residual(w) for w in widths[1:]) if twice else None

    def forward(self, features: list[Tensor]) -> Tensor:
        """Per level BxC_ixH_ixW_i, finest first -> BxW0xH_0xW_0."""
        top = features[-1]
        x: Tensor = self.laterals[-1](top) + self.context(top.mean((2, 3), keepdim=True))
        x = self._smoothed(x, len(features) - 1)
        for i in range(len(features) - 2, -1, -1):
            # a 1x1 convolution commutes with bilinear upsampling: do it on the small map
            up = F.interpolate(self.down[i](x), features[i].shape[-2:], mode="bilinear", align_corners=False)
            x = self._smoothed(self.laterals[i](features[i]) + up, i)
        return x

    def _smoothed(self, x: Tensor, level: int) -> Tensor:
        """The map of a level, through its own layers."""
        x = self.smooth[level](x)
        return self.again[level - 1](x) if self.again is not None and level else x
