"""The options of a method: a dataclass names them, and each value is checked before anything is made of it.

A session, a checkpoint or a command may hold any value; past this check it is of the right type, and no larger than
anyone needs.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import fields
from numbers import Integral, Real
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from fewclicks.errors import InputError

Method = TypeVar("Method")

MOST = 10_000
"""The largest number that an option may be, where `BOUNDS` does not say it."""
BOUNDS = {
    "cfr": (0, 100), "until_click": (0, MOST), "tol": (0, 2**31), "zoom": (0, 4096), "multiple": (1, 1024),
    "expansion": (1, 100), "skip_clicks": (-1, MOST), "threads": (0, 1024), "longest_px": (1, 4096), "rounds": (1, 100),
    "threshold": (0, 1), "region_threshold": (0, 1), "radius_px": (0, 1000), "iterations": (0, 1000),
    "pseudo_clicks": (0, 20), "side_px": (1, 4096),
}  # fmt: skip
"""What numbers may be, by the name of the option: larger ones take hours, or all memory."""
WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a text", os.PathLike: "a path",
    NoneType: "nothing",
}  # fmt: skip


def from_options(method: type[Method], options: Mapping[str, Any]) -> Method:
    """A dataclass of options with these values; InputError for an option or a value that it does not have."""
    known = [field.name for field in fields(method)]  # type: ignore[arg-type]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise InputError(f"there is no option '{unknown[0]:.80}' here; there are: {', '.join(known)}")
    kinds = get_type_hints(method)
    for name, value in options.items():
        if not any(_fits(name, value, kind) for kind in _kinds(kinds[name])):
            raise InputError(f"the option {name} is {_words(name, kinds[name])}; got {value!r:.40}")
    return method(**options)


def _kinds(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type, without what stands in brackets."""
    if get_origin(kind) is Literal:
        return (kind,)
    return tuple(get_origin(inner) or inner for inner in (get_args(kind) or (kind,)))


def _fits(name: str, value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if kind not in (int, float):
        return isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, Integral if kind is int else Real):
        return False
    low, high = BOUNDS.get(name, (-MOST, MOST))
    return low <= value <= high and math.isfinite(value)  # type: ignore[operator]  # numbers.Real lacks the comparison


def _words(name: str, hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    words = " or ".join(WORDS.get(kind, str(kind)) for kind in _kinds(hint))
    if not {int, float} & {*_kinds(hint)}:
        return words
    low, high = BOUNDS.get(name, (-MOST, MOST))
    return f"{words}, from {low:,} to {high:,}"
