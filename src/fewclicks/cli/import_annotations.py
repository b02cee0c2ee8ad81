"""`fewclicks import`: annotations of other programs as objects of a folder, to be corrected by clicks."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, existing_store, store_of
from fewclicks.errors import counted

if TYPE_CHECKING:
    from fewclicks.annotator.services.importing import Mode, PhotoTakenIn, TakenIn
    from fewclicks.annotator.services.photos import PhotoFolder
    from fewclicks.annotator.store.objects import Store


def import_annotations(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The photos.")],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[SOURCE]", help="A file, folder or .zip; what lies in or beside FOLDER if unset."),
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", "-f", metavar="NAME", help="Its format; that of its structure if unset.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="skip|add|replace",
            help="Skip objects that are there with the same class and pixels, add all, or replace those of each photo.",
        ),
    ] = "skip",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; print what would come in, photo by photo.")
    ] = False,
    mask_is: options.MaskIsText = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the last import back (or that of --id).")] = False,
    import_id: Annotated[
        str | None, typer.Option("--id", metavar="UUID", help="By which the import can be undone; made if unset.")
    ] = None,
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Who takes them in, for the journal.")] = "",
    database: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Take in annotations: COCO, LabelMe, YOLO, Pascal VOC, index or binary PNGs. Twice the same adds nothing."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotator.services.import_export import format_named, import_found, import_from
    from fewclicks.annotator.services.importing import ImportOptions
    from fewclicks.annotator.services.remote_photos import photos_at
    from fewclicks.errors import InputError
    from fewclicks.images.mask_meaning import require_mask_is

    photos = photos_at(folder)
    if undo:
        _undo(photos, database, import_id, person, as_json)
        return
    if not photos.names():
        raise InputError(f"there are no photos in '{folder}'; name the folder that the photos are in")
    if source is not None and not source.exists():
        raise InputError(f"nothing is at '{source}'; check the path")
    if source is None and format_name is not None:
        raise InputError("a format needs a source; name the file or folder, or leave --format out")
    how = ImportOptions(mode=cast("Mode", mode), person=person, dry_run=dry_run, mask_is=require_mask_is(mask_is))
    how = replace(how, id=import_id) if import_id else how
    with _store(photos, database, dry_run) as store:
        if source is None:
            taken = import_found(photos, store, _progress, options=how)
        else:
            name = format_named(format_name) if format_name else None
            taken = import_from(photos, store, source, name, _progress, options=how)
    _report(taken, dry_run, as_json)


def _store(folder: PhotoFolder, database: str | None, dry_run: bool) -> AbstractContextManager[Store | None]:
    """The store of a folder; for a dry run none where nothing was annotated yet, so that none is made."""
    from fewclicks.annotator.store.database import PLACE

    if dry_run and database is None and not (folder.root / PLACE).is_file():
        return nullcontext()
    return store_of(folder, database)


def _undo(folder: PhotoFolder, database: str | None, import_id: str | None, person: str, as_json: bool) -> None:
    from fewclicks.errors import InputError

    with existing_store(folder, database) as store:
        found = import_id or store.last_import()
        if found is None:
            raise InputError(f"no import into '{folder.said}' can be undone; there was none, or all are undone")
        count = store.undo_import(found, person)
    if as_json:
        print(json.dumps({"id": found, "objects": count, "notes": []}, indent=1))
    else:
        print(f"{counted(count, 'object')} of the import taken back; --id {found}")


def _report(taken: TakenIn, dry_run: bool, as_json: bool) -> None:
    if as_json:
        fields = ("id", "objects", "photos", "identical", "known", "replaced", "left_out", "notes")
        about = {name: getattr(taken, name) for name in fields}
        if dry_run:
            about |= {"dry_run": True, "per_photo": [asdict(photo) for photo in taken.per_photo]}
        print(json.dumps(about, indent=1))
        return
    if dry_run:
        for photo in taken.per_photo:
            print(f"{photo.file}: {_of_photo(photo)}")
    would = " would come in" if dry_run else ""
    print(f"{counted(taken.objects, 'new object')} on {counted(taken.photos, 'photo')}{would}")
    for note in taken.notes:
        print(f"  {note}")


def _of_photo(photo: PhotoTakenIn) -> str:
    classes = ", ".join(f"{name} {count:,}" for name, count in photo.classes.items())
    parts = [counted(photo.objects, "object") + (f" ({classes})" if classes else "")]
    words = ("identical", "known", "replaced", "left_out")
    parts += [f"{getattr(photo, word):,} {word.replace('_', ' ')}" for word in words if getattr(photo, word)]
    return ", ".join(parts)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)
