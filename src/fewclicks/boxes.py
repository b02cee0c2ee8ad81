"""The mask of a box alone: what object fills it.

A network that was trained with clicks is shown the box three times, from farther away, from nearer, and without any
click, and its own answer again after that, with virtual clicks: where the mask does not reach a side of the box though
the object does, and where it runs out of the box. Nobody sees these clicks, and they are promised nothing. A mask that
nearly has the box that was drawn is then fitted to it. docs/experiments.md has the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import LookAt, split_anchor
from fewclicks.propagation import deepest
from fewclicks.refinement import CFR, GIVEN, Hold
from fewclicks.transforms import mean_in_logits
from fewclicks.types import Mask, Prob

MARGIN_RATIO = 0.7
"""So much of a box's sides is looked at beyond each of them from farther away."""
NEAR_RATIO = 0.35
"""The same from nearer."""
AWAY_RATIO = 0.15
"""So far beyond its sides lies what is surely no object, also where a box was drawn too small."""
PASSES = 2
"""The answer is seen again so often at least."""
SHORT_RATIO = 0.04
"""A mask that ends so far from a side of the box, as a share of the box, does not reach it."""
STRIP_RATIO = 0.05
"""So wide is the strip along a side in which the object touches it."""
LEAST_PROB = 0.1
"""What is surely no object gets no click, even where it is the likeliest of a strip."""
STRAY_RATIO = 0.02
"""A mask that has more beyond the box, as a share of the box, has run out of it."""
UNSURE = 0.004
"""No look is surer than this of any pixel when two are averaged."""
WORSE = 0.1
"""An answer whose box agrees with the one drawn by so much less than the answer before (IoU) is not taken."""
CLOSE = 0.875
"""A mask whose box agrees with the one drawn by so much (IoU) tells that it was drawn closely."""
SHIFTS = tuple(sorted((step / 5 for step in range(-5, 6)), key=abs))
"""How far the threshold of such a mask may move, in logits; the nearest first."""
SHIFT_COST = 0.2
"""A logit of it is worth so much agreement."""
OVER_RATIO = 0.08
"""What such a mask has beyond a side is cut off where it is no more than this share of the box: else it was drawn too
small there."""


def look_in_box(
    predictor: Predictor,
    start: State,
    box: Box,
    clicks: Clicks,
    steps: int | None = None,
    tol: int | None = None,
    hold: Hold | None = None,
) -> Iterator[State]:
    """Give the state after each pass over a box: the object that fills it, as `predictor` sees it.

    `start` is the state before the first click. `clicks` are held, and nothing else is: no pixel of the box is
    promised. Where `predictor` finds nothing, the mask is the box itself. `steps`, `tol` and `hold` are those of
    `passes`; there are at least PASSES after the first one, and without `steps` as many as the predictor has by itself.
    The mask of a box that was drawn closely (CLOSE) ends at its sides, but for what `clicks` and `hold` say.
    """
    anchor, inner = split_anchor(predictor)
    if isinstance(inner, CFR):
        if steps is None:
            steps, tol = inner.steps, inner.tol
        inner = inner.inner
    hw = (start.prob.shape[0], start.prob.shape[1])
    filled = np.zeros_like(start.prob)
    filled[box.slices] = 1

    def held(prob: Prob) -> State:
        state = replace(
            start, prob=prob if (prob > start.threshold).any() else filled, memo={**start.memo, GIVEN: True}
        )
        state = anchor.hold(state, clicks) if anchor else state
        return hold(state) if hold else state

    bounds = all(box.contains(*click.pixel(hw)) for click in clicks if click.positive)

    def fitted(state: State) -> State:
        return held(_fitted(state, box)) if bounds and agreement(state.mask, box) >= CLOSE else state

    far, near, alone = _looks(inner, start, box, clicks, filled)
    beside = _mean(far.prob, alone.prob) if alone.box is not None else far.prob
    state = held(_mean(far.prob, near.prob))
    yield fitted(state)
    seen, memo, hints = state, near.memo, Clicks((_middle(state.mask, box),))
    for number in range(max(PASSES, steps or 0)):
        said = (*_at_sides(seen, box), *(_strays(seen.mask, box) if number else ()))
        hints = Clicks((*hints, *said)).counting(hw)
        after = LookAt(inner, grown(box, NEAR_RATIO, hw), hints, whole=True).step(replace(seen, memo=memo), clicks)
        before, seen, memo = state, held(after.prob), after.memo
        state = held(_mean(seen.prob, beside))  # whatever the sides of the box have led it to
        if agreement(state.mask, box) < agreement(before.mask, box) - WORSE:
            state = before
        yield fitted(state)
        if state is before or (tol is not None and np.count_nonzero(before.mask != state.mask) < tol):
            return


def agreement(mask: Mask, box: Box) -> float:
    """Give the IoU of the box around a mask with the box that was drawn; 0 for an empty mask."""
    found = Box.around(mask)
    both = found.intersection(box) if found else None
    if found is None or both is None:
        return 0.0
    common = math.prod(both.hw)
    return common / (math.prod(found.hw) + math.prod(box.hw) - common)


def grown(box: Box, ratio: float, hw: tuple[int, int]) -> Box:
    """The box with so much of its sides beyond each of them, within an image of size `hw`."""
    height, width = (math.ceil(ratio * side) for side in box.hw)
    found = Box(box.x0 - width, box.y0 - height, box.x1 + width, box.y1 + height)
    return found.intersection(Box.whole(hw)) or box


def _looks(inner: Predictor, start: State, box: Box, clicks: Clicks, filled: Prob) -> tuple[State, State, State]:
    """What is seen from farther away, with the surroundings clicked off; from nearer, with a click in the middle and
    the box as the mask; and from farther away without any click, since what is in the middle need not be the object.
    """
    hw = (start.prob.shape[0], start.prob.shape[1])
    # At the threshold: as full as can be without being a mask, which some methods would take for what is known.
    half = replace(start, prob=filled * np.float32(start.threshold))
    wide = grown(box, MARGIN_RATIO, hw)
    far = LookAt(inner, wide, _hints(box, hw)).step(half, clicks)
    near = LookAt(inner, grown(box, NEAR_RATIO, hw), Clicks((_center(box),)), whole=True)
    alone = LookAt(inner, wide, whole=True).step(replace(far, prob=filled), clicks)
    return far, near.step(replace(start, prob=filled), clicks), alone


def _fitted(state: State, box: Box) -> Prob:
    """The prob of a state, with the threshold at which its mask fits the box best, and no rim beyond the box."""
    # All these masks lie within that of the lowest threshold: the rest of a large photo is looked at once.
    around = Box.above(state.prob, _shifted(state.threshold, min(SHIFTS))) or box
    part, inner = state.prob[around.slices], box.relative_to(around)

    def worth(shift: float) -> float:
        mask = np.asarray(part > _shifted(state.threshold, shift))
        return agreement(mask, inner) - SHIFT_COST * abs(shift)

    prob = np.asarray(_shifted(state.prob, -max(SHIFTS, key=worth)), np.float32)
    found = Box.above(prob, state.threshold) or box
    down, across = (OVER_RATIO * side for side in box.hw)
    if box.y0 - found.y0 <= down:
        prob[: box.y0] = 0
    if found.y1 - box.y1 <= down:
        prob[box.y1 :] = 0
    if box.x0 - found.x0 <= across:
        prob[:, : box.x0] = 0
    if found.x1 - box.x1 <= across:
        prob[:, box.x1 :] = 0
    return prob


def _shifted(prob: Any, by: float) -> Any:
    """Give a probability, or an array of them, as it is when its logit rises by so much."""
    odds = math.exp(by)
    return prob * odds / (1 - prob + prob * odds)


def _mean(one: Prob, other: Prob) -> Prob:
    """Average two looks in logits."""
    return mean_in_logits(*(np.clip(prob, UNSURE, 1 - UNSURE) for prob in (one, other)))


def _center(box: Box) -> Click:
    return Click((box.x0 + box.x1 - 1) / 2, (box.y0 + box.y1 - 1) / 2)


def _hints(box: Box, hw: tuple[int, int]) -> Clicks:
    """A click in the middle of the box, and negative ones beyond its corners and sides, where the image goes on."""
    center = _center(box)
    dy, dx = (max(2, round(AWAY_RATIO * side)) for side in box.hw)
    columns = max(0, box.x0 - dx), center.x, min(hw[1], box.x1 + dx) - 1
    rows = max(0, box.y0 - dy), center.y, min(hw[0], box.y1 + dy) - 1
    around = (Click(cx, cy, False) for cy in rows for cx in columns if not box.contains(round(cy), round(cx)))
    return Clicks((center, *around))


def _middle(mask: Mask, box: Box) -> Click:
    """The deepest pixel of what a mask has in the box; the middle of the box where that is nothing."""
    part = mask[box.slices]
    if not part.any():
        return _center(box)
    row, column = deepest(part)
    return Click(box.x0 + column, box.y0 + row)


def _at_sides(state: State, box: Box) -> Iterator[Click]:
    """A click at each side of the box that the mask does not reach: where along it the object is likeliest."""
    found = Box.around(state.mask[box.slices])
    if found is None:
        return
    height, width = box.hw
    down, across = (max(2, round(STRIP_RATIO * side)) for side in box.hw)
    sides = (
        (found.y0 / height, Box(box.x0, box.y0, box.x1, box.y0 + down)),
        (1 - found.y1 / height, Box(box.x0, box.y1 - down, box.x1, box.y1)),
        (found.x0 / width, Box(box.x0, box.y0, box.x0 + across, box.y1)),
        (1 - found.x1 / width, Box(box.x1 - across, box.y0, box.x1, box.y1)),
    )
    for short, strip in sides:
        along = strip.intersection(box) or box
        prob = state.prob[along.slices]
        row, column = np.unravel_index(int(prob.argmax()), prob.shape)
        if short > SHORT_RATIO and prob[row, column] > LEAST_PROB:
            yield Click(float(along.x0 + column), float(along.y0 + row))


def _strays(mask: Mask, box: Box) -> Iterator[Click]:
    """A negative click in the middle of what a mask has beyond the box, where that is more than a rim."""
    beyond = mask.copy()
    beyond[grown(box, STRAY_RATIO, (mask.shape[0], mask.shape[1])).slices] = False
    if np.count_nonzero(beyond) > STRAY_RATIO * math.prod(box.hw):
        row, column = deepest(beyond)
        yield Click(float(column), float(row), False)
