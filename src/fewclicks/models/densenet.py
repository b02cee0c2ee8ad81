"""DenseNet (Huang et al., CVPR 2017) with a coarse and a fine decoder: an encoder-decoder as that of BRS.

Jang & Kim (CVPR 2019) put two decoders on a DenseNet: a coarse one climbs to 1/4 of the resolution, a fine one sees the
photo and its answer again. The maps of clicks are further channels of the first convolution. Sizes: 121, and tiny.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.fpn import FPN, ConvBNReLU
from fewclicks.models.pretrained import fill


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    blocks: tuple[int, ...]
    """Layers of each dense block."""
    growth: int
    """Channels that a layer adds."""
    stem: int
    decoder: tuple[int, ...]
    """Channels at 1/4, 1/8, 1/16 and 1/32."""


SIZES = {
    "121": Size((6, 12, 24, 16), 32, 64, (64, 96, 128, 256)),
    "tiny": Size((2, 2, 2, 2), 8, 8, (8, 12, 16, 24)),
}


def build(size: str = "121") -> DenseNet:
    """A DenseNet of size 121 or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no densenet of size '{size}'; there are: {', '.join(SIZES)}")
    return DenseNet(SIZES[size])


class DenseLayer(nn.Module):
    """BatchNorm, ReLU and a convolution, twice; what it finds is put beside what it was given."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx(C+growth)xhxw."""
        found = self.conv1(F.relu(self.norm1(x)))
        return torch.cat((x, self.conv2(F.relu(self.norm2(found)))), 1)


class DenseNet(nn.Module):
    """Dense blocks, between which a 1x1 convolution halves the channels and a pooling the resolution."""

    multiple = 32
    pads = True

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.conv0 = nn.Conv2d(3, size.stem, 7, 2, 3, bias=False)
        self.norm0 = nn.BatchNorm2d(size.stem)
        blocks, transitions, channels, width = [], [], [], size.stem
        for i, layers in enumerate(size.blocks):
            block = [DenseLayer(width + j * size.growth, size.growth) for j in range(layers)]
            width += layers * size.growth
            blocks.append(nn.Sequential(*block))
            channels.append(width)
            if i < len(size.blocks) - 1:
                halved = nn.Conv2d(width, width // 2, 1, bias=False)
                transitions.append(nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), halved, nn.AvgPool2d(2)))
                width //= 2
        self.blocks, self.transitions = nn.ModuleList(blocks), nn.ModuleList(transitions)
        self.norm5 = nn.BatchNorm2d(width)
        self.channels = tuple(channels)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalized image Bx3xHxW, embedded prompt -> the image, and features at 1/4, 1/8, 1/16, 1/32."""
        x = F.relu(self.norm0(self.conv0(image) + coords))
        x, features = F.max_pool2d(x, 3, 2, 1), [image]
        for i, block in enumerate(self.blocks):
            x = block(x)
            features.append(x)
            if i < len(self.transitions):
                x = self.transitions[i](x)
        features[-1] = F.relu(self.norm5(features[-1]))
        return features

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Prompt maps BxchannelsxHxW -> BxstemxH/2xW/2: further channels of the first convolution."""
        return nn.Conv2d(channels, self.size.stem, 7, 2, 3, bias=False)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """The coarse decoder, and the fine one."""
        return Coarse(self.channels, self.size.decoder), Fine(self.size.decoder[0])


class Coarse(nn.Module):
    """Climbs from 1/32 to 1/4; the image is handed on."""

    def __init__(self, channels: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.pyramid = FPN(channels, widths)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The image and features -> the image, and one map at 1/4."""
        return [features[0], self.pyramid(features[1:])]


class Fine(nn.Module):
    """Sees the image again at half of its resolution, beside what the coarse decoder found."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = ConvBNReLU(3, width // 2)
        self.mix = nn.Sequential(ConvBNReLU(width + width // 2, width), ConvBNReLU(width, width))
        self.mask = nn.Conv2d(width, 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Image Bx3xHxW and a map at 1/4 -> logits Bx1xH/2xW/2."""
        image, coarse = features
        looked = self.look(F.avg_pool2d(image, 2))
        enlarged = F.interpolate(coarse, looked.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.mask(self.mix(torch.cat((looked, enlarged), 1)))
        return logits


def load_pretrained(backbone: DenseNet, tensors: Mapping[str, Tensor]) -> None:
    """Fill the encoder with DenseNet weights trained on ImageNet; CheckpointError where they do not fit."""
    named = {}
    for key, value in tensors.items():
        parts = key.removeprefix("features.").split(".")
        if parts[0].startswith("denseblock"):
            layer = int(parts[1].removeprefix("denselayer")) - 1
            parts = ["blocks", str(int(parts[0][-1]) - 1), str(layer), "".join(parts[2:-1]), parts[-1]]
        elif parts[0].startswith("transition"):
            place = {"norm": "0", "conv": "2"}.get(parts[1], parts[1])
            parts = ["transitions", str(int(parts[0][-1]) - 1), place, *parts[2:]]
        named[".".join(parts)] = value
    fill(backbone, named, "an ImageNet-trained DenseNet", ("classifier.",))
