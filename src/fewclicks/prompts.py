"""What can be said beside a click: a box to look at, a stroke of clicks, and which of several masks a click means.

All work with any predictor: a part of the photo is shown to it as if it were the photo (`LookAt`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import index
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box, clamp_clicks, copied
from fewclicks.predictor import Predictor, State
from fewclicks.refinement import CFR, GIVEN, ClickConsistency, LocalCorrection, passes
from fewclicks.transforms import CLEAN, Denoise
from fewclicks.types import Image, Mask, Prob

MAX_POINTS = 20_000
"""Points of one stroke."""
FAR_PX = 1_000_000
"""What no coordinate exceeds."""
STROKE_CLICKS = 8
"""A stroke is at most so many clicks."""
MEANINGS = 3
"""So many masks a first click can mean."""
APART_RATIO = 0.04
"""They are so far apart, as a share of the photo's diagonal, where the stroke is not longer."""


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box around the object: the region to look at, and nothing that is promised of any pixel.

    Half-open edges in pixels of the image, as everywhere; any two opposite corners. What lies beside the image is
    left out.
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(abs(value) <= FAR_PX for value in (self.x0, self.y0, self.x1, self.y1)):  # false for NaN too
            raise InputError(f"a box has four numbers near the image, got {self}; pass pixels x0, y0, x1, y1")

    def __str__(self) -> str:
        return f"({self.x0:g}, {self.y0:g}, {self.x1:g}, {self.y1:g})"

    def pixels(self, hw: tuple[int, int]) -> Box:
        """The whole pixels of it in an image of size `hw`; InputError where there are none."""
        (left, right), (top, bottom) = sorted((self.x0, self.x1)), sorted((self.y0, self.y1))
        x0, x1 = (min(max(math.floor(x + 0.5), 0), hw[1]) for x in (left, right))
        y0, y1 = (min(max(math.floor(y + 0.5), 0), hw[0]) for y in (top, bottom))
        if x0 >= x1 or y0 >= y1:
            raise InputError(
                f"the box {self} holds no pixel of the image of {hw[1]}x{hw[0]}; pass x0, y0, x1, y1 around the object"
            )
        return Box(x0, y0, x1, y1)


@dataclass(frozen=True, slots=True)
class Scribble:
    """A stroke over the object, or over what is not: clicks along it, all said at once."""

    points: tuple[tuple[float, float], ...]
    """(x, y) in pixels of the image; what lies beside it is left out."""
    positive: bool = True

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MAX_POINTS:
            raise InputError(f"a stroke has 1 to {MAX_POINTS:,} points, got {len(self.points):,}; draw it in parts")
        if not all(abs(value) <= FAR_PX for point in self.points for value in point):
            raise InputError("a stroke has a point far from any image; pass pixels of the image")

    def clicks(self, hw: tuple[int, int]) -> Clicks:
        """The clicks along it in an image of size `hw`, evenly spaced; InputError where none lies in the image."""
        points = np.array(self.points, np.float64)
        steps = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.zeros(0)
        inside = _spaced(points, steps, hw) or _spaced(*_clipped(points, hw), hw)
        if not inside:
            raise InputError(f"the stroke lies beside the image of {hw[1]}x{hw[0]} pixels; draw it over the image")
        clicks = (Click(max(0.0, round(x, 2)), max(0.0, round(y, 2)), self.positive) for x, y in inside)
        return Clicks(tuple(clicks))


def _spaced(points: NDArray[np.float64], steps: NDArray[np.float64], hw: tuple[int, int]) -> list[tuple[float, float]]:
    """Places along a line, evenly spaced, that lie in an image. `steps`: how far each point is from the one before."""
    if not len(points):
        return []
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(along[-1])
    count = min(STROKE_CLICKS, 1 + int(length / (APART_RATIO * math.hypot(*hw))))
    # In the middle of equal parts: hands overshoot at the ends.
    places = (np.arange(count) + 0.5) * length / count
    found = [(float(np.interp(at, along, points[:, 0])), float(np.interp(at, along, points[:, 1]))) for at in places]
    return [(x, y) for x, y in found if -0.5 <= x < hw[1] - 0.5 and -0.5 <= y < hw[0] - 0.5]


def _clipped(points: NDArray[np.float64], hw: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What of a line crosses an image: the ends of each part, and how far each end is from the one before."""
    starts, ways = points[:-1], np.diff(points, axis=0)
    low, high = np.full(2, -0.5), np.array([hw[1], hw[0]]) - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (low - starts) / ways, (high - starts) / ways
    still = ways == 0  # along an edge: all of it lies between two edges, or nothing does
    within = (starts >= low) & (starts < high)
    enters = np.where(still, np.where(within, 0.0, np.inf), np.minimum(first, second)).max(axis=1).clip(min=0)
    leaves = np.where(still, 1.0, np.maximum(first, second)).min(axis=1).clip(max=1)
    met = enters < leaves
    starts, ways, enters, leaves = starts[met], ways[met], enters[met, None], leaves[met, None]
    ends = np.stack([starts + enters * ways, starts + leaves * ways], axis=1).reshape(-1, 2)
    steps = np.hypot(*np.diff(ends, axis=0).T) if len(ends) else np.zeros(0)
    steps[1::2] = 0  # between two parts there is nothing
    return ends, steps


@dataclass(frozen=True, slots=True)
class Choice:
    """Another of the masks that the first click can mean, by its number in `meanings`."""

    number: int
    """Any integer, as numpy's are."""

    def __post_init__(self) -> None:
        try:
            number = -1 if isinstance(self.number, bool) else index(self.number)
        except TypeError:
            number = -1
        if number not in range(MEANINGS):
            raise InputError(f"a click means up to {MEANINGS} masks, numbered from 0, got {self.number}")
        object.__setattr__(self, "number", number)


@dataclass(frozen=True, slots=True)
class LookAt:
    """A predictor that shows `inner` one region of the photo as if it were all of it, with clicks of its own added.

    What lies outside of the region keeps its prob. `hints` steer `inner` and promise nothing: nobody holds them.
    """

    inner: Predictor
    region: Box
    hints: Clicks = field(default_factory=Clicks)
    whole: bool = False
    """All of the region is seen, whatever mask there is before: `inner` does not zoom in on it."""

    def start(self, image: Image) -> State:
        """The blank state."""
        inner = self.inner.start(self._part(image))
        return State(image, np.zeros(image.shape[:2], np.float32), inner.threshold, {"look": inner.memo})

    def step(self, state: State, clicks: Clicks) -> State:
        """One step of `inner` on the region; its prob is pasted into the previous one."""
        after = self.seen(state, clicks)
        prob = copied(state.prob)
        prob[self.region.slices] = after.prob
        return replace(state, prob=prob, memo={**state.memo, "look": after.memo})

    def seen(self, state: State, clicks: Clicks) -> State:
        """The state of the region alone after such a step."""
        memo = state.memo.get("look")
        inner, shown = cleaned(self.inner, state)
        part = self._part(shown)
        if memo is None:
            memo = inner.start(part).memo
        hw = (state.image.shape[0], state.image.shape[1])
        there = (c for c in (*self.hints, *clamp_clicks(clicks, hw)) if self.region.contains(*c.pixel(hw)))
        moved = Clicks(tuple(Click(c.x - self.region.x0, c.y - self.region.y0, c.positive) for c in there))
        # No prob is above 1: what is before is seen as a prob still, and as a mask to zoom in on by nobody.
        threshold = 1.0 if self.whole else state.threshold
        before = State(part, np.ascontiguousarray(state.prob[self.region.slices]), threshold, memo)
        return inner.step(before, clamp_clicks(moved, self.region.hw))

    def _part(self, image: Image) -> Image:
        return np.ascontiguousarray(image[self.region.slices])


def split_anchor(predictor: Predictor) -> tuple[ClickConsistency | None, Predictor]:
    """Tell what holds the clicks, if anything does, and the rest."""
    return (predictor, predictor.inner) if isinstance(predictor, ClickConsistency) else (None, predictor)


def cleaned(predictor: Predictor, state: State) -> tuple[Predictor, Image]:
    """Give the photo as `predictor` is shown it, and the predictor that takes it, or a part of it, as clean.

    Whether a photo is noisy is judged of all of it, and once: not of each part that is looked at. Before it is judged,
    the two stay as they are.
    """
    clean = state.memo.get(CLEAN)
    return (predictor, state.image) if clean is None else (_without_denoise(predictor), clean)


def _without_denoise(predictor: Predictor) -> Predictor:
    if isinstance(predictor, Denoise):
        return predictor.inner
    if isinstance(predictor, CFR | ClickConsistency | LocalCorrection):
        return replace(predictor, inner=_without_denoise(predictor.inner))
    return predictor


SCALES = (0.7, 0.5, 0.25)
"""Sides of the regions that are looked at around a click, over those of the photo."""
LEAST_SIDE_PX = 64
THRESHOLDS = (0.2, 0.5, 0.8)
"""Where the prob of a look is cut into masks, as shares of the way from 0 to 1."""
BESIDE = {0.2: (0.1, 0.35), 0.5: (0.35, 0.65), 0.8: (0.65, 0.9)}
"""A mask is stable where it is much the same at these thresholds beside its own."""
ALIKE_IOU = 0.7
"""Masks that overlap more mean the same."""
CUT_RATIO = 0.15
"""A mask that fills more of the border of its region goes on outside of it: it is cut, and no answer."""


COMPARED_PX = 1024
"""Of larger photos only every second pixel is compared, or every third ..., in each direction: up to so many."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A mask that a click can mean, cut out of the prob of a region, and how little it hangs on the threshold."""

    mask: Mask
    """The pixels that are compared."""
    prob: Prob
    """Of the region."""
    region: Box
    threshold: float
    stability: float

    def at(self, threshold: float, pixel: tuple[int, int], before: Prob) -> Prob:
        """Its prob, stretched so that this threshold cuts the piece around the pixel (row, column) out of it.

        `before`: what holds beyond the region.
        """
        piece = connected_piece(self.prob > self.threshold, *_within(self.region, pixel))
        assert piece is not None, "its mask holds the pixel"
        prob: Prob = np.minimum(before, self.threshold)
        prob[self.region.slices] = np.where(piece, self.prob, np.minimum(self.prob, self.threshold))
        _move_threshold(prob, self.threshold, threshold)
        return prob


@dataclass(frozen=True, slots=True)
class _Grid:
    """Every n-th pixel of a photo in each direction, the clicked one among them."""

    pixel: tuple[int, int]
    every: int

    def of(self, array: NDArray[Any], box: Box) -> NDArray[Any]:
        """The pixels of an array, which is what a box of the photo holds, that lie on it."""
        (row, column), n = self.pixel, self.every
        return array[(row - box.y0) % n :: n, (column - box.x0) % n :: n]

    def box(self, box: Box) -> Box:
        """The part of the grid within a box."""
        (row, column), n = self.pixel, self.every
        x0, x1 = (-(-(x - column % n) // n) for x in (box.x0, box.x1))
        y0, y1 = (-(-(y - row % n) // n) for y in (box.y0, box.y1))
        return Box(max(0, x0), max(0, y0), x1, y1)


def _within(region: Box, pixel: tuple[int, int]) -> tuple[int, int]:
    return pixel[0] - region.y0, pixel[1] - region.x0


def meanings(
    predictor: Predictor, start: State, clicks: Clicks, steps: int | None = None, tol: int | None = None
) -> list[State]:
    """Tell what a first click can mean: up to three masks that differ, the one that a click gives by itself first.

    The others, the largest first, are what `predictor` sees in the photo and in regions of three sizes around the
    click: those that change least with the threshold. Each holds the click, is one piece, and goes on nowhere beyond
    its region. `steps`, `tol`: as of `boxes.look_in_box`.
    """
    if steps is None:
        usual = predictor.step(start, clicks)
    else:
        usual = deque(passes(predictor, start, clicks, steps, tol), maxlen=1)[0]
    hw = (start.prob.shape[0], start.prob.shape[1])
    at = clicks[-1].pixel(hw)
    anchor, inner = split_anchor(predictor)
    whole = Box.whole(hw)
    looks = [(usual.prob, whole)]
    for scale in SCALES:
        region = region_around(*at, scale, hw)
        looks.append((LookAt(inner, region).seen(start, clicks).prob, region))
    grid = _Grid(at, -(-max(hw) // COMPARED_PX))
    found = [meaning for prob, region in looks for meaning in _cut_out(prob, region, grid, hw)]
    taken = [_Meaning(grid.of(usual.mask, whole), usual.prob, whole, usual.threshold, 1)]
    for one in sorted(found, key=lambda one: -one.stability):
        if len(taken) < MEANINGS and all(mask_iou(one.mask, other.mask) <= ALIKE_IOU for other in taken):
            taken.append(one)
    states = [usual]
    for one in sorted(taken[1:], key=lambda one: -np.count_nonzero(one.mask)):
        state = replace(usual, prob=one.at(start.threshold, at, start.prob), memo={**start.memo, GIVEN: False})
        states.append(anchor.hold(state, clicks) if anchor else state)
    return states


def _cut_out(prob: Prob, region: Box, grid: _Grid, hw: tuple[int, int]) -> Iterator[_Meaning]:
    """The pieces around the clicked pixel that the thresholds cut out of what was seen in a region."""
    seen, part, whole = grid.of(prob, region), grid.box(region), grid.box(Box.whole(hw))
    at = _within(part, (grid.pixel[0] // grid.every, grid.pixel[1] // grid.every))
    pieces = {
        threshold: connected_piece(seen > threshold, *at)
        for threshold in sorted({*THRESHOLDS, *chain(*BESIDE.values())})
    }
    for threshold in THRESHOLDS:
        piece = pieces[threshold]
        if piece is None or is_cut(piece, part, whole.hw):
            continue
        beside = (pieces[other] for other in BESIDE[threshold])
        stability = math.prod(0.0 if other is None else mask_iou(piece, other) for other in beside)
        mask = np.zeros(whole.hw, bool)
        mask[part.slices] = piece
        yield _Meaning(mask, prob, region, threshold, stability)


def region_around(row: int, column: int, scale: float, hw: tuple[int, int]) -> Box:
    """Give the part of an image of size `hw` around a pixel, its sides times `scale`, pushed inside."""
    height, width = (min(side, max(LEAST_SIDE_PX, round(scale * side))) for side in hw)
    y0 = min(max(0, row - height // 2), hw[0] - height)
    x0 = min(max(0, column - width // 2), hw[1] - width)
    return Box(x0, y0, x0 + width, y0 + height)


def connected_piece(mask: Mask, row: int, column: int) -> Mask | None:
    """Take the connected piece of the mask that the pixel lies in; None where it lies in none."""
    if not mask[row, column]:
        return None
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
    return np.asarray(labels == labels[row, column])


def is_cut(piece: Mask, region: Box, hw: tuple[int, ...]) -> bool:
    """Tell whether a mask of the region goes on beyond the borders of it that are not those of the image."""
    sides = [
        (piece[0], region.y0 > 0), (piece[-1], region.y1 < hw[0]),
        (piece[:, 0], region.x0 > 0), (piece[:, -1], region.x1 < hw[1]),
    ]  # fmt: skip
    return any(within and float(side.mean()) > CUT_RATIO for side, within in sides)


def mask_iou(one: Mask, other: Mask) -> float:
    """Give the intersection over union of two masks of one size, 0 to 1; 0 where both are empty."""
    return int(np.count_nonzero(one & other)) / max(1, int(np.count_nonzero(one | other)))


def _move_threshold(prob: Prob, old: float, new: float) -> None:
    """Stretch the prob so that what was above the old threshold, and nothing else, is above the new one."""
    if old == new:
        return
    over = prob > old
    above = new + (prob[over] - old) * ((1 - new) / (1 - old))
    prob *= new / old
    np.minimum(prob, new, out=prob)
    prob[over] = np.maximum(above, np.nextafter(np.float32(new), np.float32(1)))
    np.clip(prob, 0, 1, out=prob)
