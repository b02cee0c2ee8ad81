"""What an action does to an object: the fold step. An object is its actions folded over a predictor's first state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from fewclicks.annotator.editing.actions import (
    MAX_CFR,
    Action,
    Boxed,
    Brushed,
    Chosen,
    Cleaned,
    Clicked,
    Prompted,
    Replaced,
    Scribbled,
    Thresholded,
)
from fewclicks.annotator.editing.brush import OFF, ON, PixelConstraints, cleaned, locked, painted
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.clicks import Clicks
from fewclicks.config import PredictorConfig
from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import look_in_box, meanings
from fewclicks.refinement import TOL, keep_local, own_passes, passes
from fewclicks.types import Mask


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """What the user has said so far, apart from the mask."""

    clicks: Clicks = field(default_factory=Clicks)
    locks: PixelConstraints | None = None
    threshold: float = 0.5
    given: bool = False
    """Pixels were marked by a stroke, a box or a mask, not by clicks alone."""
    imported: bool = False
    """What is corrected is a mask that was given: by default corrections of it stay local."""

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
        case Clicked() | Scribbled():
            locks, said = marks.locks, action.clicks(hw)
            for click in said:
                locks = locks and locks.released(click.pixel(hw), click.positive)
            return replace(marks, clicks=Clicks((*marks.clicks, *said)).counting(hw), locks=locks)
        case Boxed():
            action.box.pixels(hw)
            return replace(marks, given=True, imported=False)
        case Chosen():
            if marks.given or marks.locks or len(marks.clicks) != 1 or not marks.clicks.has_positive:
                raise InputError("only a first click has several meanings; click once on the object, then choose")
            return marks
        case Brushed():
            return _brushed(marks, action, hw)
        case Replaced():
            return _given(marks, action.mask, hw)
        case Thresholded():
            return replace(marks, threshold=action.value)
        case Cleaned():
            return marks


def _brushed(marks: Prompts, action: Brushed, hw: tuple[int, int]) -> Prompts:
    found = painted(action, hw)
    if found is None:
        return marks
    box, cover = found
    side = OFF if action.erase else ON
    # A click under a later stroke of the other meaning is overruled.
    clicks = [c for c in marks.clicks if c.positive != action.erase or not _covers(box, cover, c.pixel(hw))]
    locks = locked(marks.locks, box, cover, side)
    return replace(marks, clicks=Clicks(tuple(clicks)), locks=locks, given=marks.given or not action.erase)


def _given(marks: Prompts, mask: EncodedMask, hw: tuple[int, int]) -> Prompts:
    if mask.hw != hw:
        got, need = f"{mask.hw[1]}x{mask.hw[0]}", f"{hw[1]}x{hw[0]}"
        raise InputError(f"the mask is {got} pixels but the photo is {need}; resize the mask to {need}")
    pixels = mask.mask()
    clicks = [c for c in marks.clicks if pixels[c.pixel(hw)] == c.positive]
    some = bool(pixels.any())
    return replace(marks, clicks=Clicks(tuple(clicks)), locks=None, given=some, imported=some)


def _covers(box: Box, cover: Mask, pixel: tuple[int, int]) -> bool:
    return box.contains(*pixel) and bool(cover[pixel[0] - box.y0, pixel[1] - box.x0])


def said_by(action: Action, hw: tuple[int, int]) -> Clicks:
    """The clicks that an action on a photo of size `hw` says."""
    return action.clicks(hw) if isinstance(action, Clicked | Scribbled) else Clicks()


def settled(predictor: Predictor, action: Action, before: Prompts, after: Prompts, first: Action | None) -> Action:
    """The action with what it leaves open decided: how often it is refined, whether it is local.

    `before` and `after` are what the user has said without it and with it, `first` is the first action of the object.
    So the journal tells what was done, whatever the model would do by itself later.
    """
    if isinstance(action, Clicked | Scribbled | Boxed) and action.cfr is None:
        steps, tol = own_passes(predictor, Clicks() if isinstance(action, Boxed) else after.clicks)
        if action.adaptive:
            action = replace(action, cfr=0)
        else:
            action = replace(action, cfr=min(steps, MAX_CFR), adaptive=tol is not None)
    if isinstance(action, Clicked | Scribbled) and action.local is None:
        return replace(action, local=before.imported)
    if isinstance(action, Chosen) and isinstance(first, Clicked):
        return replace(action, cfr=first.cfr, adaptive=first.adaptive)
    return action


def acted(
    predictor: Predictor, start: State, state: State, marks: Prompts, action: Action, said: Clicks
) -> Iterator[State]:
    """The states that an action gives, one per pass of a click, else one. `marks` are those after the action.

    `said` are its clicks.
    """
    match action:
        case Clicked() | Scribbled() | Boxed():
            yield from _cascade(predictor, start, state, marks, action, said)
        case Chosen():
            meant = candidates(predictor, start, marks, action)
            if action.number >= len(meant):
                raise InputError(f"the click means {len(meant)} masks, numbered from 0; choose one of them")
            yield meant[action.number]
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


def candidates(predictor: Predictor, start: State, marks: Prompts, action: Chosen) -> list[State]:
    """What the only click can mean, of which `action` chooses."""
    steps, tol = _refined(action)
    return meanings(predictor, replace(start, threshold=marks.threshold), marks.clicks, steps, tol)


def _cascade(
    predictor: Predictor, start: State, state: State, marks: Prompts, action: Prompted, said: Clicks
) -> Iterator[State]:
    """The passes of a prompt, with the prompt's CFR in place of the predictor's own."""
    steps, tol = _refined(action)

    def hold(after: State) -> State:
        if not isinstance(action, Boxed) and action.local and state.mask.any():
            after = keep_local(state, after, said)
        return marks.locks.hold(after) if marks.locks else after

    if not isinstance(action, Boxed):
        return passes(predictor, state, marks.clicks, steps, tol, hold)
    begin = replace(start, threshold=marks.threshold)
    return look_in_box(predictor, begin, action.box.pixels(hw_of(state)), marks.clicks, steps, tol, hold)


def _refined(action: Prompted | Chosen) -> tuple[int, int | None]:
    """How often it is refined, and where A-CFR stops."""
    return PredictorConfig(cfr=action.cfr or 0, adaptive=action.adaptive).steps, TOL if action.adaptive else None


def hw_of(state: State) -> tuple[int, int]:
    """Height and width of the photo."""
    return state.image.shape[0], state.image.shape[1]
