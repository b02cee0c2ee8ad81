"""`fewclicks check`: whether what was annotated is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, model_of, require_annotated, source_of
from fewclicks.errors import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fewclicks.annotator.editing.replay import Replayer
    from fewclicks.annotator.services.checking import Checked
    from fewclicks.predictor import Predictor

MOST_IN_JSON = 10_000


def check(
    place: Annotated[Path, typer.Argument(metavar="FOLDER", help="The photos that were annotated, or a backup.")],
    replay_model: Annotated[
        bool, typer.Option("--replay-model", help="Compute the clicks again too, by the model they were made with.")
    ] = False,
    database: DatabaseUrl = None,
    method: options.MethodName = "default",
    threads: options.Threads = None,
    settings: options.Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:  # a parameter per option: how typer reads them
    """Check the database of annotations: its file, its references, and that the journal gives the masks that are kept.

    Nothing is changed, and others may go on annotating. Exits with 1 if there is a fault; each is named.
    """
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotator.services.checking import Checked
    from fewclicks.annotator.services.checking import check as faults_of
    from fewclicks.annotator.store.database import Database
    from fewclicks.errors import InputError

    if place.is_file() and database is None:
        source: str | Path = f"sqlite:///{place.resolve()}"
        if replay_model:
            raise InputError("a backup holds no photos, which clicks need; restore it, then check the folder")
    else:
        require_annotated(place, database)
        source = source_of(place, database)
    load = model_of(method, options.plain_values(settings), threads).load
    opened, checked, faults = Database(source, "read"), Checked(), 0
    named: list[str] = []
    try:
        with _replayer(place, opened, load) if replay_model else _nothing() as replayer:
            for fault in faults_of(opened, replayer, checked):
                faults += 1
                if not as_json:
                    print(fault)
                elif faults <= MOST_IN_JSON:
                    named.append(str(fault))
            model = replayer.name if replayer else None
    finally:
        opened.close()
    if as_json:
        about = {name: getattr(checked, name) for name in COUNTS}
        print(json.dumps({**about, "models": sorted(checked.models), "faults": faults, "named": named}, indent=1))
    else:
        _report(opened.name, checked, faults, model)
    if faults:
        raise typer.Exit(1)


COUNTS = ("version", "classes", "photos", "objects", "lines", "exact", "by_rule")


def _report(name: str, checked: Checked, faults: int, model: str | None) -> None:
    from fewclicks.annotator.store.backup import Counts
    from fewclicks.annotator.store.tables import SCHEMA

    print(name)
    old = f"; this fewclicks has {SCHEMA}, and brings it up at the next start" if checked.version < SCHEMA else ""
    print(f"  version {checked.version} of the tables{old}")
    print(f"  {Counts(checked.classes, checked.photos, checked.objects, checked.lines)}")
    print(f"  {counted(checked.exact, 'mask')} computed again from the journal")
    if checked.by_rule:
        print(
            f"  {counted(checked.by_rule, 'mask')} that only a model could compute again: their clicks, sizes, counts "
            "and painted pixels were checked, what the model drew was not"
        )
        models = ", ".join(sorted(checked.models)) or "unknown"
        if model is None:
            print(f"    pass --replay-model to compute them too (made with: {models})")
        else:
            print(f"    they were made with: {models}; here is: {model}. Name theirs by --method")
    print(f"  {counted(faults, 'fault')}" if faults else "  no fault")


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


@contextmanager
def _replayer(folder: Path, database: object, load: Callable[[], tuple[Predictor, str]]) -> Iterator[Replayer]:
    """The model at hand, and the photos it looks at."""
    from fewclicks.annotator.editing.replay import Replayer
    from fewclicks.annotator.editing.windows import first_state
    from fewclicks.annotator.services.decoder import Decoder
    from fewclicks.annotator.services.photos import PhotoFolder, Pictures
    from fewclicks.annotator.store.database import Database
    from fewclicks.annotator.store.tables import PhotoRow
    from fewclicks.predictor import State

    assert isinstance(database, Database)
    predictor, name = load()
    photos, decoder = PhotoFolder(folder), Decoder()
    pictures = Pictures(photos, decoder, room_bytes=0)

    def start_of(photo_id: int) -> State:
        with database.reading() as session:
            file = session.get_one(PhotoRow, photo_id).name
        return first_state(predictor, pictures.get(file).image)

    try:
        yield Replayer(predictor, name, start_of)
    finally:
        decoder.close()
