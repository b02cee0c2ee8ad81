"""Backpropagating refinement: a few numbers within a network are changed until its mask agrees with the clicks.

f-BRS (Sofiiuk et al., CVPR 2020) changes scale and bias of the channels of one layer: "a" behind the backbone, "b"
before the last convolutions, "c" before the last layer. "rgb" changes the photo and "distmap" the maps of clicks
instead, as BRS (Jang & Kim, CVPR 2019) did. What lies before the changed layer is computed once a click; an evaluation
is a forward and a backward of the rest. Nothing of the network's own is ever changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewclicks.errors import InputError
from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.deeplab import DeepLab
from fewclicks.models.ocr import OCR
from fewclicks.models.segmenter import Segmenter
from fewclicks.types import Image

REGULARISED, BIAS_COUNTS = 1e-3, 10.0
"""The loss grows with the squares of the variables by the one; those of biases count as much more as the other says."""

EVALUATIONS, MEMORY, GRADIENT = 20, 20, 1e-8
"""Evaluations in one click, remembered steps, and the gradient below which L-BFGS (Nocedal, 1980) stops."""

NEAR_PX = 1
"""Pixels around a clicked one, along both axes, that count with it."""


@dataclass(frozen=True, slots=True)
class Rest:
    """A network cut in two: what comes before is computed."""

    x: Tensor
    """BxCxhxw: what the variables change."""
    after: Callable[[Tensor], Tensor]
    """The rest of the network: x -> logits Bx1xh'xw'."""


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a click."""

    logits: NDArray[np.float32]
    """HxW."""
    variables: Tensor | None
    """What the next click begins with; None before any was optimised."""
    rest: Rest | None
    """What the next click need not compute again: the network has seen all the clicks that it may see."""
    evaluations: int


def cut(net: Segmenter, variant: str, image: Tensor, maps: Tensor, clicks: Tensor) -> Rest:
    """Compute a network up to what the variant changes. InputError for networks without such a place."""
    neck, head, hw = net.neck, net.head, (image.shape[-2], image.shape[-1])
    if variant == "rgb":
        return Rest(image, lambda x: _logits(head(_necked(net, net.encode(x, maps), clicks, hw))))
    if variant == "distmap":
        kept, drawn = maps[:, : maps.shape[1] - 2], maps[:, -2:]  # the previous mask stays as it is
        return Rest(
            drawn,
            lambda x: _logits(head(_necked(net, net.encode(image, torch.cat((kept, x), 1)), clicks, hw))),
        )
    features = net.encode(image, maps)
    if isinstance(neck, DeepLab):
        if variant == "a":
            fine, coarse = features
            return Rest(coarse, lambda x: _logits(head(neck([fine, x], clicks, hw))))
        joined = neck.join(features, clicks, hw)
        if variant == "b":
            return Rest(joined, lambda x: _logits(head(neck.fuse(x))))
        return Rest(neck.fuse(joined), lambda x: _logits(head(x)))
    if isinstance(head, OCR):
        aggregated = neck(features)
        if variant == "c":
            return Rest(head(aggregated).feature, head.cls_head)
        return Rest(aggregated, lambda x: _logits(head(x)))
    raise InputError(f"f-BRS-{variant.upper()} is made for DeepLabV3+ and HRNet; take variant=rgb or distmap")


def _necked(net: Segmenter, features: list[Tensor], clicks: Tensor, hw: tuple[int, int]) -> Any:
    reads_clicks = getattr(net.neck, "reads_clicks", False)
    return net.neck(features, clicks, hw) if reads_clicks else net.neck(features)


def _logits(out: Any) -> Tensor:
    logits: Tensor = getattr(out, "logits", out)
    return logits


@dataclass(frozen=True, slots=True)
class Refinement:
    """A network, and how its answers are refined."""

    net: Segmenter
    variant: str = "b"
    flip: bool = False
    """Look at the mirrored photo too; both share the variables."""
    seen_clicks: int = 8
    """So many clicks the network sees; later ones act through the variables only."""
    threshold: float = 0.5
    same_iou: float = 0.99
    """Stop when a step leaves a mask as much the same as this."""

    def answer(
        self,
        photo: Image,
        clicks: NDArray[np.float32],
        prev: NDArray[np.float32],
        variables: Tensor | None = None,
        rest: Rest | None = None,
    ) -> Found:
        """Photo HxWx3, clicks Nx3 (x, y, label) and previous mask HxW -> logits HxW, and what is kept for later."""
        hw = (photo.shape[0], photo.shape[1])
        if rest is None or len(clicks) <= self.seen_clicks:
            with torch.no_grad():
                rest = self.computed(photo, clicks[: self.seen_clicks], prev)
        scaling = self.variant in ("a", "b", "c")
        shape = (2, rest.x.shape[1], 1, 1) if scaling else (1, *rest.x.shape[1:])
        if variables is None or variables.shape != shape:
            variables = rest.x.new_zeros(shape)
        search = Search(self, rest, clicks, hw, variables)
        search.run(EVALUATIONS if len(clicks) > 1 else 1)
        logits = search.best.mean(0)[0].cpu().numpy()
        kept = rest if len(clicks) >= self.seen_clicks else None
        return Found(np.asarray(logits, np.float32), search.variables.detach(), kept, search.evaluations)

    def changed(self, x: Tensor, variables: Tensor) -> Tensor:
        """Change what the rest of the network reads."""
        if self.variant in ("a", "b", "c"):
            return x * (1 + variables[0]) + variables[1]
        both = torch.cat((variables, variables.flip(-1))) if self.flip else variables
        return x + both

    def size_of(self, variables: Tensor) -> Tensor:
        """The part of the loss that keeps the variables small."""
        if self.variant in ("a", "b", "c"):
            return REGULARISED * (variables[0].square().sum() + BIAS_COUNTS * variables[1].square().sum())
        return REGULARISED * variables.square().sum()

    def enlarged(self, low: Tensor, hw: tuple[int, int]) -> Tensor:
        """Low logits of the photo and, with flip, its mirror image -> of the photo both times, at full size."""
        logits: Tensor = self.net.enlarged(low, hw)
        if self.flip:
            logits = torch.cat((logits[:1], logits[1:].flip(-1)))
        return logits

    def computed(self, photo: Image, clicks: NDArray[np.float32], prev: NDArray[np.float32]) -> Rest:
        """The network up to what the variables change, of the photo and, with flip, of its mirror image."""
        device = self.net.mean.device
        image, points, mask = image_tensor(photo, device), clicks_tensor(clicks, device), map_tensor(prev, device)
        if self.flip:
            mirrored = points.clone()
            mirrored[..., 0] = image.shape[-1] - 1 - mirrored[..., 0]
            points, image = torch.cat((points, mirrored)), torch.cat((image, image.flip(-1)))
            mask = torch.cat((mask, mask.flip(-1)))
        return cut(self.net, self.variant, *self.net.inputs(image, points, mask), points)


class Search:
    """L-BFGS over the variables of one click; remembers the logits of the least loss."""

    def __init__(
        self, how: Refinement, rest: Rest, clicks: NDArray[np.float32], hw: tuple[int, int], variables: Tensor
    ) -> None:
        self.how, self.rest, self.hw = how, rest, hw
        self.variables = variables.clone().requires_grad_()
        self.positive, self.negative = (around(clicks, hw, label, rest.x.device) for label in (1, 0))
        self.evaluations, self.least = 0, torch.inf
        self.best = rest.x  # until the first evaluation
        self.mask: Tensor | None = None

    def run(self, evaluations: int) -> None:
        """Evaluate at most so often."""
        if evaluations == 1:
            with torch.no_grad():
                self.loss()
            return
        solver = torch.optim.LBFGS(
            [self.variables], max_iter=2 * evaluations, max_eval=evaluations, history_size=MEMORY,
            tolerance_grad=GRADIENT, tolerance_change=0, line_search_fn="strong_wolfe",
        )  # fmt: skip

        def evaluate() -> Tensor:
            if self.evaluations == evaluations:
                raise _Over
            with torch.enable_grad():
                loss = self.loss()
            if self.enough():
                self.variables.grad = torch.zeros_like(self.variables)  # which ends the search
            else:
                (self.variables.grad,) = torch.autograd.grad(loss, [self.variables])
            return loss.detach()

        with suppress(_Over):
            solver.step(evaluate)  # type: ignore[no-untyped-call]

    def loss(self) -> Tensor:
        """How far the answer is from the clicks, and the variables from zero; one evaluation."""
        self.evaluations += 1
        logits = self.how.enlarged(self.rest.after(self.how.changed(self.rest.x, self.variables)), self.hw)
        prob = logits.sigmoid()
        loss = self.how.size_of(self.variables)
        for pixels, wanted in ((self.positive, 1), (self.negative, 0)):
            if len(pixels[0]):
                loss = loss + (prob[:, 0, pixels[0], pixels[1]] - wanted).square().mean()
        self.prob = prob.detach()
        if float(loss.detach()) < self.least:
            self.least, self.best = float(loss.detach()), logits.detach()
        return loss

    def enough(self) -> bool:
        """Tell whether all clicks are met, or the mask is hardly another than that of the evaluation before."""
        at = [self.prob[:, 0, rows, cols] for rows, cols in (self.positive, self.negative)]
        met = (not at[0].numel() or float(at[0].min()) > self.how.threshold) and (
            not at[1].numel() or float(at[1].max()) < self.how.threshold
        )
        mask, before = self.prob > self.how.threshold, self.mask
        self.mask = mask
        if met or before is None:
            return met
        union = (mask | before).sum((1, 2, 3)).clamp(min=1)
        return float(((mask & before).sum((1, 2, 3)) / union).mean()) > self.how.same_iou


class _Over(Exception):
    """The search has evaluated as often as it may."""


def around(clicks: NDArray[np.float32], hw: tuple[int, int], label: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The rows and columns of all pixels at the clicks with a label and around them, each once."""
    pixels: set[tuple[int, int]] = set()
    for x, y, _ in clicks[clicks[:, 2] == label].tolist():
        row, column = round(y), round(x)
        pixels |= {(row + i, column + j) for i in _near() for j in _near()}
    inside = sorted((i, j) for i, j in pixels if 0 <= i < hw[0] and 0 <= j < hw[1])
    places = torch.tensor(inside, dtype=torch.long, device=device).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _near() -> Sequence[int]:
    return range(-NEAR_PX, NEAR_PX + 1)
