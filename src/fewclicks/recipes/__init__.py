"""One file per experiment: functions without arguments that return a Recipe."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from fewclicks.training.recipe import Recipe


def functions(module: ModuleType) -> dict[str, Callable[[], Recipe]]:
    """The recipes of a file in recipes/ by name, in the order of the file: the public functions written there."""
    own = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    return {name: value for name, value in own if callable(value) and value.__module__ == module.__name__}
