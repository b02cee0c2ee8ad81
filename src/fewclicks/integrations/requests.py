"""What the requests of other tools hold, whatever that is: each part is used where it is of its kind, or named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fewclicks.errors import InputError, one_line
from fewclicks.files.bounded import parse_json

MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
"""What is raised by a part of another kind."""


def body_of(text: object) -> Mapping[str, Any]:
    """The object that the body of a request is; InputError where it is none."""
    try:
        body = parse_json(text) if isinstance(text, bytes | str) else text
    except ValueError as error:
        raise InputError(f"the body is no JSON ({one_line(error)})") from None
    if not isinstance(body, dict):
        raise InputError("the body is no JSON object")
    return body


def fields(value: Any) -> Mapping[str, Any]:
    """The fields of an object, none of anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, none of anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


@contextmanager
def named(what: str) -> Iterator[None]:
    """Turn what a malformed part causes into an InputError: "the points are not as CVAT sends them (...)"."""
    try:
        yield
    except MALFORMED as error:
        raise InputError(f"{what} ({one_line(error)})") from None
