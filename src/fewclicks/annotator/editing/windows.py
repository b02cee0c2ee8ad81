"""Large photos: an object is worked on in a window around it, so that a click costs what the object costs.

A probability of 100 megapixels is 400 MB, and every pass would go through it several times. Here it is kept of a window
only: the object, its clicks and strokes, and as much around them as the predictor may look at; outside it is 0. The
first click, when nobody knows where the object is, is answered on a smaller copy of the photo. Smaller photos have no
window, and nothing here touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fewclicks import propagation
from fewclicks.annotator.editing.actions import (
    Action,
    Boxed,
    Brushed,
    Chosen,
    Clicked,
    Fitted,
    Outlined,
    Painted,
    Replaced,
    Reshaped,
    Scribbled,
)
from fewclicks.annotator.editing.apply import Prompts, acted, candidates, from_mask, hw_of, said_by
from fewclicks.annotator.editing.brush import PixelConstraints
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box, clamp_clicks
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import cleaned
from fewclicks.propagation import Doubt
from fewclicks.refinement import ClickConsistency
from fewclicks.types import Image, Prob

LARGE_PX = 16_000_000
"""Photos of more pixels are worked on in windows."""
COARSE_SIDE_PX = 1792
"""Longest side of the copy on which the first click is answered: four pixels for each that the network sees."""
ROOM, SPARE = 1.5, 2.5
"""Sides of the window over those of the object: at least, and when it is made anew."""
LEAST_PX = 1024
SMALL = "small"
"""Where a large photo's first state keeps that of its small copy."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that the next action depends on. `state` is that of the window; without one, of the whole photo."""

    state: State
    marks: Prompts
    window: Box | None = None

    @property
    def nbytes(self) -> int:
        """What it keeps in memory, without the memo of the predictor."""
        return self.state.prob.nbytes + (self.marks.locks.sides.nbytes if self.marks.locks else 0)

    def mask(self, hw: tuple[int, int]) -> EncodedMask:
        """The mask, of a photo of size `hw`."""
        box = self.state.box
        if box is None:
            return EncodedMask.empty(hw)
        found = EncodedMask.pack(self.state.prob[box.slices] > self.state.threshold, Box.whole(box.hw))
        return EncodedMask(hw, _moved(box, self.window) if self.window else box, found.area_px, found.data)

    def prob(self, hw: tuple[int, int]) -> Prob:
        """HxW float32."""
        if self.window is None:
            return self.state.prob
        whole = np.zeros(hw, np.float32)
        whole[self.window.slices] = self.state.prob
        return whole


def is_large(hw: tuple[int, int]) -> bool:
    """Whether a photo of this size is worked on in windows."""
    return hw[0] * hw[1] > LARGE_PX


def first_state(predictor: Predictor, image: Image) -> State:
    """The predictor's state before the first click, which the objects of a photo share."""
    if not is_large(image.shape[:2]):
        return predictor.start(image)
    scale = COARSE_SIDE_PX / max(image.shape)
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = predictor.start(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
    return State(image, np.zeros(image.shape[:2], np.float32), small.threshold, {SMALL: small})


def first_state_of(quick: Predictor, start: State) -> State:
    """What `first_state` is for a quicker predictor, which takes the photo as clean as `start` has it."""
    if SMALL in start.memo:
        return replace(start, memo={**start.memo, SMALL: first_state_of(quick, start.memo[SMALL])})
    inner, image = cleaned(quick, start)
    return replace(start, memo={**start.memo, **inner.start(image).memo})


def of_mask(predictor: Predictor, start: State, mask: EncodedMask, marks: Prompts) -> Snapshot:
    """What there is if an object has this mask and nothing more is known of it."""
    if not is_large(mask.hw):
        return Snapshot(from_mask(start, mask, marks.threshold), marks)
    if mask.box is None:
        return Snapshot(replace(start, threshold=marks.threshold), marks)
    window = _around(mask.box, SPARE, mask.hw)
    prob = mask.within(window).astype(np.float32)
    return Snapshot(_state(predictor, start, window, prob, marks.threshold), marks, window)


def performed(predictor: Predictor, start: State, held: Snapshot, marks: Prompts, action: Action) -> Iterator[Snapshot]:
    """What an action gives after each pass of a click, else once. `marks` are those after the action."""
    hw = hw_of(start)
    said, clicks = said_by(action, hw), isinstance(action, Clicked | Scribbled)
    if clicks and not marks.says_something:
        yield Snapshot(replace(start, threshold=marks.threshold), marks)
    elif not is_large(hw):
        for state in acted(predictor, start, held.state, marks, action, said):
            yield Snapshot(state, marks)
    elif isinstance(action, Replaced):
        yield of_mask(predictor, start, action.mask, marks)
    elif isinstance(action, Chosen) or (clicks and (held.window is None or held.state.box is None)):

        def answer(begin: State, there: Prompts) -> Iterator[State]:
            return acted(predictor, begin, begin, there, action, there.clicks)

        yield from _found(predictor, start, held, marks, answer)
    else:
        if isinstance(action, Fitted):  # it begins from the mask, whatever is known of how that came about
            held = of_mask(predictor, start, held.mask(hw), held.marks)
        held = _framed(predictor, start, held, marks, action)
        if held.window is None:  # nothing to work on, such as a threshold for an empty mask
            yield Snapshot(replace(held.state, threshold=marks.threshold), marks)
            return
        here, said = _marks_in(marks, held.window), _clicks_in(said, held.window)
        for state in acted(predictor, held.state, held.state, here, _action_in(action, held.window), said):
            yield Snapshot(state, marks, held.window)


def meant(predictor: Predictor, start: State, held: Snapshot, choice: Chosen) -> list[Snapshot]:
    """What the only click can mean, the mask of the click first."""
    if not is_large(hw_of(start)):
        return [Snapshot(state, held.marks) for state in candidates(predictor, start, held.marks, choice)]
    found = _found(predictor, start, held, held.marks, lambda begin, there: candidates(predictor, begin, there, choice))
    return list(found)


def doubt(predictor: Predictor, start: State, held: Snapshot) -> Doubt:
    """What one more pass of the cascade would change, in pixels of the photo."""
    if held.window is None:
        if is_large(hw_of(start)):  # nothing is marked
            return Doubt(0, 0.0, ())
        here, (left, top) = held.marks, (0, 0)
    else:
        here, (left, top) = _marks_in(held.marks, held.window), (held.window.x0, held.window.y0)
    found = propagation.doubt(predictor, held.state, here.clicks, here.locks.hold if here.locks else None)
    places = tuple(replace(place, x=place.x + left, y=place.y + top) for place in found.places)
    return replace(found, places=places)


def folded(predictor: Predictor, start: State, held: Snapshot, marks: Prompts, action: Action) -> Snapshot:
    """What there is after one more action."""
    for after in performed(predictor, start, held, marks, action):
        held = after
    return held


def _found(
    predictor: Predictor,
    start: State,
    held: Snapshot,
    marks: Prompts,
    answer: Callable[[State, Prompts], Iterable[State]],
) -> Iterator[Snapshot]:
    """Clicks while there is no object yet: the answers on the small copy, each enlarged in the window of all."""
    hw = hw_of(start)
    small: State = (start if SMALL in start.memo else first_state(predictor, start.image)).memo[SMALL]
    clicks = Clicks(tuple(_scaled(click, hw, hw_of(small)) for click in marks.clicks))
    there = Prompts(clamp_clicks(clicks, hw_of(small)), None, marks.threshold, marks.given)
    begin = replace(small, threshold=held.state.threshold)
    probs = [state.prob for state in answer(begin, there)]
    need = _needed(marks, hw, [_enlarged(Box.above(prob, begin.threshold), hw_of(small), hw) for prob in probs])
    window = _around(need or Box.whole(hw), SPARE, hw)
    state = _state(predictor, start, window, np.zeros(window.hw, np.float32), begin.threshold)
    here = _marks_in(marks, window)
    for prob in probs:
        state = replace(state, prob=_pasted(prob, window, hw))
        if isinstance(predictor, ClickConsistency):
            state = predictor.hold(state, here.clicks)
        yield Snapshot(here.locks.hold(state) if here.locks else state, marks, window)


def _framed(predictor: Predictor, start: State, held: Snapshot, marks: Prompts, action: Action) -> Snapshot:
    """The same in a window that leaves room for the action: the one there is, or a new one."""
    hw, old = hw_of(start), held.window
    found = held.state.box if old else None
    boxes = [_moved(found, old)] if found and old else []
    if isinstance(action, Painted):
        points, radius_px = np.array(_points(action)), action.radius_px if isinstance(action, Brushed) else 1
        low, high = points.min(axis=0) - radius_px, points.max(axis=0) + radius_px
        boxes.append(Box(int(low[0]), int(low[1]), int(high[0]) + 2, int(high[1]) + 2))
    if isinstance(action, Boxed):
        boxes = [action.box.pixels(hw)]
    need = _needed(marks, hw, boxes)
    if need is None:
        return held
    room = _around(need, ROOM, hw)
    if old is not None and old.union(room) == old:
        return held
    window = _around(need, SPARE, hw)
    prob = np.zeros(window.hw, np.float32)
    if old is not None and (both := old.intersection(window)):
        prob[both.relative_to(window).slices] = held.state.prob[both.relative_to(old).slices]
    return Snapshot(_state(predictor, start, window, prob, held.state.threshold), held.marks, window)


def _needed(marks: Prompts, hw: tuple[int, int], boxes: list[Box | None] | list[Box]) -> Box | None:
    """The box of the boxes and of the positive clicks, within the photo; None where there are none."""
    found = [box for box in boxes if box]
    for click in marks.clicks:
        if click.positive:
            row, column = click.pixel(hw)
            found.append(Box(column, row, column + 1, row + 1))
    whole = None
    for box in found:
        inside = box.intersection(Box.whole(hw))
        whole = whole.union(inside) if whole and inside else inside or whole
    return whole


def _around(box: Box, factor: float, hw: tuple[int, int]) -> Box:
    """The box grown about its centre, with sides of at least 1024 px, within the photo."""
    height, width = (max(LEAST_PX, factor * side) for side in box.hw)
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    grown = Box(int(x - width / 2), int(y - height / 2), int(x + width / 2) + 1, int(y + height / 2) + 1)
    return grown.intersection(Box.whole(hw)) or box


def _state(predictor: Predictor, start: State, window: Box, prob: Prob, threshold: float) -> State:
    """The predictor's state of a window."""
    return replace(predictor.start(start.image[window.slices]), prob=prob, threshold=threshold)


def _marks_in(marks: Prompts, window: Box) -> Prompts:
    """What the user has said, in pixels of the window; what was said outside of it is left out."""
    locks = marks.locks
    both = locks.box.intersection(window) if locks else None
    if locks and both:
        locks = PixelConstraints(both.relative_to(window), locks.sides[both.relative_to(locks.box).slices])
    return Prompts(_clicks_in(marks.clicks, window), locks if both else None, marks.threshold, marks.given)


def _clicks_in(clicks: Clicks, window: Box) -> Clicks:
    """Those clicks that lie in the window, in its pixels."""
    there = (Click(c.x - window.x0, c.y - window.y0, c.positive) for c in clicks if _holds(window, c))
    return clamp_clicks(Clicks(tuple(there)), window.hw)


def _holds(window: Box, click: Click) -> bool:
    return window.contains(*click.pixel((window.y1, window.x1)))


def _action_in(action: Action, window: Box) -> Action:
    """The action in pixels of the window."""
    if isinstance(action, Brushed | Outlined):
        return replace(action, points=_relative(action.points, window))
    if isinstance(action, Reshaped):
        return replace(action, before=_relative(action.before, window), after=_relative(action.after, window))
    if isinstance(action, Boxed):
        x, y = window.x0, window.y0
        return replace(action, x0=action.x0 - x, x1=action.x1 - x, y0=action.y0 - y, y1=action.y1 - y)
    return action  # what clicks say is among the marks


def _points(action: Painted) -> tuple[tuple[float, float], ...]:
    return action.before + action.after if isinstance(action, Reshaped) else action.points


def _relative(points: tuple[tuple[float, float], ...], window: Box) -> tuple[tuple[float, float], ...]:
    return tuple((x - window.x0, y - window.y0) for x, y in points)


def _scaled(click: Click, hw: tuple[int, int], small: tuple[int, int]) -> Click:
    x, y = (click.x + 0.5) * small[1] / hw[1] - 0.5, (click.y + 0.5) * small[0] / hw[0] - 0.5
    return Click(x, y, click.positive)


def _enlarged(box: Box | None, small: tuple[int, int], hw: tuple[int, int]) -> Box | None:
    """A box of the small copy as one of the photo, a pixel of the copy larger."""
    if box is None:
        return None
    x, y = hw[1] / small[1], hw[0] / small[0]
    return Box(int((box.x0 - 1) * x), int((box.y0 - 1) * y), int((box.x1 + 1) * x) + 1, int((box.y1 + 1) * y) + 1)


def _pasted(prob: Prob, window: Box, hw: tuple[int, int]) -> Prob:
    """A window of what the prob of the small copy is when enlarged to the photo, bilinearly."""
    x, y = prob.shape[1] / hw[1], prob.shape[0] / hw[0]
    shift = (0.5 + window.x0) * x - 0.5, (0.5 + window.y0) * y - 0.5
    there = np.array([[x, 0, shift[0]], [0, y, shift[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pasted = cv2.warpAffine(prob, there, window.hw[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(pasted.clip(0, 1), np.float32)


def _moved(box: Box, window: Box) -> Box:
    """A box of the window as one of the photo."""
    return Box(box.x0 + window.x0, box.y0 + window.y0, box.x1 + window.x0, box.y1 + window.y0)
