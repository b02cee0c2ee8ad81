"""Unpack a .zip of annotations that anybody may have packed: plain files, all within one folder, within bounds."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from fewclicks.errors import InputError

ZIP_BYTES = 4 * 2**30
ZIP_FILES = 200_000
ZIP_RATIO, ZIP_ROOM_BYTES = 100, 64 * 2**20
"""What a .zip may unpack to: so many bytes, so many files and folders, and so many times its size and some room."""
DEEPEST = 64
"""Folders that a file may lie in: one name can make two thousand of them, each of which takes place on the disk."""

PLAIN = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
"""How files may be packed. LZMA asks for as much memory as the .zip says."""

DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, RuntimeError, NotImplementedError, EOFError, LookupError,
    ValueError,
)  # fmt: skip
"""What reading a damaged .zip can end with."""


def unzip(source: Path, folder: Path, max_bytes: int = ZIP_BYTES, max_files: int = ZIP_FILES) -> None:
    """Unpack into a folder that is empty; InputError for what is no .zip, too much, or wants to lie elsewhere."""
    try:
        with zipfile.ZipFile(source) as archive:
            _unpack(archive, folder.resolve(), max_bytes, max_files)
    except DAMAGE as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"'{source.name}' is no .zip that can be unpacked ({reason:.200}); pack it again") from None


def _unpack(archive: zipfile.ZipFile, folder: Path, max_bytes: int, max_files: int) -> None:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    folders = set[PurePosixPath]()
    for entry in entries:
        parents = PurePosixPath(entry.filename).parents
        if len(parents) > DEEPEST:
            raise InputError(f"a file of the .zip lies in more than {DEEPEST} folders; pack it with fewer")
        folders.update(parents)
        if len(entries) + len(folders) > max_files:
            raise InputError(f"the .zip holds more than {max_files:,} files and folders; pack fewer")
    left = min(max_bytes, ZIP_RATIO * sum(entry.compress_size for entry in entries) + ZIP_ROOM_BYTES)
    for entry in entries:
        target = (folder / entry.filename).resolve()
        if not target.is_relative_to(folder) or stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"the .zip wants to put '{entry.filename:.200}' elsewhere; pack plain files")
        if entry.compress_type not in PLAIN:
            raise InputError("the .zip is packed in an unusual way; pack it again as a plain .zip")
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as packed, open(target, "xb") as file:
            while part := packed.read(min(left + 1, 2**20)):
                left -= len(part)
                if left < 0:
                    most = f"{max_bytes // 2**30} GiB or {ZIP_RATIO} times its size"
                    raise InputError(f"the .zip unpacks to more than {most}; pack less")
                file.write(part)
