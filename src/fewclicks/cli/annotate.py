"""`fewclicks annotate`: a folder of photos in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli import options
from fewclicks.cli.pre_annotate import pre_annotate

if TYPE_CHECKING:
    from fewclicks.annotator.services.model import Model
    from fewclicks.annotator.services.photos import PhotoFolder
    from fewclicks.annotator.store.objects import Store
    from fewclicks.predictor import Predictor

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="FEWCLICKS_DATABASE",
        show_envvar=False,
        help="Where the annotations are kept: postgresql://..., sqlite:///FILE; FOLDER/.fewclicks/ if unset.",
    ),
]


def annotate(
    folder: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="The photos, also in subfolders; or an address, as s3://bucket/photos."),
    ],
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, metavar="N", help="8000 or the next free one if unset.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="0.0.0.0 lets those on other machines in who know the token that is printed.")
    ] = "127.0.0.1",
    name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="A name under which this machine is known. Repeatable."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            metavar="ADDRESS",
            help="A proxy, or a network of them, that is believed who asks (X-Forwarded-*). Repeatable.",
        ),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option("--tokens", metavar="FILE", help="People and their tokens: a line each, name, space, token."),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everybody in who can reach the server; they see and change all.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    no_import: Annotated[
        bool, typer.Option("--no-import", help="Do not begin with annotations that lie beside the photos.")
    ] = False,
    database: DatabaseUrl = None,
    method: options.MethodName = "default",
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="METHOD", help="Another for the page's menu and pre-annotation. Repeatable."),
    ] = None,
    cfr: options.Cfr = None,
    adaptive: options.Adaptive = False,
    threads: options.Threads = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, metavar="N", help="Processes of the model, for many people.")
    ] = 1,
    settings: options.Settings = None,
    levels: options.LevelsText = None,
    pre: Annotated[
        bool, typer.Option("--pre", help="Serve nothing: propose all objects of each photo, and write them to OUT.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="With --pre: a COCO file; FOLDER/proposals.json if unset."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="With --pre: every N-th photo from the I-th on, to OUT-I-of-N."),
    ] = None,
    join: Annotated[
        int | None, typer.Option("--join", min=1, metavar="N", help="With --pre: make one of N shards that are done.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With --pre: do again what is done.")] = False,
) -> None:  # a parameter per option: how typer reads them
    """Annotate the photos of a folder in the browser: click on objects, get their masks.

    With --pre the objects of all photos are proposed beforehand, in shards on as many machines as there are.
    """
    options.require_extra("annotate", "fastapi", "uvicorn", "sqlalchemy")
    from fewclicks.annotator.server.serve import Place, listen, serve
    from fewclicks.annotator.services.annotator import Annotator
    from fewclicks.annotator.services.remote_photos import photos_at
    from fewclicks.config import resolve
    from fewclicks.errors import InputError
    from fewclicks.images.levels import parse_levels

    if not pre and (out or shard or join or overwrite):
        raise InputError("--out, --shard, --join and --overwrite are for annotating beforehand; add --pre")
    by_hand = parse_levels(levels) if levels is not None else None
    photos = photos_at(folder)
    if not photos.names() and (pre or photos.is_remote):  # into an empty folder the page copies examples, if asked to
        raise InputError(f"there are no photos in '{folder}'; put some into it, or name another folder")
    if pre:
        resolved = resolve(method, options.plain_values(settings), cfr=cfr, adaptive=adaptive, threads=threads)
        pre_annotate(photos, resolved, by_hand, out, shard, join, overwrite)
        return
    answers = with_choices(
        model_of(method, options.plain_values(settings), threads, cfr, adaptive, workers), model or (), threads
    )
    names, proxies = tuple(name or ()), tuple(proxy or ())
    place = Place(host=host, port=port, names=names, proxies=proxies, tokens=tokens, no_token=no_token)
    with closing(listen(place)) as listening, store_of(photos, database) as store:
        annotator = Annotator(photos, store, answers, database, by_hand)
        annotator.takes_in_found = not no_import and not photos.is_remote
        serve(annotator, place, listening, browser=not no_browser)


def source_of(folder: Path | PhotoFolder, database: str | None) -> str | Path:
    """Tell what a store is opened by: the folder, or the URL of another database."""
    from fewclicks.errors import InputError

    if database and "://" not in database:
        raise InputError(f"'{database}' is no URL of a database; write a file as sqlite:///{database}")
    if isinstance(folder, Path):
        return database or folder
    if folder.is_remote and not database:
        raise InputError(
            f"annotations of photos at '{folder.address}' need a database of their own; name it by --database "
            "(postgresql://..., or sqlite:///FILE)"
        )
    return database or folder.root


def store_of(folder: Path | PhotoFolder, database: str | None) -> Store:
    """The annotations of a folder, in it or in another database."""
    from fewclicks.annotator.store.objects import Store

    return Store(source_of(folder, database))


def existing_store(folder: Path | PhotoFolder, database: str | None) -> Store:
    """The annotations of a folder that was annotated."""
    source_of(folder, database)
    require_annotated(folder if isinstance(folder, Path) else folder.said, database)
    return store_of(folder, database)


def require_annotated(folder: Path, database: str | None) -> None:
    """InputError if nothing was annotated in a folder."""
    from fewclicks.annotator.store.database import PLACE
    from fewclicks.errors import InputError

    if database is None and not (folder / PLACE).is_file():
        raise InputError(f"nothing was annotated in '{folder}' yet; do so by: fewclicks annotate {folder}")


def with_choices(answers: Model, named: Sequence[str], threads: int | None) -> Model:
    """The model with those that the page can change to, and those that pre-annotation can ask for.

    Both are `named` and what needs no weights but those that are installed. Wrong names of `named` are found now.
    """
    from fewclicks.config import needs_no_file

    def choose(name: str) -> Model:
        if name == answers.name:
            return chosen
        other = model_of(name, {}, threads, answers.cfr, answers.adaptive, answers.workers)
        return replace(other, others=chosen.others, choices=chosen.choices, choose=choose)

    def load(name: str) -> tuple[Predictor, str]:
        return model_of(name, {}, threads).load()

    choices = tuple(dict.fromkeys((answers.name, *named, *needs_no_file())))
    others: dict[str, Callable[[], tuple[Predictor, str]]] = {name: partial(load, name) for name in choices}
    others |= {answers.name: answers.load, **{name: model_of(name, {}, threads).load for name in named}}
    chosen = replace(answers, others=others, choices=choices, choose=choose)
    return chosen


def model_of(
    method: str,
    values: Mapping[str, Any],
    threads: int | None,
    cfr: int | None = None,
    adaptive: bool = False,
    workers: int = 1,
) -> Model:
    """The model as the annotator takes it; `cfr` and `adaptive` are what the page starts with.

    What can be found wrong at once is.
    """
    from fewclicks.annotator.editing.actions import MAX_CFR
    from fewclicks.annotator.services.model import Model
    from fewclicks.annotator.services.model_process import one_for_each
    from fewclicks.config import resolve
    from fewclicks.errors import InputError

    if cfr is not None and cfr > MAX_CFR:
        raise InputError(f"the annotator refines 0 to {MAX_CFR} times, got --cfr {cfr}")
    resolved = resolve(method, values, threads=threads)

    build = one_for_each(resolved, threads, workers) if workers > 1 else resolved.build

    def load() -> tuple[Predictor, str]:
        about = resolved.describe()
        weights = about.get("weights_sha256", "")[:12]
        return build(), " ".join(filter(None, (about["method"], str(about.get("weights", "")), weights)))

    return Model(load=load, name=method, cfr=0 if cfr is None and adaptive else cfr, adaptive=adaptive, workers=workers)
