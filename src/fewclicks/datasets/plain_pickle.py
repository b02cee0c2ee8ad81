"""Reads pickles of plain data without running anything: a stack machine of the opcodes that plain data needs.

What may come out: dict, list, tuple, str, bytes, int, float, bool, None, and numpy arrays and scalars of numbers, which
are made here from their shape, type and bytes (a name of numpy's that nothing uses becomes an opaque mark). A pickle
that names any other class or function is refused by that name before anything is made of it.
Protocols 2 to 5 (PEP 307, PEP 3154, PEP 574; opcodes as pickletools documents them).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import DatasetError

MAX_BYTES = 256 * 2**20
"""Longer files are refused before they are read."""

MAX_FACTOR, MAX_DECODED_BYTES, ROOM_BYTES = 64, 4 * 2**30, 2**20
"""What is decoded takes at most so many times the size of the file, and never more than the second (and some room)."""

MAX_KEY = 2**60
"""Whole numbers below it have hashes that do not collide, so that no dict can be made slow."""

KNOWN = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy.core.numeric", "_frombuffer"): "_frombuffer",
    ("numpy._core.numeric", "_frombuffer"): "_frombuffer",
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytes"): "bytes",
}
"""The names in numpy's own pickles (before and after numpy 2), and of bytes in protocol 2. None is imported."""


class PickleError(Exception):
    """Tells what is wrong with a pickle, without the name of its file."""


def read(path: Path) -> Any:
    """The plain data in a pickle file; DatasetError where it is cut short, damaged, or holds anything else."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PickleError(f"is longer than {MAX_BYTES >> 20} MB")
        return decode(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error.strerror}); fetch it again") from None
    except PickleError as error:
        raise DatasetError(f"{path} {error}; nothing of it was run: fetch the published file again") from None


def decode(data: bytes) -> Any:
    """The plain data that `data` pickles; PickleError where it is anything else."""
    machine = _Machine(data)
    try:
        while (opcode := data[machine.at]) != _STOP:
            machine.at += 1
            machine.spend(_COSTS[opcode])
            _STEPS[opcode](machine)
        (value,) = machine.stack
        if machine.marks or type(value) in (_Name, _DType):
            raise PickleError("ends in the middle of a value")
        return _finished(value)
    except (IndexError, struct.error):
        raise PickleError("is cut short or damaged") from None
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise PickleError("is no pickle of plain data") from None


class _Name:
    """Tells where the pickle refers to one of the known names."""

    __slots__ = ("name",)

    def __init__(self, module: Any, name: Any) -> None:
        if (module, name) not in KNOWN:
            raise PickleError(f"holds {module}.{name}, which is no plain data")
        self.name = KNOWN[module, name]


class _DType:
    """A dtype in the making: its byte order comes after its code."""

    __slots__ = ("code",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not (isinstance(code, str) and len(code) == 2 and code[0] in "biuf" and code[1] in "1248"):
            raise PickleError(f"holds an array of type {str(code)[:40]}, not of numbers")
        self.code = code

    def array(self, data: bytes | bytearray, shape: tuple[int, ...], order: str) -> NDArray[Any]:
        """An array of exactly these bytes, which are copied."""
        dtype = np.dtype(self.code)
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
            raise PickleError(f"holds an array of {len(data)} bytes for the shape {shape}")
        flat: NDArray[Any] = np.frombuffer(bytearray(data), dtype)
        return flat.reshape(shape, order="F" if order == "F" else "C")


class _Array:
    """An array in the making: the memo knows it before its bytes come."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: NDArray[Any] | None = None


class _Machine:
    """Tells where the reading is, the stack, the stacks below the marks, and the memo."""

    __slots__ = ("at", "data", "left", "marks", "memo", "stack")

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.left = min(MAX_FACTOR * len(data), MAX_DECODED_BYTES) + ROOM_BYTES

    def spend(self, size: int) -> None:
        """Count bytes of memory, before they are taken."""
        self.left -= size
        if self.left < 0:
            raise PickleError(f"takes more than {MAX_FACTOR} times its size in memory")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise PickleError("is cut short")
        self.spend(4 * count)  # of text, with one rare letter in it
        return self.data[start : self.at]

    def number(self, layout: str, size: int) -> Any:
        """The next `size` bytes as the number that `layout` (of struct) says."""
        return struct.unpack(layout, self.take(size))[0]

    def sized(self, layout: str, size: int) -> bytes:
        """The bytes that follow their own length."""
        return self.take(self.number(layout, size))

    def line(self) -> str:
        """The text up to the end of the line."""
        return self.take(self.data.index(b"\n", self.at) + 1 - self.at)[:-1].decode()

    def marked(self) -> list[Any]:
        """Tell what was pushed since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items


def _mark(m: _Machine) -> None:
    m.marks.append(m.stack)
    m.stack = []


def _push(value: Any) -> _Step:
    def step(m: _Machine) -> None:
        m.stack.append(value)

    return step


def _push_new(make: Callable[[], Any]) -> _Step:
    def step(m: _Machine) -> None:
        m.stack.append(make())

    return step


def _push_read(reader: Callable[[_Machine], Any]) -> _Step:
    def step(m: _Machine) -> None:
        value = reader(m)  # may change the stack
        m.stack.append(value)

    return step


def _byte(m: _Machine) -> None:
    m.stack.append(m.data[m.at])
    m.at += 1


def _short_text(m: _Machine) -> None:
    m.at += 1
    m.stack.append(m.take(m.data[m.at - 1]).decode())


def _get(m: _Machine) -> None:
    m.stack.append(_finished(m.memo[m.data[m.at]]))
    m.at += 1


def _memoize(m: _Machine) -> None:
    m.memo[len(m.memo)] = m.stack[-1]


def _put(layout: str, size: int) -> _Step:
    def step(m: _Machine) -> None:
        m.memo[m.number(layout, size)] = m.stack[-1]

    return step


def _tuple(count: int) -> _Step:
    def step(m: _Machine) -> None:
        items = tuple(m.stack[-count:])
        if len(items) < count:
            raise IndexError
        m.stack[-count:] = [items]

    return step


def _append(m: _Machine) -> None:
    value = m.stack.pop()
    list.append(m.stack[-1], value)


def _appends(m: _Machine) -> None:
    items = m.marked()
    list.extend(m.stack[-1], items)


def _set_item(m: _Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    _set_pairs(m.stack[-1], [key, value])


def _set_items(m: _Machine) -> None:
    items = m.marked()
    _set_pairs(m.stack[-1], items)


def _set_pairs(target: Any, items: list[Any]) -> None:
    """Keys are single values: to hash a tuple nested a million deep would exhaust the C stack."""
    keys = items[::2]
    if not all(type(key) in (str, int, bytes, bool, float, type(None)) for key in keys):
        raise TypeError
    if any(type(key) is int and abs(key) >= MAX_KEY for key in keys):
        raise PickleError("has a dict with a key of absurd size")
    dict.update(target, zip(keys, items[1::2], strict=True))


def _global(m: _Machine) -> None:
    m.stack.append(_Name(m.line(), m.line()))


def _stack_global(m: _Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    m.stack.append(_Name(module, name))


def _reduce(m: _Machine) -> None:
    """A call in the pickle: of what is known, the same is made here."""
    arguments, known = m.stack.pop(), m.stack.pop()
    match known.name, arguments:
        case "dtype", (code, *_):
            m.stack.append(_DType(code))
        case "_reconstruct", (_Name(name="ndarray"), *_):
            m.stack.append(_Array())
        case "_frombuffer", (bytes() | bytearray() as data, _DType() as dtype, tuple() as shape, order):
            m.spend(len(data))
            m.stack.append(dtype.array(data, shape, order))
        case "scalar", (_DType() as dtype, bytes() as data):
            m.stack.append(dtype.array(data, (), "C").item())
        case "bytes", ():
            m.stack.append(b"")
        case "encode", (str() as text, "latin1" | "latin-1"):
            m.spend(len(text))
            m.stack.append(text.encode("latin1"))
        case _:
            raise TypeError


def _build(m: _Machine) -> None:
    """Tell what comes after the making: the byte order of a dtype, all of an array."""
    match (state := m.stack.pop()), (made := m.stack[-1]):
        case (_, "<" | ">" | "|" | "=" as order, *_), _DType():
            made.code = order + made.code[-2:]
        case (_, tuple() as shape, _DType() as dtype, fortran, bytes() as data), _Array():
            m.spend(len(data))
            made.value = dtype.array(data, shape, "F" if fortran else "C")
            m.stack[-1] = made.value
        case _:
            raise TypeError(state)


def _finished(value: Any) -> Any:
    """An array that was in the making when the memo took it, and else the value itself."""
    return value.value if type(value) is _Array else value


def _refuse(m: _Machine) -> None:
    raise PickleError(f"uses the opcode {m.data[m.at - 1 : m.at]!r} at byte {m.at - 1}, which plain data do not need")


def _protocol(m: _Machine) -> None:
    if m.take(1)[0] not in (2, 3, 4, 5):
        raise PickleError("is of a protocol other than 2 to 5")


def _frame(m: _Machine) -> None:
    m.take(8)  # how far the frame reaches matters to streams only


_Step: TypeAlias = Callable[[_Machine], None]
_STOP = ord(".")
_OPCODES: dict[bytes, _Step] = {
    b"\x80": _protocol,
    b"\x95": _frame,
    b"(": _mark,
    b"N": _push(None),
    b"\x88": _push(True),
    b"\x89": _push(False),
    b")": _push(()),
    b"]": _push_new(list),
    b"}": _push_new(dict),
    b"K": _byte,
    b"M": _push_read(lambda m: m.number("<H", 2)),
    b"J": _push_read(lambda m: m.number("<i", 4)),
    b"\x8a": _push_read(lambda m: int.from_bytes(m.sized("B", 1), "little", signed=True)),
    b"G": _push_read(lambda m: m.number(">d", 8)),
    b"\x8c": _short_text,
    b"X": _push_read(lambda m: m.sized("<I", 4).decode()),
    b"\x8d": _push_read(lambda m: m.sized("<Q", 8).decode()),
    b"C": _push_read(lambda m: m.sized("B", 1)),
    b"B": _push_read(lambda m: m.sized("<I", 4)),
    b"\x8e": _push_read(lambda m: m.sized("<Q", 8)),
    b"\x96": _push_read(lambda m: bytearray(m.sized("<Q", 8))),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"t": _push_read(lambda m: tuple(m.marked())),
    b"h": _get,
    b"j": _push_read(lambda m: _finished(m.memo[m.number("<I", 4)])),
    b"q": _put("B", 1),
    b"r": _put("<I", 4),
    b"\x94": _memoize,
    b"a": _append,
    b"e": _appends,
    b"s": _set_item,
    b"u": _set_items,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"b": _build,
}
_STEPS: list[_Step] = [_OPCODES.get(bytes([i]), _refuse) for i in range(256)]
_DEAR = {b"]": 96, b"}": 192, b"(": 128, b"s": 128, b"q": 128, b"r": 128, b"\x94": 128, b"R": 160}
_COSTS = [_DEAR.get(bytes([i]), 64) for i in range(256)]
"""Bytes of memory that an opcode takes at most, beside those that it reads."""
