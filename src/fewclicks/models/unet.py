"""A U-Net (Ronneberger et al., MICCAI 2015) with EfficientNet-Lite0 as its encoder: the network of UCP-Net.

Dupont et al. (2021) use an EfficientNet; this is its Lite form, whose ImageNet weights can be had as a package. Its one
map of clicks is a further channel of the first convolution. Sizes: lite0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.compact import STAGES, TAPS, Compact, load_imagenet
from fewclicks.models.fpn import ConvBNReLU

__all__ = ["build", "load_imagenet"]

WIDTHS = (16, 32, 64, 96)
"""Channels of the decoder at 1/2, 1/4, 1/8 and 1/16."""


def build(size: str = "lite0") -> UNet:
    """A U-Net with fresh weights; UnknownName for another size than lite0."""
    if size != "lite0":
        raise UnknownName(f"no unet of size '{size}'; there is: lite0")
    return UNet()


class UNet(Compact):
    """The encoder of the compact model below a decoder that puts features side by side instead of adding them."""

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """A convolution pair on each level, and a 1x1 head at 1/2."""
        return Climb(tuple(STAGES[i][4] for i in TAPS)), nn.Conv2d(WIDTHS[0], 1, 1)


class Climb(nn.Module):
    """From the coarsest features to the finest: enlarge, put beside, convolve twice."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (*WIDTHS[1:], channels[-1])
        self.levels = nn.ModuleList(
            nn.Sequential(ConvBNReLU(below + skip, width), ConvBNReLU(width, width))
            for below, skip, width in zip(inputs, channels[:-1], WIDTHS, strict=True)
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features at 1/2 to 1/32 -> Bx16xH/2xW/2."""
        x = features[-1]
        for level, skip in zip(reversed(self.levels), reversed(features[:-1]), strict=True):
            x = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
            x = level(torch.cat((x, skip), 1))
        return x
