"""ResNet (He et al., CVPR 2016), dilated to a resolution of 1/8, below DeepLabV3+: the networks of f-BRS and CDNet.

Sizes: 34, and 50 and 101 with three 3x3 convolutions as a stem, as in the "v1b" and "v1s" of GluonCV (He et al., CVPR
2019); "34_cdnet" is 34 with the feature diffusion of CDNet above it; and tiny ones, for trying out. Sides of any length
are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.cdnet import DiffusionHead, FeatureDiffusion
from fewclicks.models.deeplab import DeepLab, SepConvHead
from fewclicks.models.pretrained import fill
from fewclicks.models.prompt import MapsEmbedding, xavier_gluon

STEM = 64
"""Channels of the first convolution, and of the embedded prompt."""

UNUSED = ("fc.",)
"""What ImageNet weights hold beside the trunk: the classifier."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    deeplab_channels: int = 128
    dropout: float = 0.2
    """Of the ASPP's output."""
    diffusion: bool = False
    """CDNet's: clicks spread over the features, and four more masks for training."""


SIZES = {
    "34": Size((3, 4, 6, 3), False),
    "34_cdnet": Size((3, 4, 6, 3), False, diffusion=True),
    "50": Size((3, 4, 6, 3), True),
    "101": Size((3, 4, 23, 3), True, 256, 0.5),
    "tiny": Size((1, 1, 1, 1), False, 32),
    "tiny_cdnet": Size((1, 1, 1, 1), False, 32, diffusion=True),
}


def build(size: str = "34") -> ResNet:
    """A ResNet of size 34, 34_cdnet, 50 or 101 with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no resnet of size '{size}'; there are: {', '.join(SIZES)}")
    return ResNet(SIZES[size])


def conv3x3(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """3x3 convolution without bias that keeps the size, but for the stride."""
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input passes; the first may be less dilated than the second."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, width, stride, dilations[0])
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, 1, dilations[1])
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxC'xH/stridexW/stride."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 to a quarter of the channels, 3x3, 1x1 back, around which the input passes."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride, dilations[0])
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxC'xH/stridexW/stride."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """How the input passes around a block: as it is, or by a 1x1 convolution where the shape changes."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """Stem, to which the embedded prompt is added, and four stages, the last two dilated instead of strided."""

    multiple = 1
    pads = True
    fusions = ("add", "input")
    lr_factors: Mapping[str, float] = {"backbone.": 0.1}  # as f-BRS, RITM and CDNet train

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.stem_channels = 2 * STEM if size.bottleneck else STEM
        self.conv1: nn.Module = nn.Conv2d(3, STEM, 7, 2, 3, bias=False)
        if size.bottleneck:
            first = (conv3x3(3, STEM, 2), nn.BatchNorm2d(STEM), nn.ReLU())
            second = (conv3x3(STEM, STEM), nn.BatchNorm2d(STEM), nn.ReLU())
            self.conv1 = nn.Sequential(*first, *second, conv3x3(STEM, 2 * STEM))
        self.bn1 = nn.BatchNorm2d(self.stem_channels)
        block = Bottleneck if size.bottleneck else BasicBlock
        self.channels = tuple(STEM * block.expansion << i for i in range(4))
        inputs = (self.stem_channels, *self.channels)
        stages = []
        # A stage that is dilated by d begins with d / 2, with which the stage before it ends.
        for i, (stride, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4))):
            begin = (max(1, dilation // 2), dilation)
            blocks: list[nn.Module] = [block(inputs[i], STEM << i, stride, begin)]
            blocks += [block(self.channels[i], STEM << i, 1, (dilation, dilation)) for _ in range(size.blocks[i] - 1)]
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.apply(xavier_gluon)

    def forward(self, image: Tensor, coords: Tensor | None) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt Bx64xH/2xW/2 or None -> first stage at 1/4, last at 1/8."""
        x = F.relu(self.bn1(self.conv1(image)))
        if coords is not None:  # it may have fewer channels: the first ones
            x = x + F.pad(coords, (0, 0, 0, 0, 0, self.stem_channels - coords.shape[1]))
        first = self.layer1(F.max_pool2d(x, 3, 2, 1))
        return [first, self.layer4(self.layer3(self.layer2(first)))]

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Prompt maps BxchannelsxHxW -> Bx64xH/2xW/2."""
        return MapsEmbedding(channels, STEM)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """DeepLabV3+ and two separable convolutions: logits at 1/4; CDNet's diffusion within them."""
        dim = self.size.deeplab_channels
        diffusion = FeatureDiffusion(dim) if self.size.diffusion else None
        neck = DeepLab((self.channels[0], self.channels[-1]), dim, self.size.dropout, diffusion)
        return neck, DiffusionHead(dim) if self.size.diffusion else SepConvHead(dim, dim // 2, 2)


def load_pretrained(backbone: ResNet, tensors: Mapping[str, Tensor]) -> None:
    """Fill the trunk with weights trained on ImageNet, the classifier left aside.

    Of size 34 those of most packages fit; of 50 and 101 only those with the deep stem. CheckpointError otherwise.
    """
    fill(backbone, tensors, "an ImageNet-trained ResNet", UNUSED)
