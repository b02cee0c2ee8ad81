"""Inputs that no one wrote by hand: valid ones, changed at random so that some of them get far."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from collections.abc import Sequence
from typing import Any

ODD_NUMBERS = (0, 1, -1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 100_000)
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**70),
    10**30,
    10**400,
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    "",
    " ",
    "a" * 3000,
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\udfff",
    "😀",
    "‮",
    "../../x",
    "/etc/passwd",
    "a/b",
    "#1",
    "background",
    "os.system",
    "1e999",
    "-1",
    [],
    {},
    [[]],
    [[[[[]]]]],
    {"": {}},
    [0] * 2000,
    [None],
    {"a": {"b": {"c": []}}},
    "<a>",
    "%s%n",
    "\r\n",
    "'",
    '"',
)

NESTED = "to be nested"


def changed(seeds: Sequence[bytes], rng: random.Random, text: bool) -> bytes:
    """One of the seeds, changed a little or a lot. `text`: they are JSON where they parse as that."""
    data = rng.choice(seeds)
    if text and rng.random() < 0.7:
        try:
            return json_changed(data, rng)
        except (ValueError, RecursionError):
            pass
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 6, 20))):
        _change(found, seeds, rng)
    if found[:8] == b"\x89PNG\r\n\x1a\n" and rng.random() < 0.8:
        _mend_png(found)
    return bytes(found)


def _change(data: bytearray, seeds: Sequence[bytes], rng: random.Random) -> None:
    """Change some bytes, often of the head, where sizes and types stand."""
    if not data:
        data += rng.randbytes(rng.randrange(1, 64))
        return
    head = min(len(data), 128) if rng.random() < 0.6 else len(data)
    at, what = rng.randrange(head), rng.randrange(9)
    if what == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif what == 1:
        data[at] = rng.randrange(256)
    elif what in (2, 3):
        layout = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        number = rng.choice(ODD_NUMBERS) & (256 ** struct.calcsize(layout) - 1)
        data[at : at + struct.calcsize(layout)] = struct.pack(layout, number)
    elif what == 4:
        del data[at : at + rng.choice((1, 2, 4, 16, 256))]
    elif what == 5:
        data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 256)))
    elif what == 6:
        size = rng.choice((4, 16, 64, 1024))
        data[at:at] = data[at : at + size] * rng.choice((1, 2, 30))
    elif what == 7:
        del data[at:]
    else:
        other = rng.choice(seeds)
        start = rng.randrange(len(other) + 1)
        data[at:] = other[start:]


def _mend_png(data: bytearray) -> None:
    """Give the chunks of a PNG their checksums, so that what was changed is read at all."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 12 + size > len(data):
            return
        struct.pack_into(">I", data, at + 8 + size, zlib.crc32(data[at + 4 : at + 8 + size]))
        at += 12 + size


def json_changed(data: bytes, rng: random.Random) -> bytes:
    """A JSON document with some of its values replaced, removed, doubled or nested; ValueError if it is none."""
    root, depth = [json.loads(data)], 0
    for _ in range(rng.choice((1, 1, 2, 4))):
        place, key = _some_place(root, rng)
        what = rng.randrange(7)
        if what < 4:
            place[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        elif what == 4:
            place[key] = [place[key]] * rng.choice((0, 1, 2, 300))
        elif what == 5:
            place[key], depth = NESTED, rng.choice((1, 50, 2000, 100_000))
        elif isinstance(place, dict):
            place[rng.choice(("", "id", "size", "x", "points", "label"))] = place.pop(key)
    found = json.dumps(root[0]).encode()
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    found = found.replace(json.dumps(NESTED).encode(), opened * depth + b"1" + closed * depth)
    return found if rng.random() < 0.9 else found[: rng.randrange(len(found) + 1)]


def _some_place(root: list[Any], rng: random.Random) -> tuple[Any, Any]:
    """(container, key) of a random value."""
    places: list[tuple[Any, Any]] = []
    todo: list[Any] = [root]
    while todo and len(places) < 3000:
        inner = todo.pop()
        for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
            places.append((inner, key))
            if isinstance(inner[key], list | dict):
                todo.append(inner[key])
    return rng.choice(places)
