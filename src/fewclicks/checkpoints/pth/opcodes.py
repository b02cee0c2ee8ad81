"""The machine that makes plain values of a pickle's opcodes and calls nothing.

What torch.save writes (protocols 2 to 5) needs a stack, a memo and the containers. Of all functions that a pickle can
name, those of `CALLS` are known, and what they would do is done here; any other is a `Stub`, called or not.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

import torch

from fewclicks.errors import CheckpointError

MAX_STEPS = 1_000_000
"""Opcodes of one pickle. RITM's HRNet32 takes 50,000."""
MAX_NAME = 500
"""Characters in the name of a function or class."""
MAX_AXES, MAX_SIDE = 16, 2**40
"""Of a tensor; the side in elements is far beyond any, and far below what overflows."""
MAX_KEY = 2**60
"""Integers below it have hashes that do not collide, so that no dict can be made slow."""

DTYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool, "UntypedStorage": torch.uint8,
}  # fmt: skip
NAMED_DTYPES = {str(dtype): dtype for dtype in (*DTYPES.values(), torch.uint16, torch.uint32, torch.uint64)}


class Stub:
    """Holds what the file names and fewclicks does not know: a function or class (args None), or its result."""

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: Any = None) -> None:
        self.name = name
        self.args = args
        self.state: Any = None

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as the pickle names it; `length` in elements."""

    key: str
    dtype: torch.dtype
    length: int

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.length * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor as the pickle describes it: a view of a storage, in elements, that lies within it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return math.prod(self.shape) * self.storage.dtype.itemsize


class Stream(Protocol):
    """Holds what a pickle is read from."""

    def read(self, size: int, /) -> bytes: ...
    def readline(self) -> bytes: ...
    def tell(self) -> int: ...


def decode(stream: Stream, storages: dict[str, Storage] | None = None) -> Any:
    """The value of the pickle that begins at the stream's position: plain values, `Entry` and `Stub`.

    `storages` is filled with all that it names. CheckpointError for what torch.save never writes; ValueError and the
    like for a damaged pickle.
    """
    machine = _Machine({} if storages is None else storages)
    for opcode, argument, _ in pickletools.genops(cast(IO[bytes], stream)):
        if opcode.name == "STOP":
            break
        if opcode.name not in OPCODES:
            raise CheckpointError(f"holds a pickle with {opcode.name}, which torch.save never writes")
        machine.spend(1)
        OPCODES[opcode.name](machine, argument)
    return machine.pop()


class _Mark:
    """Tells where on the stack the items of a container begin."""


MARK = _Mark()


class _Machine:
    """Stack and memo. Values are never copied as a whole, so that work and memory grow with the opcodes alone."""

    def __init__(self, storages: dict[str, Storage]) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages = storages
        self.steps = 0

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise CheckpointError(f"holds a pickle of more than {MAX_STEPS:,} steps, which no checkpoint needs")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value should be")
        return value

    def pop_to_mark(self) -> list[Any]:
        """The values above the topmost mark; the mark goes too."""
        items = []
        while (value := self.stack.pop()) is not MARK:
            items.append(value)
        return items[::-1]

    def pop_many(self, count: int) -> list[Any]:
        return [self.pop() for _ in range(count)][::-1]

    def top(self) -> Any:
        if self.stack[-1] is MARK:
            raise ValueError("a mark where a value should be")
        return self.stack[-1]

    def extend(self, items: list[Any]) -> None:
        """APPEND(S) to the list on top."""
        target = self.top()
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, Stub):
            raise ValueError("items for what is no list")

    def update(self, items: list[Any]) -> None:
        """SETITEM(S) of the dict on top: key, value, key, value ..."""
        target = self.top()
        if isinstance(target, dict):
            target.update((_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True))
        elif not isinstance(target, Stub):
            raise ValueError("items for what is no dict")

    def add(self, items: list[Any]) -> None:
        """ADDITEMS of the set on top."""
        target = self.top()
        if isinstance(target, set):
            target.update(_key(item) for item in items)
        elif not isinstance(target, Stub):
            raise ValueError("items for what is no set")

    def call(self, function: Any, arguments: Any) -> None:
        """REDUCE and its kin: push what the function would make, or its Stub."""
        if not isinstance(function, Stub) or function.args is not None or not isinstance(arguments, tuple):
            raise ValueError("a call of what is no function")
        known = CALLS.get(function.name)
        if known:
            self.spend(len(arguments) + sum(len(item) for item in arguments if isinstance(item, list | tuple)))
        self.push(known(*arguments) if known else Stub(function.name, arguments))

    def name(self, name: str) -> None:
        """Push a function or class."""
        if len(name) > MAX_NAME:
            raise CheckpointError("holds a name of absurd length")
        self.push(Stub(name))

    def persistent(self) -> None:
        """BINPERSID: push what the tuple on top identifies, a storage or, in files of torch < 1.6, a module's class."""
        identity = self.pop()
        if isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module":
            self.push(identity[1])  # the third and fourth are its source code
            return
        storage = _storage(identity)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise ValueError("one storage with two types or sizes")
        self.push(storage)

    def build(self) -> None:
        """BUILD: give an object its state. That of an OrderedDict is torch's `_metadata`, which nobody needs."""
        state, target = self.pop(), self.top()
        if isinstance(target, Stub):
            target.state = state
        elif not isinstance(target, dict | Entry):
            raise ValueError("a state for a plain value")


def _key(key: Any) -> Any:
    """A key as it is, if its hash is cheap: nested tuples could take forever."""
    if isinstance(key, str | bytes | bool | None) or (isinstance(key, int) and abs(key) < MAX_KEY):
        return key
    raise CheckpointError(f"holds a dict or set with a key of type {type(key).__name__}, which no checkpoint needs")


# --- what torch.save calls ---


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        raise ValueError("an OrderedDict of what are no pairs")  # a dict would be copied, at no cost of opcodes
    return {_key(key): value for key, value in pairs}


def _storage(identity: Any) -> Storage:
    """The storage of ("storage", type, key, device, length[, None])."""
    if not (isinstance(identity, tuple) and len(identity) in (5, 6)):
        raise ValueError("a storage without identity")
    kind, typed, key, _, length, *view = identity
    if kind != "storage" or not isinstance(typed, Stub) or view not in ([], [None]):
        raise CheckpointError("holds something beside tensors that only torch itself could read")
    module, _, name = typed.name.rpartition(".")
    if module not in ("torch", "torch.storage") or name not in DTYPES:
        raise CheckpointError(f"holds a tensor of {typed.name}, which fewclicks does not read")
    if not isinstance(key, str) or not _is_count(length):
        raise ValueError("a storage without key or length")
    return Storage(key, DTYPES[name], length)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> Entry:
    """torch._utils._rebuild_tensor(_v2): a view of a storage, if it lies within it and repeats nothing."""
    if not (isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(stride, tuple)):
        raise ValueError("a tensor without storage or shape")
    if not (len(shape) == len(stride) <= MAX_AXES and all(map(_is_count, (offset, *shape, *stride)))):
        raise CheckpointError("holds a tensor of absurd shape or stride")
    numel = math.prod(shape)
    last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
    if (
        math.prod(side or 1 for side in shape) >= MAX_SIDE
        or numel > storage.length
        or (numel and last >= storage.length)
    ):
        raise CheckpointError("holds a tensor that reaches beyond its storage")
    return Entry(storage, offset, shape, stride)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Entry:
    """torch._utils._rebuild_tensor_v3: the type is an argument, the storage plain bytes."""
    if not (isinstance(storage, Storage) and isinstance(dtype, Stub)):
        raise ValueError("a tensor without storage or type")
    if dtype.name not in NAMED_DTYPES:
        raise CheckpointError(f"holds a tensor of {dtype.name}, which fewclicks does not read")
    typed = NAMED_DTYPES[dtype.name]
    return _tensor(Storage(storage.key, typed, storage.nbytes // typed.itemsize), offset, shape, stride)


def _parameter(tensor: Any, *_: Any) -> Any:
    """torch._utils._rebuild_parameter: a parameter is its tensor."""
    return tensor


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < MAX_SIDE


CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda *_: {},
    "torch.Size": lambda shape=(): shape,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}
"""What the file may call by name, and what happens instead."""

LITERALS = (
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)
Operation = Callable[[_Machine, Any], object]


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.pop_many(2)
    if not (isinstance(module, str) and isinstance(name, str) and len(module) + len(name) < MAX_NAME):
        raise ValueError("a name that is no text")
    machine.name(f"{module}.{name}")


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.pop_to_mark()
    machine.push({})
    machine.update(items)


def _instance(machine: _Machine, name: Any) -> None:
    """INST and OBJ, of protocol 0 and 1: a class, its arguments."""
    arguments = machine.pop_to_mark()
    function = Stub(_dotted(name)) if name else arguments.pop(0)
    machine.call(function, tuple(arguments))


def _dotted(name: str) -> str:
    """ "module name" of GLOBAL and INST as module.name."""
    return ".".join(name.split(" ", 1))


OPCODES: dict[str, Operation] = {
    **dict.fromkeys(LITERALS.split(), lambda m, value: m.push(value)),
    **dict.fromkeys(("PROTO", "FRAME"), lambda m, _: None),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "MARK": lambda m, _: m.push(MARK),
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    "DUP": lambda m, _: m.push(m.top()),
    "MEMOIZE": lambda m, _: m.memo.__setitem__(len(m.memo), m.top()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, at: m.memo.__setitem__(_key(at), m.top())),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, at: m.push(m.memo[_key(at)])),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE": lambda m, _: m.push(tuple(m.pop_to_mark())),
    "TUPLE1": lambda m, _: m.push(tuple(m.pop_many(1))),
    "TUPLE2": lambda m, _: m.push(tuple(m.pop_many(2))),
    "TUPLE3": lambda m, _: m.push(tuple(m.pop_many(3))),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "LIST": lambda m, _: m.push(m.pop_to_mark()),
    "APPEND": lambda m, _: m.extend(m.pop_many(1)),
    "APPENDS": lambda m, _: m.extend(m.pop_to_mark()),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "DICT": _dict,
    "SETITEM": lambda m, _: m.update(m.pop_many(2)),
    "SETITEMS": lambda m, _: m.update(m.pop_to_mark()),
    "EMPTY_SET": lambda m, _: m.push(set()),
    "ADDITEMS": lambda m, _: m.add(m.pop_to_mark()),
    "FROZENSET": lambda m, _: m.push(frozenset(map(_key, m.pop_to_mark()))),
    "GLOBAL": lambda m, name: m.name(_dotted(name)),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda m, _: m.call(*m.pop_many(2)),
    "NEWOBJ": lambda m, _: m.call(*m.pop_many(2)),
    "NEWOBJ_EX": lambda m, _: m.call(*m.pop_many(3)[:2]),
    "INST": _instance,
    "OBJ": _instance,
    "BUILD": lambda m, _: m.build(),
    "BINPERSID": lambda m, _: m.persistent(),
}
"""What each opcode does. Those that are not here end the reading: EXT1 and the like, and buffers out of the file."""
