"""The network that every mask-guided method shares: f(X, P, Y) on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.models.prompt import InputFusion, Prompt
from fewclicks.plugins import find

if TYPE_CHECKING:
    from fewclicks.models.refiner import Refined

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

FUSIONS = ("add", "input")
"""Where the prompt enters: added after the backbone's first layer, or mixed into three channels before it."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Holds what a head has to say, at its own resolution, and what `Segmenter.outputs` makes of it."""

    logits: Tensor
    """Bx1xhxw; from a Segmenter Bx1xHxW."""
    aux: Tensor | None = None
    """Logits of an auxiliary head that training may use (the OCR's coarse mask), of the size of `logits`."""
    feature: Tensor | None = None
    """BxCxhxw: what the head's last layer reads, C its `feature_channels`; always at the head's resolution."""
    maps: Tensor | None = None
    """BxKxhxw, logits: what `extra_heads` say beside the mask; of the size of `logits`."""
    scores: Tensor | None = None
    """BxK: how good a head thinks each of its masks is (latent diversity)."""


OwnLosses = Callable[[Outputs, Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]], Tensor]
"""Outputs at full size, clicks BxNx3, truth BxHxW {1, 0, -1}, the loss of a mask (logits, truth -> B) -> B losses."""


class Backbone(Protocol):
    """Describes what `models/X.py: build(size)` returns: an nn.Module with these members.

    Two more are read where they exist: `fusions`, those of FUSIONS that it can do (default: "add" alone), and
    `lr_factors`, see `Segmenter.lr_factor`.
    """

    multiple: int
    """Sides of the input must be multiples of this."""
    pads: bool
    """Whether other sizes may be padded to it (right and bottom)."""

    def __call__(self, image: Tensor, coords: Tensor | None) -> list[Tensor]:
        """Normalised image Bx3xHxW and embedded prompt (None: it is in the image) -> features, finest first."""
        ...

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Module from prompt maps BxchannelsxHxW to what the backbone adds after its first layer."""
        ...

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """The (neck, head) that suit the backbone: features -> features -> logits Bx1xhxw, or Outputs.

        A head that returns Outputs with a feature has `feature_channels: int`, so that a refiner can be put on it. A
        neck with `reads_clicks` is also given clicks BxNx3 and the size of the (padded) image that they lie in.
        """
        ...


class ClickNet(nn.Module):
    """Base of the networks: image, clicks and previous mask -> logits. Each has a `backbone`."""

    mean: Tensor
    std: Tensor

    @property
    def multiple(self) -> int:
        """Sides of an image that are multiples of this need no padding."""
        return 1

    def outputs(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Outputs:
        """Answer as forward -> logits Bx1xHxW, and what else the network has to say."""
        return Outputs(self(image, clicks, prev))

    def lr_factor(self, name: str) -> float:
        """Factor on the learning rate of the parameter `name`: that of the first fitting prefix, 1 where none fits.

        The backbone's `lr_factors` gives the prefixes, in the names of the network's parameters.
        """
        factors: Mapping[str, float] = getattr(self.backbone, "lr_factors", {})
        return next((factor for prefix, factor in factors.items() if name.startswith(prefix)), 1.0)


class Segmenter(ClickNet):
    """Image, clicks and previous mask -> logits.

    Parts in order: patch_embed_coords, backbone, neck, head and, in FocalClick, refiner. Published checkpoints hold
    them under the names that models/key_maps.py translates.
    """

    def __init__(
        self,
        backbone: Backbone,
        prompt: Prompt = Prompt(),  # noqa: B008 - it is frozen
        fusion: str = "add",
        scale: float = 1.0,
        refiner: str = "",
        extra: str = "",
    ) -> None:
        super().__init__()
        self.prompt, self.fusion, self.scale = prompt, fusion, scale
        channels = prompt.channels
        self.patch_embed_coords = InputFusion(channels) if fusion == "input" else backbone.coords_embedding(channels)
        self.backbone = backbone
        self.neck, self.head = backbone.decoder()
        if extra:
            from fewclicks.models.extra_heads import with_extra  # needed by few networks

            self.head = with_extra(extra, self.head)
        if refiner:
            from fewclicks.models.refiner import build_refiner  # needed by few networks

            channels = getattr(self.head, "feature_channels", 0)
            if not channels:
                raise InputError(
                    f"refiner '{refiner}' needs a head that gives a feature, as those of hrnet and segformer"
                )
            self.refiner = build_refiner(refiner, channels)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @property
    def multiple(self) -> int:
        """That of the backbone."""
        return self.backbone.multiple

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads); prev Bx1xHxW prob -> logits Bx1xHxW."""
        return self.enlarged(self._low(image, clicks, prev).logits, image.shape[-2:])

    def outputs(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Outputs:
        """Answer as forward -> logits and, from heads that have them, auxiliary logits Bx1xHxW and the feature BxCxhxw.

        Where the image had to be padded, the feature is that of the padded one.
        """
        low = self._low(image, clicks, prev)
        hw = image.shape[-2:]
        aux, maps = (None if x is None else self.enlarged(x, hw) for x in (low.aux, low.maps))
        if self.training and hasattr(self, "refiner"):  # the local step is taught on the whole crop
            coarse = Outputs(self.enlarged(low.logits, hw), None, low.feature)
            box = torch.tensor([[0.0, 0, hw[1], hw[0]]] * len(image), device="cpu")
            return Outputs(self.refine(image, clicks, coarse, box).logits, coarse.logits, low.feature, maps, low.scores)
        return Outputs(self.enlarged(low.logits, hw), aux, low.feature, maps, low.scores)

    def refine(self, image: Tensor, clicks: Tensor, coarse: Outputs, boxes: Tensor) -> Refined:
        """The local step of FocalClick: image Bx3xhxw in [0,1], a crop; clicks BxNx3 in its frame -> logits Bx1xhxw.

        `coarse` is what `outputs` says of the whole; boxes Bx4 (left, top, right, bottom) are where the crop lies in
        it, in pixels. InputError for a network without refiner.
        """
        if not hasattr(self, "refiner"):
            raise InputError("this network has no refiner; FocalClick's have")
        out: Refined = self.refiner(image, clicks, coarse.feature, coarse.logits, boxes)
        return out

    @property
    def losses(self) -> OwnLosses | None:
        """How its head wants to be taught, where that is not by the mask alone."""
        own: OwnLosses | None = getattr(self.head, "losses", None)
        return own

    def _low(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Outputs:
        """The head's outputs at its own resolution."""
        image, maps = self.inputs(image, clicks, prev)
        features = self.encode(image, maps)
        reads_clicks = getattr(self.neck, "reads_clicks", False)
        features = self.neck(features, clicks, image.shape[-2:]) if reads_clicks else self.neck(features)
        out = self.head(features)
        return out if isinstance(out, Outputs) else Outputs(out)

    def inputs(self, image: Tensor, clicks: Tensor, prev: Tensor) -> tuple[Tensor, Tensor]:
        """Prepare what the layers read, padded as the backbone asks: the normalised image, the prompt's maps."""
        image = (image - self.mean) / self.std
        maps = self.prompt(clicks, prev)
        down, right = self._padding(image.shape[-2:])
        if down or right:
            image, maps = F.pad(image, (0, right, 0, down)), F.pad(maps, (0, right, 0, down))
        return image, maps

    def encode(self, image: Tensor, maps: Tensor) -> list[Tensor]:
        """The backbone's features of `inputs`, finest first."""
        if self.scale != 1:
            image, maps = (
                F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=True) for x in (image, maps)
            )
        if self.fusion == "input":
            return self.backbone(self.patch_embed_coords(torch.cat((image, maps), 1)), None)
        return self.backbone(image, self.patch_embed_coords(maps))

    def _padding(self, hw: Sequence[int]) -> tuple[int, int]:
        """Rows and columns to add at the bottom and the right."""
        height, width = hw
        multiple = math.ceil(self.backbone.multiple / self.scale)
        down, right = -height % multiple, -width % multiple
        if (down or right) and not self.backbone.pads:
            raise InputError(
                f"this backbone needs sides that are multiples of {multiple}, "
                f"got {height}x{width}; resize, or zoom to such a size"
            )
        return down, right

    def enlarged(self, logits: Tensor, hw: Sequence[int]) -> Tensor:
        """Logits Bx1xhxw of the padded image -> Bx1xHxW, hw the size of the image."""
        height, width = hw
        down, right = self._padding(hw)
        size = (height + down, width + right)
        logits = F.interpolate(logits.float(), size, mode="bilinear", align_corners=True)
        return logits[..., :height, :width]


def build_segmenter(  # one parameter for each value of config.json's "network"
    backbone: str = "compact",
    size: str | None = None,
    *,
    radius_px: float = 5.0,
    maps: str = "disk",
    with_prev: bool = True,
    fusion: str = "add",
    scale: float = 1.0,
    refiner: str = "",
    extra: str = "",
    **unknown: Any,
) -> Segmenter:
    """A Segmenter from the plain values that a checkpoint's config.json holds, with fresh weights.

    backbone, size   file in models/, and the size that its `build` takes (None: its default)
    radius_px        of the clicks' disks; of "tanh" maps: the distance at which they reach tanh(2)
    maps             "disk" (RITM), or "tanh": 0 at a click, 1 far away (f-BRS; its radius_px is 260);
                     "truncated": the distance to the nearest click, at most radius_px, over that (DIOS: 255);
                     "proximity": 1 less that (BRS: 255); "contour": one map, a bump at each click (UCP-Net)
    with_prev        whether the previous mask is an input
    fusion           "add": the maps are embedded and added after the backbone's first layer (RITM);
                     "input": image and maps are mixed into the three channels that the backbone reads (f-BRS)
    scale            by which image and maps are shrunk first, at most 1 (FocalClick S1: 0.5)
    refiner          "", or one of models/refiner.py, which methods run on the outputs (FocalClick)

    extra            "", or a head of models/extra_heads.py on that of the backbone: "errors" (PseudoClick), "latent"

    InputError for any other key or value, UnknownName for an unknown backbone.
    """
    if unknown:
        known = "backbone, size, radius_px, maps, with_prev, fusion, scale, refiner and extra"
        raise InputError(f"a network takes {known}, got also {', '.join(sorted(unknown))}")
    family = find("models", backbone)
    body = family.build() if size is None else family.build(size)
    possible = getattr(body, "fusions", FUSIONS[:1])
    if fusion not in possible:
        raise InputError(f"the fusion of backbone {backbone} is {' or '.join(possible)}, got '{fusion}'")
    if not 0 < scale <= 1:
        raise InputError(f"scale must be above 0 and at most 1, got {scale}")
    return Segmenter(body, Prompt(radius_px, maps, with_prev), fusion, scale, refiner, extra)
