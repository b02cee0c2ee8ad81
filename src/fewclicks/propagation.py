"""Masks that nobody clicked, and how far to trust them: taken over from the photo before, fitted, looked at once more.

The cascade is shown its own mask again. What it changes then tells where the mask is in doubt; of a mask that comes
from the photo before, it tells whether the object is still there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import LookAt, mask_iou, split_anchor
from fewclicks.refinement import CFR, GIVEN, Hold, own_passes, passes
from fewclicks.types import Image, Mask

FLOW_SIDE_PX = 512
"""Movement is looked for on copies whose longest side is this: it is found in some 20 ms."""
FLOW_LEAST_PX = 16
"""Smaller copies have no room for the patches that are compared."""
LEAST_AGREEMENT = 0.6
"""A mask with less `Carried.agreement` is no longer trusted: `follow` stops there."""
PLACES = 5
"""So many places where a mask is in doubt are told."""
LEAST_PLACE_PX = 4
"""What changes in fewer pixels is no place to look at."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """Holds a mask that was taken over from the photo before."""

    moved: Mask
    """HxW: the mask of the photo before, moved as its pixels have."""
    mask: Mask
    """HxW: the same, fitted to what the predictor sees."""
    alike: float
    """How alike the photos are around it once the first is moved, 0 to 1: low where they show other things."""

    @property
    def agreement(self) -> float:
        """How far to trust it, 0 to 1: low where fitting changed much, or where the photos are not alike."""
        return agreement_of(self.moved, self.mask, self.alike)


@dataclass(frozen=True, slots=True)
class Place:
    """Names a connected part that one more pass would change: a pixel deep within it, and how large it is."""

    x: int
    y: int
    changed_px: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """Tells what one more pass of the cascade would change of a mask."""

    changed_px: int
    share: float
    """Of the pixels that are the object before it or after it."""
    places: tuple[Place, ...]
    """The largest first."""


def moved(before: Image, mask: Mask, after: Image) -> Mask:
    """Move a mask as its pixels have moved from one photo to the next, found by dense optical flow (DIS, OpenCV).

    `mask` has the size of `before`; the answer has that of `after`. Deterministic; needs no network.
    """
    return move(before, mask, after)[0]


def move(before: Image, mask: Mask, after: Image) -> tuple[Mask, float]:
    """Move a mask as `moved` does, and tell how alike the photos are around it (see `Carried.alike`)."""
    hw = (after.shape[0], after.shape[1])
    scale = min(1.0, FLOW_SIDE_PX / max(hw))
    size = (max(FLOW_LEAST_PX, round(hw[1] * scale)), max(FLOW_LEAST_PX, round(hw[0] * scale)))
    new, old = (
        cv2.cvtColor(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for photo in (after, before)
    )
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(new, old, None)  # type: ignore[attr-defined]
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    there = columns + flow[..., 0], rows + flow[..., 1]
    small = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA)
    box = Box.around(cv2.remap(small, *there, cv2.INTER_LINEAR) > 0)
    answer = np.zeros(hw, np.bool_)
    if box is None:
        return answer, 0.0
    alike = _correlation(new[box.slices], cv2.remap(old, *there, cv2.INTER_LINEAR)[box.slices])
    # At full size only where the object can be: of a large photo all of it would take gigabytes.
    x, y = hw[1] / size[0], hw[0] / size[1]
    wide = Box(int((box.x0 - 1) * x), int((box.y0 - 1) * y), int((box.x1 + 1) * x) + 1, int((box.y1 + 1) * y) + 1)
    part = wide.intersection(Box.whole(hw)) or Box.whole(hw)
    rows, columns = np.mgrid[part.y0 : part.y1, part.x0 : part.x1].astype(np.float32)
    at = (columns + 0.5) / x - 0.5, (rows + 0.5) / y - 0.5
    shift = cv2.remap(flow, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    whole = cv2.resize(mask.astype(np.uint8), hw[::-1], interpolation=cv2.INTER_NEAREST)
    found = cv2.remap(whole, columns + x * shift[..., 0], rows + y * shift[..., 1], cv2.INTER_LINEAR)
    answer[part.slices] = found > 0
    return answer, alike


def agreement_of(moved: Mask, fitted: Mask, alike: float) -> float:
    """Tell how far to trust a mask that was moved and fitted: see `Carried.agreement`."""
    return min(mask_iou(moved, fitted), alike)


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Of two grey pictures, 0 where it is negative; 1 of two that are plain."""
    a, b = (np.asarray(grey, np.float64) - grey.mean() for grey in (one, other))
    spread = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return max(0.0, float((a * b).sum()) / spread) if spread > 1 else float(not (a.any() or b.any()))


def sure_inside(mask: Mask) -> Clicks:
    """A click on the pixel that lies deepest within a mask; none on an empty mask.

    More points, and points outside, were measured to help a fit less (benchmarks/propagation.py).
    """
    if not mask.any():
        return Clicks()
    row, column = deepest(mask)
    return Clicks((Click(column, row),))


def deepest(mask: Mask) -> tuple[int, int]:
    """Find the (row, column) of the pixel of a mask that lies farthest from what is outside, also of the photo."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row) - 1, int(column) - 1


def fitted(
    predictor: Predictor,
    state: State,
    clicks: Clicks,
    steps: int | None = None,
    tol: int | None = None,
    hold: Hold | None = None,
) -> Iterator[State]:
    """Give the state after each pass over a mask that is there: `state.mask`, fitted to what the predictor sees.

    `clicks` are held. Without a positive one the predictor is told a point that surely is the object, which nobody
    holds. `steps`, `tol`, `hold`: as of `refinement.passes`; without `steps`, as the predictor refines a first click.
    """
    if steps is None:
        steps, tol = own_passes(predictor, Clicks())
    begin = replace(state, prob=state.mask.astype(np.float32))
    for after in passes(_hinted(predictor, state, clicks), begin, clicks, steps, tol, hold):
        yield _held(predictor, state, after, clicks, hold)


def carry(predictor: Predictor, before: Image, mask: Mask, start: State) -> Carried:
    """Take a mask over from the photo before to that of `start`: moved as its pixels have, then fitted by the cascade.

    `start` is the predictor's state before the first click on the new photo, which serves for all masks. An object
    that nothing is left of has an empty mask.
    """
    begin, alike = move(before, mask, start.image)
    if not begin.any():
        return Carried(begin, begin, 0.0)
    begun = replace(start, prob=begin.astype(np.float32))
    return Carried(begin, deque(fitted(predictor, begun, Clicks()), maxlen=1)[0].mask, alike)


def doubt(predictor: Predictor, state: State, clicks: Clicks, hold: Hold | None = None) -> Doubt:
    """Tell what one more pass of the cascade would change of a mask, and where. Nothing is changed.

    `clicks` are those that made it; without a positive one, as of `fitted`. `hold` corrects the answer.
    """
    was = state.mask
    if not was.any():
        return Doubt(0, 0.0, ())
    if clicks.has_positive:
        now = deque(passes(predictor, state, clicks, 0, None, hold), maxlen=1)[0].mask
    else:
        after = _hinted(predictor, state, clicks).step(state, clicks)
        now = _held(predictor, state, after, clicks, hold).mask
    changed = was != now
    count, labels, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8), connectivity=8)
    parts = sorted(range(1, count), key=lambda label: (-int(stats[label, cv2.CC_STAT_AREA]), label))
    places = tuple(
        _place(labels, stats, label) for label in parts[:PLACES] if stats[label, cv2.CC_STAT_AREA] >= LEAST_PLACE_PX
    )
    total = int(np.count_nonzero(changed))
    return Doubt(total, total / max(1, int(np.count_nonzero(was | now))), places)


def _place(labels: NDArray[np.int32], stats: NDArray[np.int32], label: int) -> Place:
    x, y, width, height, area = (int(value) for value in stats[label, :5])
    row, column = deepest(np.asarray(labels[y : y + height, x : x + width] == label))
    return Place(x + column, y + row, area)


def _hinted(predictor: Predictor, state: State, clicks: Clicks) -> LookAt:
    """The predictor within its rings, told a point that surely is the object where no click says one."""
    inner = split_anchor(predictor)[1]
    hw = (state.prob.shape[0], state.prob.shape[1])
    hints = Clicks() if clicks.has_positive else sure_inside(state.mask)
    return LookAt(inner.inner if isinstance(inner, CFR) else inner, Box.whole(hw), hints)


def _held(predictor: Predictor, start: State, after: State, clicks: Clicks, hold: Hold | None) -> State:
    anchor, _ = split_anchor(predictor)
    memo = {key: value for key, value in start.memo.items() if key != "look"}
    after = replace(after, memo={**memo, GIVEN: True})
    after = anchor.hold(after, clicks) if anchor else after
    return hold(after) if hold else after
