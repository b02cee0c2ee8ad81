"""VGG-16 (Simonyan & Zisserman, ICLR 2015) as a fully convolutional network, FCN-8s (Long et al., CVPR 2015): DIOS.

The maps of clicks are further channels of the first convolution, whose filters for them begin at zero (Xu et al., CVPR
2016): to add what a convolution of the maps gives is the same. Sizes: 16, and tiny to try things with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.pretrained import fill


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    repeats: tuple[int, ...]
    """3x3 convolutions of each of the five blocks."""
    widths: tuple[int, ...]
    classifier: int
    """Channels of the two layers behind the blocks: VGG's fully connected ones, as convolutions."""


SIZES = {
    "16": Size((2, 2, 3, 3, 3), (64, 128, 256, 512, 512), 4096),
    "19": Size((2, 2, 4, 4, 4), (64, 128, 256, 512, 512), 4096),
    "tiny": Size((1, 1, 1, 1, 1), (8, 16, 24, 32, 32), 48),
}


def build(size: str = "16") -> VGG:
    """A VGG of size 16, 19 or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no vgg of size '{size}'; there are: {', '.join(SIZES)}")
    return VGG(SIZES[size])


def first_layer_maps(channels: int, outputs: int) -> nn.Module:
    """Prompt maps BxchannelsxHxW -> BxoutputsxHxW: what further channels of a 3x3 convolution give, zero at first."""
    conv = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
    nn.init.zeros_(conv.weight)
    return conv


class VGG(nn.Module):
    """Five blocks, each ending in a 2x2 max pooling, and two convolutions behind them."""

    multiple = 32
    pads = True

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        inputs = 3
        for repeats, width in zip(size.repeats, size.widths, strict=True):
            for _ in range(repeats):
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Conv2d(inputs, size.classifier, 7, padding=3), nn.ReLU(inplace=True), nn.Dropout(0.5),
            nn.Conv2d(size.classifier, size.classifier, 1), nn.ReLU(inplace=True), nn.Dropout(0.5),
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor, coords: Tensor | None) -> list[Tensor]:
        """Normalized image Bx3xHxW, embedded prompt -> features behind pooling 3, 4 and 5: 1/8, 1/16, 1/32."""
        pooled = self.blocks(image, coords)
        return [pooled[2], pooled[3], self.classifier(pooled[4])]

    def blocks(self, image: Tensor, coords: Tensor | None) -> list[Tensor]:
        """Compute what each block ends in, pooled: 1/2 to 1/32."""
        first, *layers = self.features
        x, pooled = first(image), []
        x = x if coords is None else x + coords
        for layer in layers:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        return pooled

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Prompt maps BxchannelsxHxW -> Bx64xHxW."""
        return first_layer_maps(channels, self.size.widths[0])

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """No neck, and the head of FCN-8s."""
        return nn.Identity(), FCN8s((*self.size.widths[2:4], self.size.classifier))


class FCN8s(nn.Module):
    """Scores at 1/32, 1/16 and 1/8, each enlarged to the next finer one and added."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in channels)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features at 1/8, 1/16, 1/32 -> logits Bx1xh/8xw/8."""
        scores = [score(x) for score, x in zip(self.scores, features, strict=True)]
        fine: Tensor = scores[-1]
        for score in reversed(scores[:-1]):
            fine = score + F.interpolate(fine, score.shape[-2:], mode="bilinear", align_corners=False)
        return fine


def load_pretrained(backbone: VGG, tensors: Mapping[str, Tensor]) -> None:
    """Fill the blocks with weights trained on ImageNet, the classifier left aside; CheckpointError otherwise."""
    fill(backbone, tensors, "an ImageNet-trained VGG", ("classifier.",))
