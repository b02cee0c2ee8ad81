"""One file per experiment: functions without arguments that return a Recipe."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from types import ModuleType

from fewclicks.training.recipe import Recipe


def functions(module: ModuleType) -> dict[str, Callable[[], Recipe]]:
    """The recipes of a file in recipes/ by name, in the order of the file: its public functions without arguments."""
    own = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    written = {name: value for name, value in own if callable(value) and value.__module__ == module.__name__}
    return {name: value for name, value in written.items() if not signature(value).parameters}
