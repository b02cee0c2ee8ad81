"""The user's cache folder, and the index kept there: which objects each photo has, so that masks are read once.

    FEWCLICKS_CACHE          when set, else
    ~/Library/Caches/fewclicks                      macOS
    %LOCALAPPDATA%/fewclicks                        Windows
    $XDG_CACHE_HOME/fewclicks, ~/.cache/fewclicks   elsewhere (XDG Base Directory Specification)

Nothing is written among the data, which may be read-only or shared. All of it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import DatasetError, InputError
from fewclicks.files import bounded
from fewclicks.files.replace import replace_file
from fewclicks.types import IGNORE_ID

Progress: TypeAlias = Callable[[int, int], object]
"""Called with (masks read, masks in all) while an index is made."""

ReadIds: TypeAlias = Callable[[Path], "NDArray[np.uint8] | NDArray[np.uint16]"]
"""Mask file -> HxW object ids."""

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Tell where fewclicks keeps what it can make again; not created yet."""
    if named := os.environ.get("FEWCLICKS_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fewclicks"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "fewclicks"
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"  # the specification: absolute or unset
    return base / "fewclicks"


def object_ids(
    name: str, masks: Sequence[Path], read_ids: ReadIds, progress: Progress | None = None
) -> list[list[int]]:
    """The object ids in each mask, ascending, without 0 and 255. Reads the masks once; later from the cache.

    The index is made anew when a mask has another path, size or time of change, or when it is damaged.
    """
    key = _fingerprint(masks)
    file = cache_folder() / "objects" / f"{name}-{key[:16]}.json"
    found = _load(file, key, len(masks))
    if found is None:
        found = []
        for mask in masks:
            ids = np.flatnonzero(np.bincount(read_ids(mask).ravel()))
            found.append([int(i) for i in ids if i not in (0, IGNORE_ID)])
            if progress:
                progress(len(found), len(masks))
        _save(file, {"key": key, "objects": found})
    return found


def _fingerprint(files: Sequence[Path]) -> str:
    """A hash of the paths, sizes and times of change of files; DatasetError names those that are missing."""
    digest, missing = hashlib.sha256(), []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            missing.append(file)
            continue
        digest.update(f"{file.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    if missing:
        raise DatasetError(f"masks are missing, {len(missing)} of {len(files)}, the first is {missing[0]}; fetch them")
    return digest.hexdigest()


def _load(file: Path, key: str, count: int) -> list[list[int]] | None:
    """Tell what was saved under the key; None where nothing was, or something else."""
    try:
        saved = bounded.read_json(file)
    except (OSError, ValueError):
        return None
    if not isinstance(saved, dict) or saved.get("key") != key:
        return None
    rows = saved.get("objects")
    if not isinstance(rows, list) or len(rows) != count:
        return None
    whole = all(isinstance(row, list) and all(type(i) is int and i > 0 for i in row) for row in rows)
    return rows if whole else None


def _save(file: Path, content: dict[str, object]) -> None:
    """Write the index; a cache that cannot be written costs time only, so it is a note in the log."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, lambda out: out.write(json.dumps(content).encode()))
    except (OSError, InputError) as error:
        _log.warning(
            "the index of objects is not kept (%s); set FEWCLICKS_CACHE to a folder that can be written", error
        )
