"""Unpack a .zip or .tar as if it were hostile: regular files only, none outside its folder, within bounds.

`unpack` is for fetched datasets, which may be large; `unzip` for annotations that anybody may have packed.
"""

from __future__ import annotations

import gzip
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias, cast

from fewclicks.errors import DatasetError, InputError, one_line
from fewclicks.files.replace import replace_file

Progress: TypeAlias = Callable[[int, int], object]
"""Called with (bytes of the archive behind us, bytes in all)."""

Opener: TypeAlias = Callable[[], "IO[bytes] | None"]
Member: TypeAlias = tuple[str, int, bool, Opener]
"""(name, size, whether a regular file, how to open it)."""

MAX_RATIO = 100
"""An archive that unpacks to more than this many times its size (and a megabyte) is a bomb: photos hardly shrink."""

MAX_FILES = 1_000_000
"""Files in an archive."""

RESERVE_BYTES = 2**28
"""What is left free on the disk."""

CHUNK_BYTES = 2**20

PLAIN_ZIP = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
"""How members may be packed. LZMA asks for as much memory as the file says."""

ZIP_BYTES = 4 * 2**30
ZIP_FILES = 200_000
ZIP_ROOM_BYTES = 64 * 2**20
"""What a .zip of annotations may unpack to: bytes, files and folders; also MAX_RATIO times its size and some room."""

DEEPEST = 64
"""Folders that a file may lie in: one name can make two thousand of them, each of which takes place on the disk."""


class _Unreadable(Exception):
    """A member could not be read."""


_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, _Unreadable,
)  # fmt: skip
"""What reading the members of a damaged archive can end with."""

_ZIP_DAMAGE = (*_DAMAGE, struct.error, OSError, RuntimeError, LookupError, ValueError)
"""The same of a .zip as a whole."""


def unpack(archive: Path, into: Path, keep: str = "", progress: Progress | None = None) -> int:
    """Unpack the members whose names begin with the regular expression `keep`, without what it matched, to `into`.

    Returns how many files there are; those that were there before are replaced. A file that is no archive is copied.
    DatasetError for a damaged archive, for a member that would lie outside `into` or is a link or device, for a bomb,
    and when the disk is full.
    """
    pattern, count, size = re.compile(keep), 0, archive.stat().st_size
    left = size * MAX_RATIO + 2**20
    with archive.open("rb") as file:
        try:
            for number, (name, length, regular, source) in enumerate(_members(archive, file)):
                if number >= MAX_FILES:
                    raise DatasetError(f"{archive} holds more than {MAX_FILES:,} files; not unpacked further")
                matched = pattern.match(_safe_name(archive, name))
                if not matched or name.startswith("__MACOSX/"):
                    continue
                if not regular:
                    raise DatasetError(
                        f"'{name}' in {archive} is a link or a device; no dataset has those: not unpacked"
                    )
                left -= length
                if left < 0:
                    raise DatasetError(
                        f"{archive} unpacks to more than {MAX_RATIO} times its size; not unpacked further"
                    )
                _write(into / matched.string[matched.end() :], length, source)
                count += 1
                if progress:
                    progress(min(file.tell(), size), size)
        except _DAMAGE as error:
            raise DatasetError(f"{archive} is damaged ({error}); delete it and fetch it again") from None
    if not count:
        raise DatasetError(f"{archive} holds nothing of the dataset; its publisher may have changed it")
    return count


def unzip(source: Path, folder: Path, max_bytes: int = ZIP_BYTES, max_files: int = ZIP_FILES) -> None:
    """Unpack into a folder that is empty; InputError for what is no .zip, too much, or wants to lie elsewhere."""
    try:
        with zipfile.ZipFile(source) as archive:
            _unzip(archive, folder.resolve(), max_bytes, max_files)
    except _ZIP_DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"'{source.name}' is no .zip that can be unpacked ({one_line(error)}); pack it again"
        ) from None


def _unzip(archive: zipfile.ZipFile, folder: Path, max_bytes: int, max_files: int) -> None:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    folders = set[PurePosixPath]()
    for entry in entries:
        parents = PurePosixPath(entry.filename).parents
        if len(parents) > DEEPEST:
            raise InputError(f"a file of the .zip lies in more than {DEEPEST} folders; pack it with fewer")
        folders.update(parents)
        if len(entries) + len(folders) > max_files:
            raise InputError(f"the .zip holds more than {max_files:,} files and folders; pack fewer")
    left = min(max_bytes, MAX_RATIO * sum(entry.compress_size for entry in entries) + ZIP_ROOM_BYTES)
    for entry in entries:
        target = (folder / entry.filename).resolve()
        if not target.is_relative_to(folder) or stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"the .zip wants to put '{entry.filename:.200}' elsewhere; pack plain files")
        if entry.compress_type not in PLAIN_ZIP:
            raise InputError("the .zip is packed in an unusual way; pack it again as a plain .zip")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as packed, open(target, "xb") as file:
            while part := packed.read(min(left + 1, 2**20)):
                left -= len(part)
                if left < 0:
                    most = f"{max_bytes // 2**30} GiB or {MAX_RATIO} times its size"
                    raise InputError(f"the .zip unpacks to more than {most}; pack less")
                file.write(part)


def _members(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    """All members but folders."""
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(file) as zipped:
            for info in zipped.infolist():
                if info.compress_type not in PLAIN_ZIP:
                    raise NotImplementedError(f"compressed by the method {info.compress_type}")
                kind = stat.S_IFMT(info.external_attr >> 16)
                if not info.is_dir():
                    yield info.filename, info.file_size, kind in (0, stat.S_IFREG), partial(zipped.open, info)
    elif archive.name.endswith((".tar", ".tgz", ".tar.gz")):
        inner: IO[bytes] = file if archive.name.endswith(".tar") else cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        stream = _Counted(inner, archive.stat().st_size * MAX_RATIO + 2**20)
        with inner, tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as tarred:
            while (entry := tarred.next()) is not None:
                tarred.members = []  # type: ignore[attr-defined]  # it would keep them all
                if not entry.isdir():
                    yield entry.name, entry.size, entry.isreg(), partial(tarred.extractfile, entry)
            while _read(stream):  # to the end of gzip's stream, where its checksum is
                pass
    else:
        yield archive.name, archive.stat().st_size, True, lambda: file


class _Counted:
    """A stream that tells of no more than `limit` bytes, and of no more than a chunk at a time.

    tarfile would read a header of any length whole into memory, and go on through any number of them.
    """

    def __init__(self, inner: IO[bytes], limit: int) -> None:
        self.inner, self.limit = inner, limit
        self.seek, self.tell = inner.seek, inner.tell

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        if size > CHUNK_BYTES + 512:
            raise _Unreadable(f"a header of {size:,} bytes")
        if self.inner.tell() > self.limit:
            raise _Unreadable(f"it unpacks to more than {MAX_RATIO} times its size")
        return self.inner.read(size)


def _safe_name(archive: Path, name: str) -> str:
    """The name of a member in one spelling; DatasetError for one that leads elsewhere on any system."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(sign in name for sign in "\\:\0"):
        raise DatasetError(f"{archive} has a member '{name}', which leads out of its folder; do not trust this file")
    return "/".join(parts)


def _write(target: Path, length: int, source: Opener) -> None:
    """Write one member as a whole file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    require_room(target.parent, length)

    def copy(out: IO[bytes]) -> None:
        try:
            opened = source()
        except (OSError, RuntimeError) as error:  # RuntimeError: a zip with a password
            raise _Unreadable(str(error)) from None
        if opened is None:
            raise _Unreadable(f"no content of {target.name}")
        while chunk := _read(opened):
            out.write(chunk)

    replace_file(target, copy)


def _read(source: IO[bytes] | _Counted) -> bytes:
    """Some bytes; what goes wrong in reading is told apart from what goes wrong in writing."""
    try:
        return source.read(CHUNK_BYTES)
    except OSError as error:
        raise _Unreadable(str(error)) from None


def require_room(folder: Path, needed_bytes: int) -> None:
    """DatasetError unless the disk of the folder has that much room, and a reserve."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + RESERVE_BYTES:
        wanted = (needed_bytes + RESERVE_BYTES) / 1e9
        raise DatasetError(
            f"{folder} has {free / 1e9:.1f} GB free, {wanted:.1f} GB are needed; make room or choose --to"
        )
