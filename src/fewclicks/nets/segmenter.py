"""The network that every mask-guided method shares: f(X, P, Y) on tensors."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.find import find
from fewclicks.nets.prompt import prompt_maps

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Backbone(Protocol):
    """What `backbones/X.py: build(size)` returns: an nn.Module with these members."""

    multiple: int
    """Sides of the input must be multiples of this."""
    pads: bool
    """Whether other sizes may be padded to it (right and bottom)."""

    def __call__(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalised image Bx3xHxW and embedded prompt -> features, finest first."""
        ...

    def coords_embedding(self) -> nn.Module:
        """Module from prompt maps Bx3xHxW to what the backbone adds after its first layer."""
        ...

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """The (neck, head) that suit the backbone: features -> features -> logits Bx1xhxw."""
        ...


class Segmenter(nn.Module):
    """Image, clicks and previous mask -> logits. The names of its parts are those of published checkpoints."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, radius_px: float = 5.0) -> None:
        super().__init__()
        self.radius_px = radius_px
        self.patch_embed_coords = backbone.coords_embedding()
        self.backbone = backbone
        self.neck, self.head = backbone.decoder()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads); prev Bx1xHxW prob -> logits Bx1xHxW."""
        height, width = image.shape[-2:]
        down, right = -height % self.backbone.multiple, -width % self.backbone.multiple
        image = (image - self.mean) / self.std
        coords = prompt_maps(clicks, prev, self.radius_px)
        if down or right:
            if not self.backbone.pads:
                raise InputError(
                    f"this backbone needs sides that are multiples of {self.backbone.multiple}, "
                    f"got {height}x{width}; resize, or zoom to such a size"
                )
            image, coords = F.pad(image, (0, right, 0, down)), F.pad(coords, (0, right, 0, down))
        features = self.backbone(image, self.patch_embed_coords(coords))
        logits = self.head(self.neck(features)).float()  # Bx1xhxw
        size = (height + down, width + right)
        logits = F.interpolate(logits, size, mode="bilinear", align_corners=True)
        return logits[..., :height, :width]


def build(backbone: str = "compact", size: str | None = None, radius_px: float = 5.0, **unknown: Any) -> Segmenter:
    """A Segmenter from the plain values that a checkpoint's config.json holds, with fresh weights."""
    if unknown:
        raise InputError(f"a network takes backbone, size and radius_px, got also {', '.join(sorted(unknown))}")
    family = find("backbones", backbone)
    return Segmenter(family.build() if size is None else family.build(size), radius_px)
