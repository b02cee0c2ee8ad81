"""Reader of PyTorch's pickled checkpoints (.pth, .pt) that runs nothing of what is in them.

A file of `torch.save` is a pickle, a program that may call any function, beside the bytes of the tensors. Here it is
not unpickled: its opcodes drive a small machine that makes plain values and describes tensors (opcodes.py), and the
tensors become views of a memory map of the file (container.py), so that reading costs next to no memory. A function,
class or object that the file names becomes an inert `Stub`; nothing is imported, nothing called.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from fewclicks.checkpoints.pth.container import Container, open_container
from fewclicks.checkpoints.pth.opcodes import Entry, Stub
from fewclicks.errors import CheckpointError, counted

__all__ = ["Entry", "Pth", "StateDict", "Stub", "plain", "read"]

MAX_ITEMS, MAX_DEPTH, MAX_TEXT = 2000, 12, 500
"""Of what `plain` keeps: values in all, levels, characters of a text."""
DAMAGE = (
    ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, EOFError, struct.error,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What reading a damaged file can end with. NotImplementedError and RecursionError are RuntimeErrors."""


@dataclass(frozen=True, slots=True)
class Pth:
    """Holds what was read from a file."""

    path: Path
    root: Any
    """Everything: plain values, `Stub`, and `Entry` for a tensor."""
    tensors: StateDict
    """A mapping. Each access makes a view of the file; a write to it would not reach the file."""
    config: dict[str, Any] | None
    """The config that checkpoints of the RITM family hold: plain values, and `Stub` for live objects."""


def read(path: str | os.PathLike[str]) -> Pth:
    """The checkpoint in a .pth file; CheckpointError if it is damaged, hostile, or holds no state dict."""
    path = Path(path)
    with _named(path):
        container = open_container(path)
        entries = _state_dict(container.root)
        container.check(entries)
    config = container.root.get("config")
    return Pth(path, container.root, StateDict(container, entries), config if isinstance(config, dict) else None)


class StateDict(Mapping[str, Tensor]):
    """A state dict whose tensors are made when they are asked for."""

    def __init__(self, container: Container, entries: Mapping[str, Entry]) -> None:
        self.container = container
        self.entries = entries

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes, for which no tensor is made."""
        return {key: entry.shape for key, entry in self.entries.items()}

    def __getitem__(self, key: str) -> Tensor:
        entry = self.entries[key]
        with _named(self.container.path):
            return self.container.tensor(entry)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every way in which reading can fail, as a CheckpointError that names the file."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path} {str(error)[:300]}") from None
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}); pass a .pth file") from None
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise CheckpointError(f"{path} is damaged or cut short ({reason}); download it again") from None


def _state_dict(root: Any) -> dict[str, Entry]:
    """The tensors by name: root["state_dict"], root["model"] (MAE), or the root itself."""
    if isinstance(root, list) and root and all(isinstance(item, dict) and "state_dict" in item for item in root):
        raise CheckpointError(
            f"holds {counted(len(root), 'network')}, one for each click (a multi-stage model of RITM); fewclicks runs "
            "one network"
        )
    if isinstance(root, Stub):
        raise CheckpointError(f"holds a whole object, {root.name}, not its state_dict(); save that instead")
    if not isinstance(root, dict):
        raise CheckpointError(f"holds no state dict but a {type(root).__name__}")
    found = next((root[key] for key in ("state_dict", "model") if isinstance(root.get(key), dict)), root)
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Entry):
            raise CheckpointError(f"holds no state dict: {str(key)[:80]!r} is a {type(value).__name__}, no tensor")
    if not found:
        raise CheckpointError("holds no tensors")
    return found


def plain(value: Any) -> Any:
    """A decoded value as JSON can hold it: stubs and the like as text; what is long, deep or endless is cut."""
    budget = iter(range(MAX_ITEMS))

    def copied(item: Any, depth: int) -> Any:
        if depth == 0 or next(budget, None) is None:
            return "..."
        if isinstance(item, dict):
            return {str(key)[:MAX_TEXT]: copied(inner, depth - 1) for key, inner in islice(item.items(), MAX_ITEMS)}
        if isinstance(item, list | tuple | set | frozenset):
            return [copied(inner, depth - 1) for inner in islice(item, MAX_ITEMS)]
        if isinstance(item, bool | float | None) or (isinstance(item, int) and abs(item) < 2**63):
            return item
        return str(item)[:MAX_TEXT] if isinstance(item, str | Stub) else f"<{type(item).__name__}>"

    return copied(value, MAX_DEPTH)
