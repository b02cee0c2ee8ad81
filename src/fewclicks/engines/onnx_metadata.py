"""What an .onnx file says of itself, read without loading the network: the metadata at the top of its protobuf."""

from __future__ import annotations

import os
from typing import BinaryIO

from fewclicks.files.bounded import open_file

METADATA, KEY, VALUE = 14, 1, 2
"""Numbers of fields: ModelProto.metadata_props, and key and value of an entry."""
MAX_ENTRY_BYTES = 2**20


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of an .onnx file: recipe, step, predictor ... Empty for what is no such file, or cannot be read."""
    found: dict[str, str] = {}
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            while file.tell() < size:
                field, length = _field(file)
                if field == METADATA and length <= MAX_ENTRY_BYTES:
                    found |= _entry(file, file.tell() + length)
                else:
                    file.seek(length, os.SEEK_CUR)
    except (OSError, ValueError):
        return {}
    return found


def _entry(file: BinaryIO, end: int) -> dict[str, str]:
    parts = {KEY: "", VALUE: ""}
    while file.tell() < end:
        field, length = _field(file)
        if file.tell() + length > end:
            raise ValueError("an entry is longer than it says")
        parts[field] = file.read(length).decode("utf-8")
    return {parts[KEY]: parts[VALUE]}


def _field(file: BinaryIO) -> tuple[int, int]:
    """The number of the next field and the bytes of its value, at which the file stands then."""
    tag = _varint(file)
    kind = tag & 7
    if kind == 0:  # a number, of as many bytes as it takes
        _varint(file)
        return tag >> 3, 0
    if kind == 2:
        return tag >> 3, _varint(file)
    if kind in (1, 5):
        return tag >> 3, 8 if kind == 1 else 4
    raise ValueError(f"no field of kind {kind}")


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("the file ends within a number")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("a number of more than ten bytes")
