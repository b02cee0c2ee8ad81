"""Files and folders that are replaced whole: killed at any instant, the old version or the new one is there.

What is new is written beside its place, under the name that `beside` gives, brought to the disk, and put in its place
by one rename. Linux exchanges two folders at once; elsewhere the old folder is set aside first, and `recover` puts a
whole version back if the process was killed before the second rename. What a killed process left is swept by the next
call for the same place: only what bears that name, and only if no process holds its lock.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import logging
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeAlias

from fewclicks.errors import InputError

try:
    import fcntl
except ModuleNotFoundError:  # Windows: there an open file cannot be deleted, which serves as the lock
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

AnyPath: TypeAlias = str | os.PathLike[str]

SUFFIX = ".fewclicks-part"
LOCK, NEW, OLD = "lock", "new", "old"
"""What lies in the folder beside a folder that is replaced."""

EACH_SYNCED = 2000
"""Files of a folder that are brought to the disk one by one; beyond, the whole disk is asked once, where it can be."""

_NOT_HERE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF})
"""How systems say that they cannot do a thing at all."""


def beside(target: Path) -> Path:
    """Tell where the next version of `target` is made: the same place for the same target."""
    name = f".{target.name}{SUFFIX}"
    if len(os.fsencode(name)) > 255:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}{SUFFIX}"
    return target.with_name(name)


def require_folder(target: Path) -> None:
    """InputError where the folder that `target` is to be written into does not exist: said before, not after hours."""
    if not target.parent.is_dir():
        raise InputError(f"the folder '{target.parent}' does not exist; create it first")


def replace_file(target: Path, write: Callable[[IO[bytes]], object], durable: bool = True) -> None:
    """Have `write` fill a file beside `target`, then put it in its place: `target` is never half written.

    `durable` brings it to the disk too, so that it outlives a power cut. InputError where it cannot be written.
    """
    target = Path(target)
    require_folder(target)
    try:
        file, part = _fresh_file(target)
        try:
            with file:
                write(file)
                file.flush()
                if durable:
                    _sync(file.fileno())
                if fcntl is not None:  # the lock is held until the file bears its name
                    os.replace(part, target)
            if fcntl is None:
                os.replace(part, target)
        except BaseException:
            with suppress(OSError):  # clean-up must not hide what happened
                part.unlink()
            raise
        if durable:
            _sync_path(target.parent)
    except OSError as error:
        raise InputError(f"'{target}' cannot be written ({error.strerror}); choose another place") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all."""
    replace_file(path, lambda file: file.write(text.encode()))


def write_json(path: Path, content: Any) -> None:
    """Write plain data as a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def move_file(source: Path, target: Path) -> None:
    """Put a finished file in the place of `target`: brought to the disk, then renamed. OSError where it cannot be."""
    _sync_path(source)
    os.replace(source, target)
    _sync_path(target.parent)


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, on the same disk, for what becomes part of it; gone afterwards.

    What a killed process left there is swept first. InputError while another process works for the same target.
    """
    box = beside(target)
    with _locked(target, box):
        try:
            (box / NEW).mkdir()
            yield box / NEW
        finally:
            _empty(box)


def replace_folder(
    target: AnyPath, fill: Callable[[Path], object], check: Callable[[Path], object] | None = None
) -> None:
    """Have `fill` write a folder beside `target`, then put it in its place: `target` is whole at any instant.

    `check` is called with the old folder, if there is one, right before it is replaced, and may raise to keep it. A
    link is followed: what it points to is replaced. OSError where it cannot be written.
    """
    target = Path(os.path.realpath(target))
    recover(target)
    with staging(target) as fresh:
        fill(fresh)
        sync_tree(fresh)
        if check is not None and target.exists():
            check(target)
        _put(fresh, target)


def recover(target: AnyPath) -> str | None:
    """Put a whole version of a folder back if a process was killed while it replaced it, and sweep what it left.

    Returns what was done, in words, which is also logged; None where there was nothing to do, or where the process is
    still at work.
    """
    target = Path(os.path.realpath(target))
    box = beside(target)
    try:
        if not stat.S_ISDIR(os.lstat(box).st_mode):
            return None
        lock = _lock(box / LOCK, create=False)
    except OSError:  # nothing there, or it was killed before it had begun
        with suppress(OSError):
            box.rmdir()
        return None
    if lock is None:
        return None
    with lock:
        said = None
        try:
            if not os.path.lexists(target) and (box / OLD).is_dir():
                new = (box / NEW).is_dir()  # complete: the old one is set aside only then
                os.rename(box / (NEW if new else OLD), target)
                _sync_path(target.parent)
                which = "new" if new else "old"
                said = f"'{target}' was put back, the {which} version: a process was killed while it replaced it"
                log.warning("%s", said)
            _empty(box)
        except OSError as error:
            log.warning("what a killed process left in '%s' cannot be swept (%s)", box, error.strerror)
    return said


def sync_tree(folder: Path) -> None:
    """Bring all files of a folder, and their names, to the disk."""
    folders: list[AnyPath] = [folder]
    files: list[AnyPath] = []
    for place in folders:
        for entry in os.scandir(place):
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.path)
    if len(files) + len(folders) > EACH_SYNCED and _sync_disk(folder):
        return
    for path in [*files, *reversed(folders)]:
        _sync_path(path)


def _put(fresh: Path, target: Path) -> None:
    """Rename a folder to `target`; what was there lies in the box afterwards."""
    if not os.path.lexists(target):
        os.rename(fresh, target)
    elif not _exchange(fresh, target):
        aside = fresh.with_name(OLD)
        os.rename(target, aside)
        try:
            os.rename(fresh, target)
        except OSError:
            os.rename(aside, target)
            raise
    _sync_path(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step; whether the system can do that."""
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if swap is None:
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_HERE:
        return False
    raise OSError(code, os.strerror(code), str(other))


def _fresh_file(target: Path) -> tuple[IO[bytes], Path]:
    """A new, locked file beside `target`, and its name. What a killed process left under that name is swept."""
    part = beside(target)
    for _ in range(100):
        try:
            file = open(part, "xb")  # noqa: SIM115 - the caller closes it
        except FileExistsError:
            if not _sweep_file(part):  # another process, or somebody else's: take a name of one's own
                part = target.with_name(f".{secrets.token_hex(8)}{SUFFIX}")
            continue
        if _hold(file) and _same(file, part):
            return file, part
        file.close()  # swept by another process before it was locked
    raise OSError(errno.EAGAIN, "too many processes write it")


def _sweep_file(part: Path) -> bool:
    """Delete what a killed process left; False if it is in use, or nothing that we write."""
    try:
        if not stat.S_ISREG(os.lstat(part).st_mode):
            return False
        lock = _lock(part, create=False)
        if lock is None:
            return False
        with lock:
            if _same(lock, part):
                part.unlink()
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False


@contextmanager
def _locked(target: Path, box: Path) -> Iterator[None]:
    """Make the box of a target and hold its lock; InputError while another process does."""
    for _ in range(100):
        recover(target)
        try:
            box.mkdir()
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(box).st_mode) or set(os.listdir(box)) - {LOCK}:
                what = f"'{target}' is being written by another process; wait for it (or remove '{box}')"
                raise InputError(what) from None
        try:
            lock = _lock(box / LOCK, create=True)
        except FileNotFoundError:  # swept by another process, which took it for one that was killed
            continue
        if lock is None:
            raise InputError(f"'{target}' is being written by another process; wait until it is done")
        with lock:
            if not _same(lock, box / LOCK):
                continue
            yield
        if fcntl is None:  # there the lock could not be removed before it was closed
            _empty(box)
        return
    raise InputError(f"'{target}' is being written by too many processes; try again")


def _empty(box: Path) -> None:
    """Remove the box; its lock last, so that what remains of it is known as ours."""
    for name in (NEW, OLD):
        shutil.rmtree(box / name, ignore_errors=True)
    if not set(os.listdir(box)) - {LOCK}:
        with suppress(OSError):
            (box / LOCK).unlink()
            box.rmdir()


def _lock(path: Path, create: bool) -> IO[bytes] | None:
    """The file, locked; None while another process holds it. FileNotFoundError if it is not there.

    `create`: it is made, if its folder is there.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    file = os.fdopen(os.open(path, flags, 0o600), "rb+")
    if _hold(file):
        return file
    file.close()
    return None


def _hold(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; False while another process has it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk of the network that knows no locks
        return True
    return True


def _same(file: IO[bytes], path: Path) -> bool:
    """Tell whether the open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def _sync(descriptor: int) -> None:
    """Bring an open file to the disk; on macOS also out of the disk's own memory."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    try:
        if full is not None:
            fcntl.fcntl(descriptor, full)
        else:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        if full is not None:
            os.fsync(descriptor)


def _sync_path(path: AnyPath) -> None:
    """Bring a file, or the names in a folder, to the disk, where such can be opened for reading only."""
    if os.name != "posix":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync_disk(folder: Path) -> bool:
    """Bring everything on the disk of a folder to it, in one call; whether the system can."""
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None) if os.name == "posix" else None
    if sync is None:
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return bool(sync(descriptor) == 0)
    finally:
        os.close(descriptor)
