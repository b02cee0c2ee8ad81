"""`fewclicks import`: annotations of other programs as objects of a folder, to be corrected by clicks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, store_of

if TYPE_CHECKING:
    from fewclicks.annotate.exchange import TakenIn


def import_annotations(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The photos.")],
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[SOURCE]", help="A file, folder or .zip; what lies in or beside FOLDER if unset."),
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", "-f", metavar="NAME", help="Its format; one that fits if unset.")
    ] = None,
    person: Annotated[str, typer.Option("--person", metavar="NAME", help="Who takes them in, for the journal.")] = "",
    database: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Take in annotations: COCO, LabelMe, YOLO, Pascal VOC, index or binary PNGs. Twice the same adds nothing."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotate.files import format_named, import_found, import_from
    from fewclicks.annotate.photos import PhotoFolder
    from fewclicks.errors import InputError

    photos = PhotoFolder(folder)
    if not photos.names():
        raise InputError(f"there are no photos in '{folder}'; name the folder that the photos are in")
    if source is not None and not source.exists():
        raise InputError(f"nothing is at '{source}'; check the path")
    if source is None and format_name is not None:
        raise InputError("a format needs a source; name the file or folder, or leave --format out")
    with store_of(folder, database) as store:
        if source is None:
            taken = import_found(photos, store, _progress, person)
        else:
            name = format_named(format_name) if format_name else None
            taken = import_from(photos, store, source, name, _progress, person)
    _report(taken, as_json)


def _report(taken: TakenIn, as_json: bool) -> None:
    if as_json:
        about = {"objects": taken.objects, "photos": taken.photos, "notes": taken.notes}
        print(json.dumps(about, indent=1))
        return
    objects, photos = ("object" if taken.objects == 1 else "objects"), ("photo" if taken.photos == 1 else "photos")
    print(f"{taken.objects:,} new {objects} on {taken.photos:,} {photos}")
    for note in taken.notes:
        print(f"  {note}")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)
