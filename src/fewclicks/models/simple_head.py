"""The head of SimpleClick (Liu et al., ICCV 2023): an all-MLP decoder, as in SegFormer, on four scales."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.models.simple_fpn import conv1x1, double


class ConvReLU(nn.Module):
    """1x1 convolution and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxDxhxw."""
        return F.relu(self.conv(x), inplace=True)


class SimpleHead(nn.Module):
    """All scales to one width and to the finest resolution, fused, one logit per position.

    `up_conv1` and `up_conv2` never run: they are for a variant with finer logits that no published network uses, but
    all published checkpoints hold them.
    """

    def __init__(self, in_dims: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.conv_seg = nn.Conv2d(channels, 1, 1)
        self.dropout = nn.Dropout2d(0.1)
        self.convs = nn.ModuleList(ConvReLU(dim, channels) for dim in in_dims)
        self.fusion_conv = ConvReLU(channels * len(in_dims), channels)
        half, quarter = channels // 2, channels // 4
        self.up_conv1 = nn.Sequential(*double(channels, half), *conv1x1(half, half))
        self.up_conv2 = nn.Sequential(*double(half, quarter), *conv1x1(quarter, quarter))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features, each half as fine as the one before, rounded up: BxCixhixwi -> logits Bx1xh0xw0."""
        levels = [conv(x) for conv, x in zip(self.convs, features, strict=True)]
        # Fusion is a 1x1 convolution of all scales at the finest one. It commutes with interpolation, so each scale
        # takes its share of it before being enlarged: the same numbers for a third of the work.
        fusion = self.fusion_conv.conv
        shares = fusion.weight.chunk(len(levels), 1)
        fused = F.conv2d(levels[0], shares[0], fusion.bias)  # BxDxh0xw0
        for i, (level, share) in enumerate(zip(levels[1:], shares[1:], strict=True), 1):
            x = F.conv2d(level, share)
            size = [side << i for side in x.shape[-2:]]  # larger than the finest where an odd side was rounded up
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
            fused += x[..., : fused.shape[-2], : fused.shape[-1]]
        logits: Tensor = self.conv_seg(self.dropout(F.relu(fused, inplace=True)))
        return logits
