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
    Fitted,
    Outlined,
    Painted,
    Prompted,
    Replaced,
    Reshaped,
    Scribbled,
    Thresholded,
)
from fewclicks.annotator.editing.brush import ON, PixelConstraints, cleaned, locked
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.editing.shapes import covers
from fewclicks.boxes import look_in_box
from fewclicks.clicks import Clicks
from fewclicks.config import PredictorConfig
from fewclicks.errors import InputError, counted
from fewclicks.geometry import Box, copied
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import meanings
from fewclicks.propagation import fitted
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
    prob = np.zeros(mask.hw, np.float32)
    if mask.box is not None:
        prob[mask.box.slices] = mask.crop()
    return replace(start, prob=prob, threshold=threshold)


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
        case Fitted() | Chosen() | Cleaned():
            _require_fitting(marks, action)
            return marks
        case Brushed() | Outlined() | Reshaped():
            return _painted(marks, action, hw)
        case Replaced():
            return _given(marks, action.mask, hw)
        case Thresholded():
            return replace(marks, threshold=action.value)


def _require_fitting(marks: Prompts, action: Fitted | Chosen | Cleaned) -> None:
    """InputError where there is nothing yet for the action to work on."""
    if isinstance(action, Fitted) and not marks.says_something:
        raise InputError("there is no mask to fit yet; click on the object, or put a mask in place")
    one = len(marks.clicks) == 1 and marks.clicks.has_positive
    if isinstance(action, Chosen) and (marks.given or marks.locks or not one):
        raise InputError("only a first click has several meanings; click once on the object, then choose")


def _painted(marks: Prompts, action: Painted, hw: tuple[int, int]) -> Prompts:
    for side, box, cover in covers(action, hw):
        # A click under a later stroke of the other meaning is overruled.
        clicks = [c for c in marks.clicks if c.positive == (side == ON) or not _covers(box, cover, c.pixel(hw))]
        locks = locked(marks.locks, box, cover, side)
        marks = replace(marks, clicks=Clicks(tuple(clicks)), locks=locks, given=marks.given or side == ON)
    return marks


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
    if isinstance(action, Prompted) and action.cfr is None:
        steps, tol = own_passes(predictor, after.clicks if isinstance(action, Clicked | Scribbled) else Clicks())
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
        case Clicked() | Scribbled() | Boxed() | Fitted():
            yield from _cascade(predictor, start, state, marks, action, said)
        case Chosen():
            meant = candidates(predictor, start, marks, action)
            if action.number >= len(meant):
                raise InputError(f"the click means {counted(len(meant), 'mask')}, numbered from 0; choose one of them")
            yield meant[action.number]
        case Brushed() | Outlined() | Reshaped():
            prob = copied(state.prob)
            for side, box, cover in covers(action, hw_of(state)):
                prob[box.slices][cover] = side == ON
            yield replace(state, prob=prob)
        case Cleaned():
            mask = state.mask
            wanted = cleaned(mask, action, marks.clicks, marks.locks)
            prob = copied(state.prob)
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
        if isinstance(action, Clicked | Scribbled) and action.local and state.box is not None:
            after = keep_local(state, after, said, first=len(said) == len(marks.clicks))
        return marks.locks.hold(after) if marks.locks else after

    if isinstance(action, Fitted):
        return fitted(predictor, replace(state, memo=start.memo), marks.clicks, steps, tol, hold)
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
