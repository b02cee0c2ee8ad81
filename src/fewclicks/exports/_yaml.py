"""The names of the classes in a data.yaml: as much of YAML as such files use, without a YAML library."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator


def names_in(text: str) -> list[str]:
    """The value of `names:`, which is `[a, b]`, `{0: a, 1: b}`, or below it one a line with `-` or a number.

    ValueError where there is none, or its numbers are not 0, 1, 2 ...
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        raise ValueError("no names")
    first = lines[start].removeprefix("names:").strip()
    below = list(_below(lines[start + 1 :]))
    if first.startswith(("[", "{")):
        rows = list(_between_commas(" ".join([first, *below])[1:]))
    else:
        rows = [line.removeprefix("-").strip() for line in below]
    named = dict(_numbered(rows))
    if sorted(named) != list(range(len(rows))):
        raise ValueError("the numbers of the names are not 0, 1, 2 ...")
    return [named[i] for i in range(len(rows))]


def _below(lines: Iterable[str]) -> Iterator[str]:
    """The lines that still belong to a key: further in, or with a dash; without those that say nothing."""
    for line in lines:
        bare = line.strip()
        if bare and not line.startswith((" ", "\t", "-", "#", "]", "}")):
            return
        if bare and not bare.startswith("#"):
            yield bare


def _between_commas(text: str) -> Iterator[str]:
    """The entries of a list in brackets, up to the closing one; commas within quotes do not count."""
    start, quote, escaped, opening = 0, "", False, True
    for place, character in enumerate(text):
        if quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and quote == '"' and not escaped
        elif character in ",]}":
            if text[start:place].strip():
                yield text[start:place].strip()
            start, opening = place + 1, True
            if character != ",":
                return
        elif opening and character in "\"'":
            quote, opening = character, False
        else:
            opening = character == ":" or (opening and character.isspace())
    raise ValueError("the list of names is not closed")


def _numbered(rows: Iterable[str]) -> Iterator[tuple[int, str]]:
    for index, row in enumerate(rows):
        number, colon, rest = row.partition(":")
        if colon and number.strip().strip("\"'").isdecimal():
            yield int(number.strip().strip("\"'")), _unquoted(rest.strip())
        else:
            yield index, _unquoted(row)


def _unquoted(text: str) -> str:
    """The text of a YAML scalar, a comment behind it cut off."""
    if text.startswith('"'):
        return str(json.JSONDecoder().raw_decode(text)[0])
    if text.startswith("'"):
        return text[1:].replace("''", "\0").partition("'")[0].replace("\0", "'")
    return text.partition(" #")[0].strip()
