"""f(X, P, Y): the one function that everything else wraps, drives, trains, or counts the clicks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.errors import InputError, counted
from fewclicks.geometry import Box
from fewclicks.types import Image, Mask, Prob

EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class State:
    """Holds what one round leaves for the next."""

    image: Image
    prob: Prob
    """Zeros before the first click, or an existing mask to correct."""
    threshold: float = 0.5
    """Where prob becomes mask, in this one place only."""
    memo: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """Private to predictors: the zoom-in crop, cached features, optimised code. Never changed in place."""

    @property
    def mask(self) -> Mask:
        """HxW bool: prob > threshold."""
        return np.asarray(self.prob > self.threshold)

    @property
    def box(self) -> Box | None:
        """The smallest box that holds the mask, None for an empty one; sooner than from `mask` on a large photo."""
        return Box.above(self.prob, self.threshold)


class Predictor(Protocol):
    """f(X, P, Y). `start` and `step` change nothing they are given, so undo is a list pop."""

    def start(self, image: Image) -> State:
        """The state before the first click: HxWx3 uint8 RGB image, prob all zero."""
        ...

    def step(self, state: State, clicks: Clicks) -> State:
        """The state after `clicks` (all of them, oldest first), given the previous state's prob as Y."""
        ...


def blank(image: Image, threshold: float = 0.5) -> State:
    """A state with an empty mask: what most predictors start from."""
    return State(image, np.zeros(image.shape[:2], np.float32), threshold)


def step_each(predictor: Predictor, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
    """Step several states, each with its clicks: all at once where the predictor can (`step_each`), else one by one.

    States and answers are those of `Predictor.step`, whichever way is taken, but for the rounding of floats.
    """
    if len(states) != len(clicks):
        raise InputError(
            f"each state needs its clicks, got {counted(len(states), 'state')} and clicks for {len(clicks)}"
        )
    together = getattr(predictor, "step_each", None)
    if together is None:
        return [predictor.step(state, said) for state, said in zip(states, clicks, strict=True)]
    found: list[State] = together(states, clicks)
    return found
