"""Anchor: the user is right. Of contrary clicks on one place the last counts, and its pixel has the label it gave."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fewclicks.arrays import Image, Prob
from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.predictor import Predictor, State

GIVEN = "given"
"""Where a state remembers whether it began with a mask that was not empty."""


@dataclass(frozen=True, slots=True)
class Anchor:
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
        hw = (state.image.shape[0], state.image.shape[1])
        clicks.require_inside(hw)
        clicks = clicks.counting(hw, self.radius_px / 2)
        given = state.memo.get(GIVEN)
        if given is None:  # nothing was stepped yet: what is marked is a mask to begin with
            given = bool(state.mask.any())
        if given or clicks.has_positive:
            state = self.hold(self.inner.step(state, clicks), clicks)
        else:
            state = replace(state, prob=np.zeros_like(state.prob))
        return replace(state, memo={**state.memo, GIVEN: given})

    def hold(self, state: State, clicks: Clicks) -> State:
        """The state with every click's pixel on the side that the click says. Clicks lie inside the image."""
        hw = (state.image.shape[0], state.image.shape[1])
        said = {click.pixel(hw): click.positive for click in clicks}
        wrong = {pixel: label for pixel, label in said.items() if (state.prob[pixel] > state.threshold) != label}
        if not wrong:
            return state
        prob = state.prob.copy()
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
