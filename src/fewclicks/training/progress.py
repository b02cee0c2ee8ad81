"""How long a run goes on, in steps or in time, and at which point of its recipe's schedule it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fewclicks.errors import InputError
from fewclicks.training.recipe import Recipe

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: str) -> float:
    """The seconds of a stretch of time such as 90s, 9m, 1.5h, 1h30m or 2d; InputError for any other text."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    found = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not found or "".join(map("".join, parts)) != text:
        raise InputError(f"a stretch of time is written as 90s, 9m, 1.5h or 1h30m, got '{text}'")
    return found


@dataclass(slots=True)
class Course:
    """The course of a run that has trained for `before` seconds already, in earlier legs.

    With `seconds` the schedule goes by the time spent in training, all legs together: after a third of the time the
    learning rate is that of a third of the recipe's steps, however many were taken. Without, it goes by the steps.
    """

    recipe: Recipe
    seconds: float | None = None
    before: float = 0.0
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def elapsed(self) -> float:
        """Seconds spent in training so far."""
        return self.before + self.clock() - self.began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do something that is no training, and takes no time of the course."""
        began = self.clock()
        try:
            yield
        finally:
            self.began += self.clock() - began

    def position(self, step: int, elapsed: float) -> float:
        """Tell where in the recipe's schedule a run is, in steps of the recipe: 0 to `recipe.steps`."""
        return float(step) if self.seconds is None else self.recipe.steps * min(elapsed / self.seconds, 1.0)

    def over(self, step: int, elapsed: float) -> bool:
        """Tell whether the run has come to its end."""
        return self.position(step, elapsed) >= self.recipe.steps
