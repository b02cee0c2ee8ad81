"""Temporary folders that do not stay: not after an error, not after SIGTERM, and not for long after SIGKILL.

A process holds a lock on each of its folders for as long as it lives. What is not locked was left by one that was
killed, and is removed when the next folder is made in the same place, or by `sweep`. Process ids would not do: they
are given again, and another container that shares the folder does not see them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what is old enough is swept there
    fcntl = None  # type: ignore[assignment]

PREFIX = "fewclicks-scratch-"
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-z_]{8}")
OLD_S = 2 * 86400
"""Where there are no locks, folders untouched for so long are taken for left behind."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder, for its maker alone, in the temporary folder; removed at the end, with all in it."""
    sweep()
    folder, lock = _made()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep() -> None:
    """Remove what processes of this user that were killed left in the temporary folder."""
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _made() -> tuple[Path, int | None]:
    """A folder and the lock on it, which ends with this process."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        if fcntl is None:
            return folder, None
        with suppress(OSError):
            lock = _locked(folder)
            if lock is not None:
                return folder, lock
        # another process swept it in the instant before it was locked


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the lock on a folder; None if another holds it, or it is not the folder any more."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(folder, follow_symlinks=False)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove_if_left(folder: Path) -> None:
    with suppress(OSError):
        about = os.stat(folder, follow_symlinks=False)
        if fcntl is None:
            if time.time() - about.st_mtime > OLD_S:
                shutil.rmtree(folder, ignore_errors=True)
            return
        if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
            return
        lock = _locked(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
