"""Files of a folder that other people may have filled: nothing outside of it is opened, also not through links.

A path that was checked can be another file a moment later: somebody puts a link in its place. So a path is resolved
once (`resolve_inside`: where do its links end, and is that in the folder?), and then opened without following any link
in any of its parts (`open_real`). Whatever is swapped in between makes the opening fail, and never lead elsewhere.

The folder itself may be reached through links: its user named it. Photos that are links to files within the folder are
read. Among annotations links are not followed at all.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fewclicks.errors import InputError

_BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")
_FILE = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Not blocking: opening a pipe would wait for its writer."""
_LINKED = frozenset({errno.ELOOP, errno.EMLINK, errno.ENOTDIR})
"""What systems say of a link that is not to be followed; ENOTDIR for one in the place of a folder."""


def resolve_inside(root: str | os.PathLike[str], name: str, what: str = "file") -> Path:
    """The real path of a plain file of a folder, all links resolved; InputError if it lies outside or is not there."""
    try:
        base = Path(os.path.realpath(root))
        path = Path(os.path.realpath(base / name, strict=True))
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError):  # gone; a ring of links; a null character
        raise InputError(f"the {what} '{name}' is not there any more; put it back") from None
    if not path.is_relative_to(base):
        raise InputError(f"the {what} '{name}' leads out of the folder, by a link or its name; copy the file into it")
    if not stat.S_ISREG(mode):
        raise InputError(f"the {what} '{name}' is no plain file; copy one into the folder")
    return path


def open_inside(root: str | os.PathLike[str], name: str) -> BinaryIO:
    """Open a file of a folder, also one that is a link to another within it; InputError for one that leads out."""
    try:
        return open_real(resolve_inside(root, name))
    except OSError as error:
        raise InputError(f"'{name}' cannot be read ({error.strerror or error}); check its permissions") from None


def open_real(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a plain file for reading, following no link in any part of its path.

    OSError as by `open`; InputError where there is a link or no plain file.
    """
    whole = os.path.abspath(path)
    try:
        file = os.fdopen(_descriptor(whole, _FILE), "rb")
    except OSError as error:
        if error.errno in _LINKED and _has_link(whole):
            raise InputError(f"'{path}' is a link, and links are not followed here; copy the file there") from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(f"'{path}' is no plain file; copy the file there")
    return file


def walk_real(root: str | os.PathLike[str]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk as `os.walk` does: (folder, its folders, its files), from the top; links to folders are left out.

    `root` is to be real, without links. Folders that are removed from the list are not gone into. A folder that is
    replaced by a link meanwhile is passed over.
    """
    waiting = [Path(os.path.abspath(root))]
    while waiting:
        place = waiting.pop()
        try:
            folders, files = list_real(place)
        except OSError:
            continue
        yield place, folders, files
        waiting += [place / name for name in reversed(folders)]


def list_real(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder whose path has no link; OSError where it has one.

    Links are among the files, but for those to folders.
    """
    if os.scandir not in os.supports_fd or not _BY_DESCRIPTOR:
        if _has_link(os.fspath(folder)):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(folder))
        return _listed(folder)
    descriptor = _descriptor(os.fspath(folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _listed(descriptor)
    finally:
        os.close(descriptor)


def _listed(folder: Path | int) -> tuple[list[str], list[str]]:
    folders, files = list[str](), list[str]()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif not (entry.is_symlink() and entry.is_dir()):
                files.append(entry.name)
    return folders, files


def _descriptor(path: str, flags: int) -> int:
    """Open an absolute path without following links; OSError, one of `_LINKED` where there is one."""
    if hasattr(os, "O_NOFOLLOW_ANY"):  # macOS
        return os.open(path, flags | os.O_NOFOLLOW_ANY)
    if not _BY_DESCRIPTOR:
        return _rechecked(path, flags)
    within = os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_PATH", 0)  # O_PATH: needs no right to list
    *folders, name = Path(path).parts[1:] or ["."]
    here = os.open("/", within)
    try:
        for folder in folders:
            below = os.open(folder, within, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, flags | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


def _rechecked(path: str, flags: int) -> int:
    """Open a path where the system has no descriptors of folders: what was opened must be what lies there unlinked."""
    descriptor = os.open(path, flags)
    try:
        if _has_link(path) or not os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _has_link(path: str) -> bool:
    """Tell whether a part of the path is a link."""
    return any(os.path.islink(part) for part in (Path(path), *Path(path).parents))
