"""Refine an answer, predictors around a predictor: CFR, LocalCorrection, and ClickConsistency, publicly `Anchor`.

Cascade-forward refinement (CFR) shows the predictor its own answer again, with the same clicks. ClickConsistency: the
user is right. Of contrary clicks on one place the last counts, and its pixel has the label it gave. LocalCorrection: a
correction changes what its click touches, and keeps the rest.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import copied
from fewclicks.predictor import Predictor, State, step_each
from fewclicks.types import Image, Mask, Prob

Hold: TypeAlias = Callable[[State], State]
"""What corrects the answer of a predictor."""

TOL = 20
"""The paper's tolerance of A-CFR, in pixels (section 3.1)."""


@dataclass(frozen=True, slots=True)
class CFR:
    """After each click a coarse step, then up to `steps` refinements with the same clicks: CFR-ICL, Eqs. 4 and 5.

    CFR-n therefore steps `inner` n + 1 times per click. The defaults are the paper's.
    """

    inner: Predictor
    steps: int = 1
    tol: int | None = None
    """Set: A-CFR, stop once fewer pixels than this change side (paper: 20; the released script stops at 20 too: 21)."""
    until_click: int | None = None
    """None: refine after every click (the paper); 1: after the first click only (the released script's default)."""

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.tol is not None and self.tol < 0):
            raise InputError(f"CFR needs steps and tol of 0 or more, got steps={self.steps}, tol={self.tol}")

    def start(self, image: Image) -> State:
        """The state before the first click: that of `inner`."""
        return self.inner.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """The state after the last pass."""
        return deque(self.passes(state, clicks), maxlen=1)[0]

    def step_each(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """Do as `step` for each; each pass of all of them at once, where no tolerance ends some early."""
        counts = {self.own(said)[0] for said in clicks}
        if self.tol is not None or len(counts) != 1:
            return [self.step(state, said) for state, said in zip(states, clicks, strict=True)]
        found = list(states)
        for _ in range(counts.pop() + 1):
            found = step_each(self.inner, found, clicks)
        return found

    def own(self, clicks: Clicks) -> tuple[int, int | None]:
        """Tell how many refinements these clicks get by themselves, and the tolerance that ends them early."""
        ends = self.until_click is not None and len(clicks) > self.until_click
        return 0 if ends else self.steps, self.tol

    def passes(
        self, state: State, clicks: Clicks, steps: int | None = None, tol: int | None = None, hold: Hold | None = None
    ) -> Iterator[State]:
        """Give the state after each pass: the coarse one, then the refinements.

        `steps` stand, with `tol`, in place of its own for this one call. `hold` corrects each answer of `inner` before
        the next pass sees it.
        """
        if steps is None:
            steps, tol = self.own(clicks)
        state = _stepped(self.inner, state, clicks, hold)
        yield state
        for _ in range(steps):
            coarse, state = state, _stepped(self.inner, state, clicks, hold)
            yield state
            if tol is not None and np.count_nonzero(coarse.mask != state.mask) < tol:
                return


def _stepped(predictor: Predictor, state: State, clicks: Clicks, hold: Hold | None) -> State:
    state = predictor.step(state, clicks)
    return hold(state) if hold else state


def passes(
    predictor: Predictor, state: State, clicks: Clicks, steps: int, tol: int | None = None, hold: Hold | None = None
) -> Iterator[State]:
    """Step a predictor with as many refinements as this one call asks for, and give the state after each pass.

    A CFR that is within it does `steps` in place of its own. `hold` corrects each answer before the next pass sees it.
    """
    refining = predictor if isinstance(predictor, CFR | ClickConsistency) else CFR(predictor)
    return refining.passes(state, clicks, steps, tol, hold)


def own_passes(predictor: Predictor, clicks: Clicks) -> tuple[int, int | None]:
    """Tell how often a predictor refines these clicks by itself, and its tolerance: what `passes` can be asked for."""
    inner = predictor.inner if isinstance(predictor, ClickConsistency) else predictor
    return inner.own(clicks) if isinstance(inner, CFR) else (0, None)


GIVEN = "given"
"""Where a state remembers whether it began with a mask that was not empty."""


@dataclass(frozen=True, slots=True)
class ClickConsistency:
    """A predictor that corrects `inner` where it contradicts a click, and nowhere else.

    `inner` sees the clicks that count (`Clicks.counting`, within half of `radius_px`). Around one that it got wrong,
    a disk of `radius_px` gets prob 1 or 0; the pixels of other clicks are left out. While nothing positive was said,
    by a click or by a mask to begin with, nothing is marked, and `inner` is not asked. Clicks outside the image raise
    InputError.
    """

    inner: Predictor
    radius_px: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.radius_px < math.inf:
            raise InputError(f"Anchor needs radius_px of 0 or more, got {self.radius_px}")

    def start(self, image: Image) -> State:
        """The state before the first click: that of `inner`."""
        return self.inner.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """The step of `inner`, with every click's pixel on the side that the click says."""
        return self.step_each([state], [clicks])[0]

    def step_each(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """Do as `step` for each, all of which `inner` is asked about at once."""
        counting, asked, given = list[Clicks](), list[int](), list[bool]()
        for number, (state, said) in enumerate(zip(states, clicks, strict=True)):
            hw = (state.image.shape[0], state.image.shape[1])
            said.require_inside(hw)
            counting.append(said.counting(hw, self.radius_px / 2))
            known = state.memo.get(GIVEN)
            # Where nothing was stepped yet, what is marked is a mask to begin with.
            given.append(state.box is not None if known is None else known)
            if given[-1] or counting[-1].has_positive:
                asked.append(number)
        found = list(states)
        for number in {*range(len(states))}.difference(asked):
            found[number] = replace(states[number], prob=np.zeros_like(states[number].prob))
        after = step_each(self.inner, [states[n] for n in asked], [counting[n] for n in asked])
        for number, state in zip(asked, after, strict=True):
            found[number] = self.hold(state, counting[number])
        return [replace(state, memo={**state.memo, GIVEN: known}) for state, known in zip(found, given, strict=True)]

    def passes(
        self, state: State, clicks: Clicks, steps: int, tol: int | None = None, hold: Hold | None = None
    ) -> Iterator[State]:
        """Give the state after each pass, as `CFR.passes`. `clicks` are those that count, a positive one among them."""
        for seen in passes(self.inner, state, clicks, steps, tol, hold):
            held = self.hold(seen, clicks)
            yield hold(held) if hold else held

    def hold(self, state: State, clicks: Clicks) -> State:
        """The state with every click's pixel on the side that the click says. Clicks lie inside the image."""
        hw = (state.image.shape[0], state.image.shape[1])
        said = {click.pixel(hw): click.positive for click in clicks}
        wrong = {pixel: label for pixel, label in said.items() if (state.prob[pixel] > state.threshold) != label}
        if not wrong:
            return state
        prob = copied(state.prob)
        for pixel, label in wrong.items():
            for near in self._disk(pixel, prob):
                if near == pixel or near not in said:
                    prob[near] = label
        return replace(state, prob=prob)

    def _disk(self, pixel: tuple[int, int], prob: Prob) -> Iterator[tuple[int, int]]:
        """The pixels of the image within `radius_px` of a pixel."""
        (row, column), reach = pixel, int(self.radius_px)
        for y in range(max(0, row - reach), min(prob.shape[0], row + reach + 1)):
            for x in range(max(0, column - reach), min(prob.shape[1], column + reach + 1)):
                if math.hypot(y - row, x - column) <= self.radius_px:
                    yield y, x


Anchor = ClickConsistency
"""Its public name."""

TOUCH_PX = 2
"""A click touches what changed no farther from it than this: the disk that `ClickConsistency` holds."""
SURE_RATIO = 0.3
"""A pixel is surely changed where its prob lies so far beyond the threshold, as a share of the way to 1 or 0. On the
validation split's spoiled masks, half as many first corrections then make a mask worse, and the mean IoU is higher."""
RIM_RATIO = 0.003
"""What changed no farther from a part belongs to it too, as its soft edge. A share of the photo's diagonal."""
SEEN = "seen"
"""Where a state remembers the clicks that were there when it was made."""


def keep_local(before: State, after: State, clicks: Clicks, first: bool = True) -> State:
    """Of what changed from `before` to `after`, keep only the connected parts that one of these clicks touches.

    A positive click adds, a negative one takes away; all other pixels have the prob of `before`. FocalClick (Chen et
    al., CVPR 2022) calls it progressive merge; its release takes all pixels that did not change for the part that a
    click touches, where it touches none.

    The `first` correction of a mask that others have made is a careful one: its parts are made of pixels that are
    surely changed (SURE_RATIO) and their soft edge (RIM_RATIO); of all that changed where the clicks touch no sure one.
    """
    prob = copied(before.prob)
    for positive in (True, False):
        same = [click for click in clicks if click.positive == positive]
        if not same:
            continue
        was = before.mask if positive else ~before.mask
        changed = _is_beyond(after, positive, 0) & ~was
        part = _touched(changed, same)
        if first:
            sure = changed & _is_beyond(after, positive, SURE_RATIO)
            near = np.zeros_like(sure)  # what a click holds belongs to its part, however sure the predictor is of it
            for click in same:
                near[_around(click, near.shape)] = True
            core = _touched(sure | changed & near, same)
            if (core & sure).any():
                part &= _widened(core, RIM_RATIO * math.hypot(*core.shape))
        prob[part] = after.prob[part]
    return replace(after, prob=prob)


def _is_beyond(state: State, positive: bool, ratio: float) -> Mask:
    """The pixels whose prob lies beyond the threshold by so much of the way to 1, or to 0."""
    if positive:
        return np.asarray(state.prob > state.threshold + ratio * (1 - state.threshold))
    return np.asarray(state.prob <= state.threshold * (1 - ratio))


def _touched(changed: Mask, clicks: list[Click]) -> Mask:
    """The connected parts of a mask that the clicks touch."""
    labels = cv2.connectedComponents(changed.astype(np.uint8), connectivity=8)[1]
    touched = np.unique(np.concatenate([labels[_around(click, changed.shape)].ravel() for click in clicks]))
    return np.asarray(np.isin(labels, touched[touched > 0]))


def _widened(part: Mask, by_px: float) -> Mask:
    """The mask, and all that is not farther from it."""
    size = 2 * max(1, round(by_px)) + 1
    return cv2.dilate(part.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0


def _around(click: Click, hw: tuple[int, ...]) -> tuple[slice, slice]:
    """The pixels that a click touches."""
    y, x = click.pixel((hw[0], hw[1]))
    return slice(max(0, y - TOUCH_PX), y + TOUCH_PX + 1), slice(max(0, x - TOUCH_PX), x + TOUCH_PX + 1)


@dataclass(frozen=True, slots=True)
class LocalCorrection:
    """A predictor whose corrections stay local: see `keep_local`.

    The first step after an empty mask is free: there is nothing to keep. With `only_given` only masks to begin with are
    corrected so, and what clicks alone have made is not.
    """

    inner: Predictor
    only_given: bool = False

    def start(self, image: Image) -> State:
        """The state before the first click: that of `inner`."""
        return self.inner.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """The step of `inner`, of which only what the new clicks touch is kept."""
        seen: tuple[bool, Clicks] | None = state.memo.get(SEEN)
        given, known = seen or (state.box is not None, Clicks(clicks.items[:-1]))
        after = self.inner.step(state, clicks)
        new = Clicks(tuple(click for click in clicks if click not in known.items))
        if (given or not self.only_given) and state.box is not None:
            after = keep_local(state, after, new, first=given and not known)
        return replace(after, memo={**after.memo, SEEN: (given, clicks)})
