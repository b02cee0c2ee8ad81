"""What an action does to an object: the fold step. An object is its actions folded over a predictor's first state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fewclicks.annotator.editing.actions import Action, Brushed, Cleaned, Clicked, Replaced, Thresholded
from fewclicks.annotator.editing.brush import OFF, ON, PixelConstraints, cleaned, locked, painted
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Clicks
from fewclicks.config import PredictorConfig
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.refinement import TOL, passes
from fewclicks.types import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """What the user has said so far, apart from the mask."""

    clicks: Clicks = field(default_factory=Clicks)
    locks: PixelConstraints | None = None
    threshold: float = 0.5
    given: bool = False
    """Pixels were marked by a stroke or a mask, not by clicks alone."""

    @property
    def says_something(self) -> bool:
        """Whether anything positive was said: until then nothing is marked."""
        return self.given or self.clicks.has_positive


def from_mask(start: State, mask: EncodedMask, threshold: float) -> State:
    """The state of a predictor that is shown an existing mask, to be corrected."""
    return replace(start, prob=mask.mask().astype(np.float32), threshold=threshold)


def marked(marks: Prompts, action: Action, hw: tuple[int, int]) -> Prompts:
    """What the user has said after one more action. No predictor is asked. InputError if it does not fit the photo."""
    match action:
        case Clicked():
            Clicks((action.click,)).require_inside(hw)
            locks = marks.locks and marks.locks.released(action.click.pixel(hw), action.positive)
            return replace(marks, clicks=(marks.clicks + action.click).counting(hw), locks=locks)
        case Brushed():
            found = painted(action, hw)
            if found is None:
                return marks
            box, cover = found
            side = OFF if action.erase else ON
            # A click under a later stroke of the other meaning is overruled.
            clicks = [c for c in marks.clicks if c.positive != action.erase or not _covers(box, cover, c.pixel(hw))]
            given = marks.given or not action.erase
            locks = locked(marks.locks, box, cover, side)
            return replace(marks, clicks=Clicks(tuple(clicks)), locks=locks, given=given)
        case Replaced():
            if action.mask.hw != hw:
                got, need = f"{action.mask.hw[1]}x{action.mask.hw[0]}", f"{hw[1]}x{hw[0]}"
                raise InputError(f"the mask is {got} pixels but the photo is {need}; resize the mask to {need}")
            mask = action.mask.mask()
            clicks = [c for c in marks.clicks if mask[c.pixel(hw)] == c.positive]
            return replace(marks, clicks=Clicks(tuple(clicks)), locks=None, given=bool(mask.any()))
        case Thresholded():
            return replace(marks, threshold=action.value)
        case Cleaned():
            return marks


def _covers(box: Box, cover: Mask, pixel: tuple[int, int]) -> bool:
    return box.contains(*pixel) and bool(cover[pixel[0] - box.y0, pixel[1] - box.x0])


def acted(predictor: Predictor, start: State, state: State, marks: Prompts, action: Action) -> Iterator[State]:
    """The states that an action gives, one per pass of a click, else one. `marks` are those after the action."""
    match action:
        case Clicked():
            yield from _cascade(predictor, state, marks, action)
        case Brushed():
            found = painted(action, (state.prob.shape[0], state.prob.shape[1]))
            if found:
                box, cover = found
                prob = state.prob.copy()
                prob[box.slices][cover] = not action.erase
                state = replace(state, prob=prob)
            yield state
        case Cleaned():
            mask = state.mask
            wanted = cleaned(mask, action, marks.clicks, marks.locks)
            prob = state.prob.copy()
            prob[wanted & ~mask] = 1
            prob[mask & ~wanted] = 0
            yield replace(state, prob=prob)
        case Replaced():
            yield from_mask(start, action.mask, marks.threshold)
        case Thresholded():
            yield replace(state, threshold=action.value)


def _cascade(predictor: Predictor, state: State, marks: Prompts, action: Clicked) -> Iterator[State]:
    """The passes of one click, with the click's CFR in place of the predictor's own."""
    steps = PredictorConfig(cfr=action.cfr, adaptive=action.adaptive).steps
    tol = TOL if action.adaptive else None
    return passes(predictor, state, marks.clicks, steps, tol, marks.locks.hold if marks.locks else None)


def hw_of(state: State) -> tuple[int, int]:
    """Height and width of the photo."""
    return state.image.shape[0], state.image.shape[1]
