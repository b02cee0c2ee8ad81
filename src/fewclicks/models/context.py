"""A context aggregation network on the hypercolumns of a VGG-19: the body of latent diversity (Li et al., CVPR 2018).

At every pixel it reads the photo, the maps of clicks, and what five layers of a VGG see there; 3x3 convolutions, each
twice as dilated as the one before, then spread it (Yu & Koltun, ICLR 2016). Ours: it works at half of the resolution,
and each layer's features are first reduced to `reduced` channels, for the 1,477 of the paper would fill the memory of a
small machine. Sizes: 19, and tiny to try things with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models import vgg

DILATIONS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    vgg: str
    reduced: int
    """Channels that are kept of each layer of the VGG."""
    width: int
    """Channels of the dilated convolutions."""
    dilations: tuple[int, ...] = DILATIONS


SIZES = {"19": Size("19", 32, 64), "tiny": Size("tiny", 4, 12, (1, 2, 4, 8))}


def build(size: str = "19") -> Context:
    """A context network of size 19 or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no context network of size '{size}'; there are: {', '.join(SIZES)}")
    return Context(SIZES[size])


class Context(nn.Module):
    """Hypercolumns, reduced, beside the photo and the maps."""

    multiple = 32
    pads = True

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        trunk = vgg.VGG(vgg.SIZES[size.vgg])
        self.features = trunk.features
        self.reduce = nn.ModuleList(nn.Conv2d(width, size.reduced, 1) for width in trunk.size.widths)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalized image Bx3xHxW, prompt maps BxCxHxW -> hypercolumns at 1/2 beside photo and maps."""
        x, columns, reduced = image, [], iter(self.reduce)
        half = (image.shape[-2] // 2, image.shape[-1] // 2)
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                columns.append(F.interpolate(next(reduced)(x), half, mode="bilinear", align_corners=False))
        near = F.interpolate(torch.cat((image, coords), 1), half, mode="area")
        return [torch.cat((near, *columns), 1)]

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """The maps as they are: they are channels beside the photo."""
        self.maps = channels
        return nn.Identity()

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """The dilated convolutions, and a 1x1 one."""
        inputs = 3 + self.maps + self.size.reduced * len(self.reduce)
        return Aggregation(inputs, self.size), nn.Conv2d(self.size.width, 1, 1)


class Aggregation(nn.Module):
    """3x3 convolutions of growing dilation, each with BatchNorm and a leaky ReLU."""

    def __init__(self, inputs: int, size: Size) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for dilation in (*size.dilations, 1):
            conv = nn.Conv2d(inputs, size.width, 3, padding=dilation, dilation=dilation, bias=False)
            layers += [conv, nn.BatchNorm2d(size.width), nn.LeakyReLU(0.2, inplace=True)]
            inputs = size.width
        self.layers = nn.Sequential(*layers)

    def forward(self, features: list[Tensor]) -> Tensor:
        """[BxCxhxw] -> Bxwidthxhxw."""
        out: Tensor = self.layers(features[0])
        return out


def load_pretrained(backbone: Context, tensors: Mapping[str, Tensor]) -> None:
    """Fill the VGG within with weights trained on ImageNet; CheckpointError where they do not fit."""
    trunk = vgg.VGG(vgg.SIZES[backbone.size.vgg])
    trunk.features = backbone.features
    vgg.load_pretrained(trunk, tensors)
