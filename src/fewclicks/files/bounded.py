"""JSON and zlib data of others, read within bounds: what a file may cost is known before it is parsed.

docs/limits.md states the bounds of every reader. A parser makes objects of text, and a few characters can become a
hundred bytes; so the characters that begin objects are counted first, which takes a second for a gigabyte.
"""

from __future__ import annotations

import io
import json
import os
import stat
import zlib
from collections.abc import Callable
from typing import Any

JSON_FACTOR, JSON_ROOM_BYTES, JSON_MOST_BYTES = 24, 128 * 2**20, 6 * 2**30
"""What a JSON text may take in memory: so many times its size, and some room; never more than the last."""

JSON_BYTES = 512 * 2**20
"""Longer files are not read. COCO's largest has 450 MB."""

COSTS = {b"[": 84, b"{": 160, b",": 48, b":": 60, b'"': 26}
"""Bytes that a character stands for at most: a list, a dict, an item, an entry of a dict, half of a text. Measured on
texts that consist of one of them; real files take about half of what these say."""


def read_json(
    path: str | os.PathLike[str], limit: int = JSON_BYTES, hook: Callable[[dict[str, Any]], Any] | None = None
) -> Any:
    """The content of a JSON file; OSError where it cannot be read, ValueError for all that is wrong within."""
    return parse_json(read_bytes(path, limit), hook)


def read_object_or_nothing(path: str | os.PathLike[str], limit: int = JSON_BYTES) -> dict[str, Any]:
    """The object in a JSON file, or an empty one where there is no such file, or something else in it."""
    try:
        value = read_json(path, limit)
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def parse_json(text: bytes | str, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of a JSON text, UTF-8 with or without a mark; `hook` is applied to each object in it, the inner first.

    ValueError for what is no JSON, nested too deep, or would take more than JSON_FACTOR times its size in memory.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    wide = not raw.isascii() or b"\\u" in raw  # one rare letter makes all of a text four times as wide
    letters = 10 if wide else 2
    cost = letters * len(raw) + sum(raw.count(sign) * each for sign, each in COSTS.items())
    if cost > min(JSON_FACTOR * len(raw) + JSON_ROOM_BYTES, JSON_MOST_BYTES):
        raise ValueError(f"its {len(raw):,} bytes of brackets and commas would take up to {cost:,} in memory")
    try:
        return json.loads(raw.decode("utf-8-sig") if isinstance(text, bytes) else text, object_hook=hook)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except MemoryError:
        raise ValueError("there is not enough memory for it") from None


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The content of a regular file; ValueError if it is none, or longer than the limit."""
    with open_file(path) as file:
        content = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)  # not `limit`: that much is set aside
    if len(content) > limit:
        raise ValueError(f"it has more than {limit // 2**20} MiB")
    return content


def open_file(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; ValueError if it is none. A pipe does not make it wait for who writes to it."""
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError("it is no file")
    return file


def inflate(data: bytes, size: int) -> bytes:
    """Unpack what zlib packed, if that is exactly `size` bytes; ValueError otherwise. No more is ever unpacked."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if len(found) != size or not unpacker.eof:
        raise ValueError(f"it unpacks to {'more' if len(found) > size else 'less'} than {size:,} bytes")
    return found
