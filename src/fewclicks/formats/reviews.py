"""What is said of a photo, read back from where our exports write it: its state, comments, tags, note and assignee."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, get_args

from fewclicks.formats.annotations import PhotoState

MOST = 1000
"""Tags or comments of one photo that are read."""


def read_about(found: object) -> dict[str, Any]:
    """Give what is sound of an `AnnotatedPhoto.about` that stands in a file; whatever else it holds is left out.

    `state`, `assignee`, `note`, `tags`, and `comments`: each a text, with `x` and `y`, `object`, `person` and
    `resolved` as far as it has them.
    """
    if not isinstance(found, Mapping):
        return {}
    about: dict[str, Any] = {name: found[name] for name in ("assignee", "note") if _is_text(found.get(name))}
    if found.get("state") in get_args(PhotoState):
        about["state"] = found["state"]
    tags = found.get("tags")
    if isinstance(tags, list) and (kept := [tag for tag in tags[:MOST] if _is_text(tag)]):
        about["tags"] = kept
    comments = found.get("comments")
    if isinstance(comments, list) and (said := [one for row in comments[:MOST] if (one := _comment(row))]):
        about["comments"] = said
    return about


def _comment(row: object) -> dict[str, Any]:
    """One comment; empty for what is none."""
    if not isinstance(row, Mapping) or not _is_text(row.get("text")):
        return {}
    x, y, number = row.get("x"), row.get("y"), row.get("object")
    return {
        "text": row["text"],
        **({"x": x, "y": y} if _is_number(x) and _is_number(y) else {}),
        **({"object": number} if isinstance(number, int) and not isinstance(number, bool) else {}),
        "person": row["person"] if _is_text(row.get("person")) else "",
        "resolved": row.get("resolved") is True,
    }


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
