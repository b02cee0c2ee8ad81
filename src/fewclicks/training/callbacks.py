"""What a run tells to functions of the user's own: `callbacks=my_lab.callbacks:notify`.

    def notify(event: Event) -> None:
        if event.name == "checkpoint":
            print(event.step, event.folder)

The first process calls them, in the order of the recipe. What one raises ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from fewclicks.plugins import own_part
from fewclicks.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Event:
    """A moment of a run."""

    name: str
    """"start", "step", "validation", "checkpoint" or "end"."""
    step: int
    """Steps taken so far."""
    recipe: Recipe
    folder: Path
    """Of the run; of a checkpoint, that of the checkpoint."""
    net: nn.Module
    """The network in training, to look at."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Of a step: loss, iou, lr ...; of a validation: its figures."""


Callback = Callable[[Event], object]


def named(recipe: Recipe) -> list[Callback]:
    """The callbacks of a recipe. UnknownName for one that is not there, InputError for one that cannot be called."""
    return [own_part(name, "callback", ("event",)) for name in recipe.callbacks]
