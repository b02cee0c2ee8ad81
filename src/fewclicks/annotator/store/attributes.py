"""What is said of an object: values for the attributes that its class has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fewclicks.annotator.store.classes import attributes_of
from fewclicks.annotator.store.records import Attribute, printable_lines
from fewclicks.annotator.store.tables import TEXT_LETTERS, ClassRow
from fewclicks.errors import InputError

LARGEST = 1e15


def merged(known: ClassRow, was: Mapping[str, Any], news: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of an object after `news`, in which None takes a value away.

    InputError for an attribute that the class does not have, and for a value that is none of it.
    """
    attributes = {one.name: one for one in attributes_of(known.attributes)}
    result = dict(was)
    for name, value in news.items():
        if value is None:
            result.pop(name, None)
        elif name not in attributes:
            has = ", ".join(attributes) or "none"
            raise InputError(f"the class '{known.name}' has no attribute '{name:.80}'; it has: {has}")
        else:
            result[name] = valued(attributes[name], value)
    return result


def valued(attribute: Attribute, value: Any) -> bool | float | str:
    """A value as it is kept; InputError if the attribute cannot have it."""
    name = attribute.name
    if attribute.kind == "tick" and isinstance(value, bool):
        return value
    if attribute.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and abs(value) <= LARGEST:
            return value
        raise InputError(f"the number of '{name}' is too large")
    if attribute.kind == "choice" and value in attribute.choices:
        return str(value)
    if attribute.kind == "text" and isinstance(value, str):
        text = printable_lines(value)
        if len(text) <= TEXT_LETTERS:
            return text
        raise InputError(f"the text of '{name}' has at most {TEXT_LETTERS:,} letters, got {len(text):,}")
    needs = {"tick": "true or false", "number": "a number", "text": "a text"}
    wanted = needs.get(attribute.kind) or "one of: " + ", ".join(attribute.choices)
    raise InputError(f"'{name}' is {wanted}, got {value!r:.60}")
