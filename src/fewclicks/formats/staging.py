"""An export appears whole or not at all, and replaces nothing but an export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fewclicks.errors import InputError
from fewclicks.files.bounded import parse_json
from fewclicks.files.replace import move_file, recover, replace_folder, require_folder, staging
from fewclicks.formats.reading import MAX_TEXT_BYTES, read_bytes

LISTING = ".fewclicks-export.json"
"""In each exported folder: the format, what it lost, and its files. Only what stands there is ever replaced."""


def check(out: Path, single: bool, overwrite: bool) -> None:
    """InputError unless an export may be written to `out`, a file (`single`) or a folder."""
    require_folder(out)
    if single:
        if out.is_dir():
            raise InputError(f"'{out}' is a folder; name a file, or a folder without .json")
        if out.exists() and not overwrite:
            raise InputError(f"'{out}' exists; name another file, or pass --overwrite (in Python overwrite=True)")
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file; name a folder")
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise InputError(
                f"the folder '{out}' is not empty; name another one, or pass --overwrite (in Python overwrite=True)"
            )
        _require_ours(out)


def _require_ours(out: Path) -> None:
    """InputError unless all files of a folder were written by an export: nobody's photos are deleted."""
    try:
        listed = set(parse_json(read_bytes(out.resolve() / LISTING, MAX_TEXT_BYTES))["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise InputError(f"'{out}' holds files that no export wrote; name another folder") from None
    there = (file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_symlink() or not file.is_dir())
    foreign = sorted(file for file in there if file != LISTING and file not in listed)
    if foreign:
        raise InputError(f"'{out}' holds files that no export wrote, as {foreign[0]}; name another folder")


def staged(
    out: Path,
    name: str,
    single: str | None,
    overwrite: bool,
    fill: Callable[[Path], tuple[str, ...]],
    more: Callable[[], dict[str, Any]] = dict,
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Have `fill` write an export into an empty folder, then put it in the place of `out`: its files and its notes.

    `more`: what else stands in the listing of the folder, once it is filled. With `single`, `out` is a file and
    becomes the one of that name that was written.
    """
    recover(out)
    check(out, single is not None, overwrite)
    target = out.resolve()
    notes: tuple[str, ...] = ()
    written: list[str] = []

    def filled(fresh: Path) -> None:
        nonlocal notes
        notes = fill(fresh)
        written.extend(sorted(file.relative_to(fresh).as_posix() for file in fresh.rglob("*") if file.is_file()))
        (fresh / LISTING).write_text(json.dumps({"format": name, "notes": notes, "files": written} | more()), "utf-8")

    try:
        if single is None:
            # checked again: it may have been filled in the meantime
            replace_folder(target, filled, lambda old: check(old, False, overwrite))
            return tuple(target / file for file in written), notes
        with staging(target) as fresh:
            notes = fill(fresh)
            move_file(fresh / single, target)
            return (target,), notes
    except OSError as error:
        raise InputError(f"'{out}' cannot be written ({error.strerror}); choose another place") from error
