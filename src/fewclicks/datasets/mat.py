"""A reader of one numeric field of one struct in a MATLAB 5 file (.mat of versions 5 to 7.2), for SBD's annotations.

Source: MathWorks, "MAT-File Format", chapter 1: a header of 128 bytes, then tagged elements, each perhaps compressed
with zlib. Everything but the field asked for is stepped over. Nothing is executed, and memory is bounded.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import DatasetError

MAX_BYTES = 64 * 2**20
"""Files, and what they unpack to, beyond this are refused: SBD's are some kilobytes, a photo's pixels a megabyte."""

MATRIX, COMPRESSED = 14, 15
STRUCT_CLASS, NUMERIC_CLASSES = 2, range(6, 16)
COMPLEX_FLAG = 0x0800
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Element type -> numpy's name of it."""


class _Damaged(Exception):
    """The bytes are not what the format says."""


def read_field(path: Path, variable: str, field: str) -> NDArray[Any]:
    """The array `variable.field`, where `variable` is a 1x1 struct; DatasetError for a damaged or foreign file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Damaged("it is larger than any annotation")
        return _read_field(path.read_bytes(), variable, field)
    except (OSError, _Damaged, struct.error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"cannot read {variable}.{field} of {path} ({reason}); fetch the file again") from None


@dataclass(slots=True)
class _Elements:
    """The tagged elements of a stretch of bytes, one after another."""

    data: memoryview
    order: str  # "<" or ">", of struct and numpy alike
    at: int = 0

    def next(self) -> tuple[int, memoryview]:
        """(type, content) of the next element."""
        if len(self.data) - self.at < 8:
            raise _Damaged("it ends early")
        kind, size = struct.unpack_from(self.order + "II", self.data, self.at)
        begin = self.at + 8
        if kind >> 16:  # a small element: size and type share the first four bytes, the content follows at once
            kind, size, begin = kind & 0xFFFF, kind >> 16, self.at + 4
            if size > 4:
                raise _Damaged("a small element of more than four bytes")
            self.at += 8
        else:
            self.at = begin + size
            if kind != COMPRESSED:  # these alone are not filled up to a multiple of eight
                self.at += -size % 8
        if begin + size > len(self.data):
            raise _Damaged("it ends early")
        return kind, self.data[begin : begin + size]

    def numbers(self) -> NDArray[Any]:
        """The next element as an array of one dimension."""
        kind, content = self.next()
        if kind not in NUMBERS:
            raise _Damaged(f"an element of type {kind} where numbers were expected")
        dtype = np.dtype(self.order + NUMBERS[kind])
        if len(content) % dtype.itemsize:
            raise _Damaged("an element that is cut")
        return np.frombuffer(content, dtype)

    def text(self) -> bytes:
        """The next element as bytes: names are ASCII."""
        return bytes(self.next()[1])

    def head(self) -> tuple[int, bool, tuple[int, ...], bytes]:
        """(class, whether complex, shape, name): how each matrix begins."""
        flags, shape = self.numbers(), tuple(int(side) for side in self.numbers())
        if len(flags) != 2 or not 2 <= len(shape) <= 32 or min(shape) < 0:
            raise _Damaged("a matrix without a shape")
        return int(flags[0]) & 0xFF, bool(int(flags[0]) & COMPLEX_FLAG), shape, self.text()


def _read_field(data: bytes, variable: str, field: str) -> NDArray[Any]:
    """`variable.field` in the bytes of a whole file."""
    if data[1:4] == b"HDF":
        raise _Damaged("it is of version 7.3, which is HDF5; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise _Damaged("it is no MATLAB 5 file")
    top, left = _Elements(memoryview(data), order, 128), MAX_BYTES
    while top.at < len(data):
        kind, content = top.next()
        if kind == COMPRESSED:
            unpacked = _unpack(content, left)
            left -= len(unpacked)
            kind, content = _Elements(memoryview(unpacked), order).next()
        if kind != MATRIX:
            continue
        matrix = _Elements(content, order)
        class_, _, shape, name = matrix.head()
        if name == variable.encode():
            if class_ != STRUCT_CLASS or shape != (1, 1):
                raise _Damaged(f"{variable} is no 1x1 struct")
            return _field_of(matrix, field)
    raise _Damaged(f"it holds no {variable}")


def _field_of(matrix: _Elements, field: str) -> NDArray[Any]:
    """The field of a 1x1 struct whose head has been read."""
    lengths = matrix.numbers()
    names = matrix.text()
    step = int(lengths[0]) if len(lengths) == 1 else 0
    if step < 1:
        raise _Damaged("a struct without field names")
    known = [names[i : i + step].partition(b"\0")[0].decode("ascii", "replace") for i in range(0, len(names), step)]
    if field not in known:
        raise _Damaged(f"it has the fields {', '.join(known)}")
    for _ in range(known.index(field)):
        matrix.next()
    kind, content = matrix.next()
    if kind != MATRIX:
        raise _Damaged(f"{field} is no matrix")
    return _array(_Elements(content, matrix.order))


def _array(matrix: _Elements) -> NDArray[Any]:
    """A real numeric matrix; MATLAB stores it column by column, in the smallest type that holds its values."""
    class_, is_complex, shape, _ = matrix.head()
    if class_ not in NUMERIC_CLASSES or is_complex:
        raise _Damaged("it is no array of real numbers")
    values = matrix.numbers()
    count = 1
    for side in shape:
        count *= side
    if count != len(values):
        raise _Damaged(f"{len(values)} values for a shape of {'x'.join(map(str, shape))}")
    return values.reshape(shape, order="F")


def _unpack(content: memoryview, limit: int) -> bytes:
    """Tell what zlib packed, if it is no more than `limit` bytes."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(content, max(limit, 1))
    except zlib.error as error:
        raise _Damaged(str(error)) from None
    if unpacker.unconsumed_tail:
        raise _Damaged("it unpacks to more than any annotation")
    if not unpacker.eof:
        raise _Damaged("it ends early")
    return data
