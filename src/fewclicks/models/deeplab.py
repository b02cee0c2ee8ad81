"""DeepLabV3+ (Chen et al., ECCV 2018) as f-BRS (Sofiiuk et al., CVPR 2020) put it on a dilated ResNet."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.models.prompt import xavier_gluon

RATES = (12, 24, 36)
"""Dilations of the ASPP's 3x3 convolutions."""

SKIP = 32
"""Channels that the fine features keep."""


def conv_bn_relu(inputs: int, outputs: int, rate: int = 0) -> list[nn.Module]:
    """1x1 convolution, or 3x3 with that dilation, without bias; BatchNorm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, 3 if rate else 1, padding=rate, dilation=rate or 1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class SepConv(nn.Module):
    """Depthwise 3x3 and 1x1 convolution, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.body = nn.Sequential(depthwise, *conv_bn_relu(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxDxhxw."""
        out: Tensor = self.body(x)
        return out


class SepConvHead(nn.Module):
    """Separable convolutions, and a 1x1 one to the maps."""

    def __init__(self, inputs: int, width: int, depth: int, maps: int = 1) -> None:
        super().__init__()
        convs = [SepConv(width if i else inputs, width) for i in range(depth)]
        self.layers = nn.Sequential(*convs, nn.Conv2d(width, maps, 1))
        self.apply(xavier_gluon)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bxmapsxhxw."""
        out: Tensor = self.layers(x)
        return out


class Pooling(nn.Module):
    """The mean over the picture, handed to every position."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxDxhxw."""
        pooled: Tensor = self.gap(x)
        return pooled.expand(-1, -1, *x.shape[-2:])


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: what is here, farther and farther around, and in the whole picture."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        dilated = (nn.Sequential(*conv_bn_relu(inputs, outputs, rate)) for rate in (0, *RATES))
        self.branches = nn.ModuleList([*dilated, Pooling(inputs, outputs)])
        self.project = nn.Sequential(*conv_bn_relu(5 * outputs, outputs), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxDxhxw."""
        out: Tensor = self.project(torch.cat([branch(x) for branch in self.branches], 1))
        return out


class DeepLab(nn.Module):
    """Coarse features through the ASPP, joined with fine ones.

    `diffusion`: what CDNet puts behind the ASPP; it reads the clicks too, so that the Segmenter hands them over.
    """

    def __init__(
        self, in_dims: tuple[int, int], channels: int, dropout: float, diffusion: nn.Module | None = None
    ) -> None:
        super().__init__()
        fine, coarse = in_dims
        self.reads_clicks = diffusion is not None
        self.fuse = nn.Sequential(
            SepConv(channels + SKIP, channels), SepConv(channels, channels), nn.Conv2d(channels, channels, 1)
        )
        self.skip = nn.Sequential(*conv_bn_relu(fine, SKIP))
        self.aspp = ASPP(coarse, channels, dropout)
        self.diffusion = diffusion
        self.apply(xavier_gluon)

    def forward(
        self, features: list[Tensor], clicks: Tensor | None = None, hw: tuple[int, int] | None = None
    ) -> Tensor:
        """[BxCxhxw at 1/4, BxC'xh/2xw/2 at 1/8] -> BxDxhxw; with diffusion, clicks BxNx3 in an image of size hw too."""
        out: Tensor = self.fuse(self.join(features, clicks, hw))
        return out

    def join(self, features: list[Tensor], clicks: Tensor | None = None, hw: tuple[int, int] | None = None) -> Tensor:
        """Answer as forward, but for the last convolutions -> Bx(D+32)xhxw."""
        fine, coarse = features
        x = self.aspp(coarse)
        if self.diffusion is not None:
            x = self.diffusion(x, clicks, hw)
        x = F.interpolate(x, fine.shape[-2:], mode="bilinear", align_corners=True)
        return torch.cat((x, self.skip(fine)), 1)
