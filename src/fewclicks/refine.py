"""Cascade-forward refinement (CFR): show the predictor its own answer again, with the same clicks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fewclicks.arrays import Image
from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.predictor import Predictor, State

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

    def passes(self, state: State, clicks: Clicks) -> Iterator[State]:
        """The state after each pass: the coarse one, then the refinements."""
        state = self.inner.step(state, clicks)
        yield state
        if self.until_click is not None and len(clicks) > self.until_click:
            return
        for _ in range(self.steps):
            coarse, state = state, self.inner.step(state, clicks)
            yield state
            if self.tol is not None and np.count_nonzero(coarse.mask != state.mask) < self.tol:
                return
