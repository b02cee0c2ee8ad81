"""The two forms of a .pth file: a zip archive (torch >= 1.6), and pickles followed by storages (before it)."""

from __future__ import annotations

import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from fewclicks.checkpoints.pth.opcodes import Entry, Storage, decode
from fewclicks.errors import CheckpointError

MAX_PICKLE_BYTES = 2**24
"""Of the pickles of one file, and of a zip archive's directory; the tensors' bytes are outside of both."""
MAX_REPEATS = 4
"""Tensors may share bytes of the file; together they may be so many times as large as the file."""
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""The first two pickles of a file of torch < 1.6."""

STRANGERS = (
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it (all its parts together) and pass the .pth file within"),
    (b"\x1f\x8b", "is a gzip archive; unpack it and pass the .pth file within"),
    (b"Rar!", "is a rar archive; unpack it and pass the .pth file within"),
    (b"version https://git-lfs", "is a Git LFS pointer, not the file itself; run: git lfs pull"),
    (b"<", "is a web page, not weights: the server sent an error or a form; download it in a browser"),
    (b"{", "is text, not weights; download it again"),
)
"""How files begin that people pass by mistake."""


@dataclass(frozen=True, slots=True)
class Place:
    """Tells where in the file a storage lies, in bytes, and the CRC-32 that it should have."""

    start: int
    size: int
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class Container:
    """An opened file: its decoded pickle, and its storages, which are made when a tensor needs them."""

    path: Path
    data: mmap.mmap
    root: Any
    places: Mapping[str, Place]
    storages: dict[tuple[str, torch.dtype], Tensor] = field(default_factory=dict)

    def check(self, entries: Mapping[str, Entry]) -> None:
        """CheckpointError unless every entry's storage is there and whole."""
        total = 0
        used: dict[tuple[str, torch.dtype], int] = {}
        for key, entry in entries.items():
            place = self.places.get(entry.storage.key)
            if place is None or place.start + place.size > len(self.data):
                raise CheckpointError(f"is cut short: the bytes of '{key}' are not in it; download it again")
            if place.size < entry.storage.nbytes:
                raise CheckpointError(f"is damaged: '{key}' claims more bytes than its storage has")
            total += entry.nbytes
            used[entry.storage.key, entry.storage.dtype] = place.size
        total = max(total, sum(used.values()))  # each is read once, also where they overlap
        if total > MAX_REPEATS * len(self.data):
            raise CheckpointError(f"claims {total:,} bytes of tensors in a file of {len(self.data):,}")

    def tensor(self, entry: Entry) -> Tensor:
        """An entry as a view of its storage."""
        key = entry.storage.key, entry.storage.dtype
        if key not in self.storages:
            self.storages[key] = self._storage(entry.storage)
        return self.storages[key].as_strided(entry.shape, entry.stride, entry.offset)

    def _storage(self, storage: Storage) -> Tensor:
        place, dtype = self.places[storage.key], storage.dtype
        if not storage.length:
            return torch.empty(0, dtype=dtype)
        if place.crc is not None:
            with memoryview(self.data) as view, view[place.start : place.start + place.size] as part:
                if zlib.crc32(part) != place.crc:
                    raise CheckpointError("is damaged: a checksum differs; download it again")
        if place.start % dtype.itemsize == 0:
            return torch.frombuffer(self.data, dtype=dtype, count=storage.length, offset=place.start)
        # Not aligned, as in files of torch < 1.6. Read, not copied from the map, whose pages would count twice.
        values = bytearray(storage.nbytes)
        with open(self.path, "rb") as file:
            file.seek(place.start)
            if file.readinto(values) != len(values):
                raise CheckpointError("has changed while it was read; try again")
        return torch.frombuffer(values, dtype=dtype)


def open_container(path: Path) -> Container:
    """The file in whichever of the two forms; CheckpointError for anything else, by what it is."""
    data = _mapped(path)
    head = data[:64]
    if head.startswith(b"PK"):
        return Container(path, data, *_read_zip(data))
    if head.startswith(b"\x80"):
        return Container(path, data, *_read_legacy(data))
    raise CheckpointError(_stranger(path, head))


def _mapped(path: Path) -> mmap.mmap:
    """The bytes of a file, read when they are touched. Writing to them would not change the file."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise CheckpointError("is empty; download it again")
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _stranger(path: Path, head: bytes) -> str:
    """Tell what is wrong with a file that begins with `head`."""
    if ".7z." in path.name:
        return STRANGERS[0][1]
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27:
        return "is a safetensors file, not a .pth; named model.safetensors beside its config.json, its folder is usable"
    for start, message in STRANGERS:
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(start):
            return message
    return "is no PyTorch checkpoint: it does not begin as the files of torch.save do"


def _read_zip(data: mmap.mmap) -> tuple[Any, dict[str, Place]]:
    """Root and places of an archive that holds NAME/data.pkl, NAME/byteorder, NAME/data/0, NAME/data/1 and so on."""
    with zipfile.ZipFile(cast(IO[bytes], _Bounded(data))) as archive:
        members = {info.filename: info for info in archive.infolist()}
        tops = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
        if len(tops) != 1:
            raise CheckpointError("is a zip archive but no checkpoint; unpack it if there is one within")
        (top,) = tops
        if f"{top}constants.pkl" in members:
            raise CheckpointError("is a TorchScript program; pass the checkpoint that it was made from")
        if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in members.values()):
            raise CheckpointError("is a compressed zip archive, which torch.save does not write; download it again")
        if f"{top}byteorder" in members and archive.read(f"{top}byteorder") != b"little":
            raise CheckpointError("was written on a big-endian machine, which fewclicks does not read")
        root = decode(BytesIO(archive.read(f"{top}data.pkl")))
    prefix = f"{top}data/"
    stored = {name.removeprefix(prefix): info for name, info in members.items() if name.startswith(prefix)}
    return root, {key: _place(data, info) for key, info in stored.items()}


def _place(data: mmap.mmap, info: zipfile.ZipInfo) -> Place:
    """The bytes of an archive's member follow its header, its name and extra bytes."""
    signature, name_size, extra_size = struct.unpack_from("<4s22xHH", data, info.header_offset)
    if signature != b"PK\x03\x04":
        raise CheckpointError("is damaged: its directory leads nowhere; download it again")
    return Place(info.header_offset + 30 + name_size + extra_size, info.file_size, info.CRC)


def _read_legacy(data: mmap.mmap) -> tuple[Any, dict[str, Place]]:
    """Root and places of a file of: magic number, protocol, machine, root, keys of storages, storages."""
    stream = _Bounded(data)
    if decode(stream) != MAGIC:
        raise CheckpointError("is a pickle, but none that torch.save wrote")
    protocol, machine = decode(stream), decode(stream)
    if protocol != PROTOCOL or machine["little_endian"] is not True:
        raise CheckpointError("was written by a torch, or on a machine, that fewclicks does not know")
    storages: dict[str, Storage] = {}
    root, keys = decode(stream, storages), decode(stream)
    places: dict[str, Place] = {}
    start = stream.tell()
    for key in keys:
        (length,) = struct.unpack_from("<q", data, start)
        size = length * storages[key].dtype.itemsize
        if size < 0:
            raise ValueError("a storage of negative size")
        places[key] = Place(start + 8, size)
        start += 8 + size
    return root, places


class _Bounded:
    """The bytes of a file as a stream that gives out MAX_PICKLE_BYTES at most."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.position = 0
        self.left = MAX_PICKLE_BYTES

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; -1: all."""
        end = len(self.data) if size < 0 else min(self.position + size, len(self.data))
        if end - self.position > self.left:
            raise CheckpointError(f"holds a pickle of more than {MAX_PICKLE_BYTES} bytes, which no checkpoint needs")
        found = self.data[self.position : end]
        self.position += len(found)
        self.left -= len(found)
        return found

    def readline(self) -> bytes:
        """Up to and with the next line break."""
        end = self.data.find(b"\n", self.position, self.position + self.left)
        return self.read(end + 1 - self.position if end >= 0 else -1)

    def seekable(self) -> bool:
        """Tell whether seek works: yes."""
        return True

    def tell(self) -> int:
        """The position in the file."""
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, as files do."""
        position = (0, self.position, len(self.data))[whence] + offset
        if position < 0:
            raise OSError("a position before the beginning")  # what zipfile expects of files
        self.position = position
        return position
