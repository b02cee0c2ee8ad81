"""`fewclicks export`: what was annotated in a folder, as files for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, existing_store
from fewclicks.errors import counted

FormatName = Annotated[
    str | None, typer.Option("--format", "-f", metavar="NAME", help="The format; without it they are listed.")
]


def export(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The photos that were annotated.")],
    format_name: FormatName = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="A folder, or a .zip; FOLDER-FORMAT here if unset."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the format.")
    ] = None,
    visible: Annotated[bool, typer.Option("--visible", help="Of each object only what is visible.")] = False,
    where: Annotated[
        str,
        typer.Option("--where", metavar="QUERY", help="Only photos like that: 'is:accepted', 'class:cat objects:>3'."),
    ] = "",
    classes: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="Only objects of this class. Repeatable.")
    ] = None,
    split: Annotated[
        str,
        typer.Option("--split", metavar="SHARES", help="In folders train, val and test: '80/10/10', or '80/20'."),
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an export that is there.")] = False,
    database: DatabaseUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:  # a parameter per option: how typer reads them
    """Write the annotations of a folder in a format of other programs, and say what it loses."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks import formats as formats_module
    from fewclicks.annotator.services.import_export import export_folder, format_named
    from fewclicks.annotator.services.remote_photos import photos_at
    from fewclicks.errors import InputError

    photos = photos_at(folder)
    if format_name is None:
        if as_json:
            raise InputError("--json needs a format; pass --format NAME")
        list_formats()
        return
    name = format_named(format_name)
    out = out or Path(f"{photos.root.name}-{name}")
    with existing_store(photos, database) as store:
        chosen = {**options.plain_values(settings), "visible": visible}
        chosen |= {"split": split} if split else {}
        written = export_folder(store, photos, name, out, overwrite, where, classes or (), **chosen)
    loses = next(item.loses for item in formats_module.formats() if item.name == name)
    if as_json:
        said = {"out": str(out), "files": len(written.files), "loses": loses, "notes": written.notes}
        print(json.dumps(said, indent=1))
        return
    print(f"{out}: {counted(len(written.files), 'file')}")
    print(f"  this format loses {loses}")
    for note in written.notes:
        print(f"  {note}")


def list_formats() -> None:
    """Print the formats, what each loses, and its options."""
    from fewclicks import formats as formats_module
    from fewclicks.annotator.services.import_export import options_of

    for found in formats_module.formats():
        print(f"{found.name}: {found.title}. Loses {found.loses}.")
        for option in options_of(found):
            if option.name != "visible":
                choices = f" ({', '.join(option.choices)})" if option.choices else ""
                print(f"    --set {option.name}={json.dumps(option.default).strip(chr(34))}{choices}  {option.title}")
