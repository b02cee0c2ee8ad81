"""`fewclicks backup` and `fewclicks restore`: everything that was annotated in one file, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, require_annotated, source_of

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")]


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The photos that were annotated.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to be made.")],
    overwrite: Overwrite = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Copy everything that was annotated into one file, also while others are annotating. The photos are not in it."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotator.store import backup as backups

    require_annotated(folder, database)
    counts = backups.backup(source_of(folder, database), file, overwrite)
    if as_json:
        print(json.dumps({"out": str(file), "bytes": file.stat().st_size, **asdict(counts)}, indent=1))
        return
    print(f"{file}: {counts} ({file.stat().st_size / 1e6:,.1f} MB)")
    print("  the photos are not in it: copy them too")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `fewclicks backup` made.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The photos, which are to be there already.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the annotations that are there; a backup of them is kept.")
    ] = False,
    with_faults: Annotated[
        bool, typer.Option("--with-faults", help="Also a backup in which `fewclicks check` finds faults.")
    ] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup into a folder, or into another database by --database: all of it, or nothing."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotator.services.checking import check
    from fewclicks.annotator.services.photos import PhotoFolder
    from fewclicks.annotator.store import backup as backups
    from fewclicks.annotator.store.database import PLACE
    from fewclicks.errors import InputError

    root = PhotoFolder(folder).root
    if not file.is_file():
        raise InputError(f"there is no backup at '{file}'; check the path")
    if not with_faults:
        for fault in check(f"sqlite:///{file.resolve()}"):
            cure = "see all by `fewclicks check`; pass --with-faults to restore it as it is"
            raise InputError(f"the backup has a fault ({fault}); {cure}")
    counts, kept = backups.restore(file, source_of(root, database), overwrite, keep_in=root / PLACE.parent)
    if as_json:
        print(json.dumps({"kept": str(kept) if kept else None, **asdict(counts)}, indent=1))
        return
    print(f"{root}: {counts}")
    if kept:
        print(f"  what was there before is kept in {kept}")
