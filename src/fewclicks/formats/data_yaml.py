"""The values of a data.yaml that are needed, from the events of a YAML parser.

Nothing is made of the file but texts: a name that is written 1, true or null is that text, no tag names code, an alias
is refused rather than followed, so that no file grows when it is read, and nesting has a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from fewclicks.errors import one_line

MAX_CHARACTERS = 8 * 2**20
MAX_DEPTH = 20
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def values_in(text: str) -> dict[str, Any]:
    """The top level of a file: of each key a text, a list of texts, or (key, text) pairs of a map as a list of tuples.

    Deeper values are passed over. ValueError for what is no YAML, in its words with the line, or has no keys.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"more than {MAX_CHARACTERS:,} characters")
    try:
        return _top(_bounded(text))
    except yaml.YAMLError as error:
        raise ValueError(one_line(error, 300)) from None


def _bounded(text: str) -> Iterator[Any]:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"line {event.start_mark.line + 1}: more than {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {event.start_mark.line + 1}: an alias (*{event.anchor}); write the value out")
        yield event


def _top(events: Iterator[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            continue
        if not isinstance(event, yaml.MappingStartEvent):
            break
        for key in events:
            if isinstance(key, yaml.MappingEndEvent):
                return found
            found[_text(key, events)] = _value(next(events), events)
    raise ValueError("no keys")


def _value(event: Any, events: Iterator[Any]) -> Any:
    if isinstance(event, yaml.ScalarEvent):
        return event.value
    rows: list[Any] = []
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            break
        text = _text(inner, events)
        rows.append(text if isinstance(event, yaml.SequenceStartEvent) else (text, _text(next(events), events)))
    return rows


def _text(event: Any, events: Iterator[Any]) -> str:
    """A scalar; "" for a list or map, which is passed over."""
    if isinstance(event, yaml.ScalarEvent):
        return str(event.value)
    depth = 1
    while depth:
        inner = next(events)
        depth += isinstance(inner, yaml.CollectionStartEvent) - isinstance(inner, yaml.CollectionEndEvent)
    return ""


def text_of(name: str) -> str:
    """A text as YAML in double quotes, on one line."""
    written: str = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=2**30)
    return written.rstrip("\n")
