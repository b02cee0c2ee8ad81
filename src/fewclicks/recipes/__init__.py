"""One file per experiment: functions without arguments that return a Recipe."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from inspect import signature
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from fewclicks.errors import InputError, UnknownName
from fewclicks.plugins import find
from fewclicks.training.recipe import Recipe


def functions(module: ModuleType) -> dict[str, Callable[[], Recipe]]:
    """The recipes of a file in recipes/ by name, in the order of the file: its public functions without arguments."""
    own = ((name, value) for name, value in vars(module).items() if not name.startswith("_"))
    written = {name: value for name, value in own if callable(value) and value.__module__ == module.__name__}
    return {name: value for name, value in written.items() if not signature(value).parameters}


def recipe_named(name: str) -> Recipe:
    """The recipe of `FILE` (its function of that name) or `FILE:FUNCTION`; UnknownName with the nearest names."""
    file, _, function = name.partition(":")
    module = find("recipes", file, trusted=True)
    own = functions(module)
    function = function or module.__name__.rpartition(".")[2]
    if function not in own:
        raise UnknownName(f"no recipe '{function}' in {file}; there are: {', '.join(f'{file}:{one}' for one in own)}")
    recipe = own[function]()
    if not isinstance(recipe, Recipe):
        raise InputError(f"'{file}:{function}' gives {recipe!r:.40}, which is no recipe; return a Recipe")
    return recipe


def changed(recipe: Recipe, changes: dict[str, str]) -> Recipe:
    """The recipe with fields replaced, each text read as the field's type; InputError for a foreign field."""
    types = get_type_hints(type(recipe))
    for key in changes:
        if key not in types:
            near = difflib.get_close_matches(key, types, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(types)}"
            raise InputError(f"a recipe has no field '{key}'; {hint}")
    return dataclasses.replace(recipe, **{key: parse(key, text, types[key]) for key, text in changes.items()})


def parse(key: str, text: str, kind: Any) -> Any:
    """`text` as `kind`: str, bool, int, float, or a tuple of one of them, written with commas."""
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        parts = [part for part in text.split(",") if part]
        if inner[-1] is not Ellipsis and len(parts) != len(inner):
            raise InputError(f"{key} has {len(inner)} values, got '{text}'; write them as {key}=A,B")
        return tuple(parse(key, part, inner[0]) for part in parts)
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise InputError(f"{key} is {wanted}, got '{text}'; write it as {key}=VALUE") from None
