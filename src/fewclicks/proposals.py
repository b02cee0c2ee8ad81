"""Everything on a photo: what a grid of clicks finds, as proposals that somebody accepts or corrects.

grid of clicks ──▶ masks, in the photo and in a part of it ──▶ stable ones of a fair size ──▶ equal ones merged

A model of clicks knows no classes and no end: it answers each click with what it takes the object there to be. What
several clicks agree on, and what does not hang on the threshold, is most likely an object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State, step_each
from fewclicks.prompts import cleaned, connected_piece, is_cut, region_around
from fewclicks.types import Image, Mask, Prob

EDGE = 1e-6
"""Probs are kept so far from 0 and 1 that they have logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """How a photo is asked for everything on it. InputError for what makes no sense."""

    points: int = 8
    """Clicks along the longer side of the photo; as far apart along the other."""
    stability: float = 0.85
    """Masks that are less stable are left out: IoU of the mask at a threshold that is `offset` higher and lower."""
    offset: float = 0.5
    """In logits."""
    same_iou: float = 0.7
    """Masks that overlap more are one: that of the most clicks, then the most stable."""
    least_share: float = 0.0005
    """Masks of a smaller share of the photo are left out."""
    most_share: float = 0.9
    """And those of a larger one."""
    scales: tuple[float, ...] = (1.0, 0.5)
    """Sides of the parts of the photo that are looked at around each click, over those of the photo: 1 is all of it."""
    agreeing: int = 1
    """So many clicks have to give a mask."""
    limit: int = 100
    """Proposals, the best ones first."""
    batch: int = 16
    """Clicks that are asked about at once, where the predictor can."""

    def __post_init__(self) -> None:
        whole = {"points": 256, "agreeing": 1000, "limit": 10_000, "batch": 1024}
        for name, most in whole.items():
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                raise InputError(f"{name} of Everything is a whole number from 1 to {most:,}, got {value!r}")
        for name in ("stability", "same_iou", "least_share", "most_share"):
            if not 0 <= getattr(self, name) <= 1:  # false for NaN too
                raise InputError(f"{name} of Everything lies between 0 and 1, got {getattr(self, name)!r}")
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise InputError(f"scales of Everything are above 0 and at most 1, got {self.scales!r}")
        if not 0 <= self.offset <= 10:
            raise InputError(f"offset of Everything lies between 0 and 10, got {self.offset!r}")
        if self.least_share > self.most_share:
            raise InputError(
                f"least_share of Everything is larger than most_share ({self.least_share} and {self.most_share}), so "
                "no mask is left; exchange the two"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """An object that the photo may show. It holds the mask within its box only: a photo has a hundred of them."""

    part: Mask
    """The mask within `box`."""
    box: Box
    hw: tuple[int, int]
    """Of the photo."""
    click: Click
    """What gives it."""
    stability: float
    """0 to 1: how little the mask hangs on the threshold."""
    votes: int
    """Clicks of the grid that gave it."""

    @property
    def mask(self) -> Mask:
        """HxW bool, made anew each time."""
        mask = np.zeros(self.hw, bool)
        mask[self.box.slices] = self.part
        return mask


def propose(
    image: Image,
    predictor: Predictor,
    how: Everything | None = None,
    seen: Callable[[int, int], None] = lambda done, total: None,
) -> list[Proposal]:
    """Propose the objects of a photo, as `predictor` answers a grid of clicks; the largest first: parts lie on top.

    `image`: HxWx3 uint8 RGB. Each mask is one piece, HxW bool. `seen` is told (done, total) after some clicks.
    InputError where the image has no pixel.
    """
    steps = proposing(image, predictor, how)
    while True:
        try:
            seen(*next(steps))
        except StopIteration as end:
            found: list[Proposal] = end.value
            return found


def proposing(
    image: Image, predictor: Predictor, how: Everything | None = None, start: State | None = None
) -> Generator[tuple[int, int], None, list[Proposal]]:
    """Do as `propose`, bit by bit: gives (done, total) after some clicks, and returns the proposals.

    `start`: the predictor's state before the first click on the photo, where it is known.
    """
    how = how or Everything()
    if image.ndim != 3 or min(image.shape[:2]) < 1:
        raise InputError(f"a photo is HxWx3 with pixels, got {image.shape}")
    start, groups = start or predictor.start(image), list[_Group]()
    predictor, shown = cleaned(predictor, start)
    start = replace(start, image=shown)
    hw = (image.shape[0], image.shape[1])
    clicks = grid(hw, how.points)
    asked = [(click, scale) for scale in how.scales for click in clicks]
    at_once = how.batch if _takes_several(predictor) else 1
    for first in range(0, len(asked), at_once):
        some = asked[first : first + at_once]
        for (click, _), (state, region) in zip(some, _answers(predictor, start, some), strict=True):
            _sort_in(groups, _read(state, click, region, hw, how), how)
        yield min(first + at_once, len(asked)), len(asked)
    best = sorted(groups, key=lambda group: (-group.votes * group.best.stability, -group.best.area))
    kept = [group for group in best if group.votes >= how.agreeing][: how.limit]
    return [
        Proposal(best.part, best.box, hw, best.click, round(best.stability, 4), group.votes)
        for group in sorted(kept, key=lambda group: -group.best.area)
        for best in [group.best]
    ]


def grid(hw: tuple[int, int], points: int) -> list[Click]:
    """The clicks of a grid in a photo of size `hw`: `points` along its longer side, in the middle of equal parts."""
    along = [max(1, round(points * side / max(hw))) for side in hw]
    rows, columns = ((np.arange(count) + 0.5) * side / count - 0.5 for count, side in zip(along, hw, strict=True))
    return [Click(round(float(x), 1), round(float(y), 1)) for y in rows for x in columns]


def stability_of(prob: Prob, threshold: float, offset: float) -> float:
    """Tell how little a mask hangs on the threshold: the IoU of what lies above it when it is moved up and down.

    `offset` is in logits. 1 for a mask that does not change, 0 for one that vanishes.
    """
    logit = math.log(min(max(threshold, EDGE), 1 - EDGE) / (1 - min(max(threshold, EDGE), 1 - EDGE)))
    low, high = (1 / (1 + math.exp(-(logit + side * offset))) for side in (-1, 1))
    wide = int(np.count_nonzero(prob > low))
    return int(np.count_nonzero(prob > high)) / wide if wide else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """A mask within its box."""

    click: Click
    box: Box
    part: Mask
    area: int
    stability: float

    def iou(self, other: _Answer) -> float:
        """With another one, 0 to 1."""
        common = self.box.intersection(other.box)
        if common is None or min(self.area, other.area) == 0:
            return 0.0
        one, two = (
            answer.part[
                common.y0 - answer.box.y0 : common.y1 - answer.box.y0,
                common.x0 - answer.box.x0 : common.x1 - answer.box.x0,
            ]
            for answer in (self, other)
        )
        both = int(np.count_nonzero(one & two))
        return both / (self.area + other.area - both)


@dataclass(slots=True, eq=False)
class _Group:
    """Answers that are one: the most stable of them, and how many there are."""

    best: _Answer
    votes: int


def _takes_several(predictor: object) -> bool:
    """Tell whether what is within the predictor answers several clicks in less time than one by one."""
    while (inner := getattr(predictor, "inner", None)) is not None:
        predictor = inner
    return bool(getattr(getattr(predictor, "forward", None), "batches", False))


def _answers(predictor: Predictor, start: State, asked: Sequence[tuple[Click, float]]) -> list[tuple[State, Box]]:
    """The state after each click, in the part of the photo that is looked at for it, and where that lies."""
    hw = (start.image.shape[0], start.image.shape[1])
    regions = [region_around(*click.pixel(hw), scale, hw) for click, scale in asked]
    states = [
        start if region == Box.whole(hw) else predictor.start(np.ascontiguousarray(start.image[region.slices]))
        for region in regions
    ]
    clicks = [
        Clicks((Click(click.x - region.x0, click.y - region.y0),))
        for (click, _), region in zip(asked, regions, strict=True)
    ]
    return list(zip(step_each(predictor, states, clicks), regions, strict=True))


def _read(state: State, click: Click, region: Box, photo_hw: tuple[int, int], how: Everything) -> _Answer | None:
    """The piece that the click lies in; None where it is none that can be proposed."""
    mask = connected_piece(state.mask, *Click(click.x - region.x0, click.y - region.y0).pixel(region.hw))
    if mask is None or is_cut(mask, region, photo_hw):
        return None
    area, whole = int(np.count_nonzero(mask)), photo_hw[0] * photo_hw[1]
    if not max(1, how.least_share * whole) <= area <= how.most_share * whole:
        return None
    # Other pieces are not of it; what lies around it joins where the threshold is lower.
    stability = stability_of(np.where(state.mask & ~mask, 0, state.prob), state.threshold, how.offset)
    inner = Box.around(mask)
    if stability < how.stability or inner is None:
        return None
    box = Box(inner.x0 + region.x0, inner.y0 + region.y0, inner.x1 + region.x0, inner.y1 + region.y0)
    return _Answer(click, box, np.ascontiguousarray(mask[inner.slices]), area, stability)


def _sort_in(groups: list[_Group], answer: _Answer | None, how: Everything) -> None:
    """Put an answer to those that it is one with, or begin with it."""
    if answer is None:
        return
    alike = [group for group in groups if group.best.iou(answer) > how.same_iou]
    if not alike:
        groups.append(_Group(answer, 1))
        return
    first, *rest = sorted(alike, key=lambda group: -group.best.iou(answer))
    first.votes += 1
    if answer.stability > first.best.stability:
        first.best = answer
        for group in rest:  # what this brought together
            if group.best.iou(answer) > how.same_iou:
                first.votes += group.votes
                groups.remove(group)
