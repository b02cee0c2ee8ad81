"""Annotations to files and from files."""

from __future__ import annotations

import functools
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from fewclicks import formats as formats_module
from fewclicks.annotator.server.requests import ExportIn, ScopeIn
from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import FILE_NAME, AnnotatorDep, Person, gives, in_thread, received
from fewclicks.annotator.server.schemas import FormatOption, FormatOut, Imported, ImportUndone, ResponseModel
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.exporting import StoredFolder
from fewclicks.annotator.services.import_export import options_of
from fewclicks.annotator.services.importing import Mode
from fewclicks.errors import InputError, UnknownName
from fewclicks.files.scratch import scratch_folder
from fewclicks.images.mask_meaning import MaskIs

router = APIRouter(route_class=CheckedRoute, tags=["files"])

IMPORTERS = only("reviewer", "take annotations in")
NOTES_HEADER = "X-Fewclicks-Notes"
NOTES_BYTES = 4000
"""Headers must be short; the notes also stand in the export itself."""


@router.get("/formats")
def formats() -> list[FormatOut]:
    """The formats of exports, and what each loses."""
    return _formats()


@functools.cache
def _formats() -> list[FormatOut]:
    """They are looked up once: each page asks for them when it opens."""
    return [
        FormatOut(
            name=found.name,
            title=found.title,
            loses=[found.loses],
            options=[
                FormatOption(
                    name=option.name,
                    title=option.title,
                    kind="choice" if option.choices else "flag" if isinstance(option.default, bool) else "number",
                    choices=list(option.choices) if option.choices else None,
                    default=option.default,
                )
                for option in options_of(found)
            ],
        )
        for found in formats_module.formats()
    ]


@router.post("/export", **gives("application/zip"))
async def export(given: AnnotatorDep, asked: ExportIn) -> Response:
    """The annotations in a format, as a .zip: all, or those of some photos and classes.

    The header X-Fewclicks-Notes, URL-encoded JSON, lists what was lost.
    """
    arguments = _arguments(asked)
    name = f"{FILE_NAME.sub('_', given.folder.root.name) or 'annotations'}-{asked.format}.zip"
    with ExitStack() as stack:
        place = stack.enter_context(scratch_folder())
        said = await in_thread(
            given.errands_pool,
            lambda: given.errands.run("export", *arguments, "--out", str(place / name), hide=[place]),
        )
        return _Handed(
            place / name,
            stack.pop_all(),
            media_type="application/zip",
            filename=name,
            headers={NOTES_HEADER: _short(said["notes"])},
        )


class ExportCount(ResponseModel):
    """How much an export holds."""

    photos: int
    objects: int


@router.post("/export/count")
async def count_export(given: AnnotatorDep, asked: ScopeIn) -> ExportCount:
    """How many photos and objects an export would hold. Nothing is written."""

    def count() -> ExportCount:
        photos, objects = StoredFolder(given.store, None, asked.where, asked.classes).count()
        return ExportCount(photos=photos, objects=objects)

    return await in_thread(given.pool, count)


class _Handed(FileResponse):
    """A file that is removed once it was sent, or once nobody takes it any more."""

    def __init__(self, path: Path, stack: ExitStack, **more: Any) -> None:
        super().__init__(path, **more)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._stack:
            await super().__call__(scope, receive, send)


@router.post(
    "/import",
    dependencies=[IMPORTERS],
    openapi_extra={
        "requestBody": {
            "description": "The file itself; nothing, or {}, for what lies in the folder or beside it.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def take_in(
    request: Request,
    given: AnnotatorDep,
    person: Person,
    name: Annotated[str | None, Query(max_length=255, description="The name of the uploaded file.")] = None,
    format_name: Annotated[str | None, Query(alias="format", max_length=50, description="If it is known.")] = None,
    mode: Annotated[
        Mode,
        Query(description="Skip objects that are there, add all, or replace those of each photo that has some."),
    ] = "skip",
    dry_run: Annotated[bool, Query(description="Change nothing; tell what would come in.")] = False,
    import_id: Annotated[UUID | None, Query(alias="id", description="By which it can be undone.")] = None,
    mask_is: Annotated[MaskIs | None, Query(description="What mask pictures hold, if that is ambiguous.")] = None,
) -> Imported:
    """Take in annotations: a file or .zip that is sent, or what is found beside the photos. Twice adds nothing."""
    how = ["--mode", mode, *(["--dry-run"] if dry_run else []), *(["--id", str(import_id)] if import_id else [])]
    how += ["--mask-is", mask_is] if mask_is else []
    if name is None:
        return await in_thread(given.errands_pool, lambda: _taken(given, person, how))
    with scratch_folder() as place:
        upload = await received(request, name, place)
        return await in_thread(given.errands_pool, lambda: _taken(given, person, how, upload, format_name))


@router.post("/imports/{import_id}/undo", dependencies=[IMPORTERS])
async def undo_import(given: AnnotatorDep, person: Person, import_id: UUID) -> ImportUndone:
    """Take a whole import back: what it added is deleted, what it replaced is there again. Twice does nothing more."""
    count = await in_thread(given.errands_pool, lambda: given.imports.undo(str(import_id), False, person))
    return ImportUndone(objects=count)


@router.post("/imports/{import_id}/redo", dependencies=[IMPORTERS])
async def redo_import(given: AnnotatorDep, person: Person, import_id: UUID) -> ImportUndone:
    """Do again what undoing an import took back."""
    count = await in_thread(given.errands_pool, lambda: given.imports.undo(str(import_id), True, person))
    return ImportUndone(objects=count)


def _taken(
    given: Annotator, person: str, how: list[str], upload: Path | None = None, format_name: str | None = None
) -> Imported:
    """Take in an uploaded file; without one, what lies in the folder or beside it."""
    named = [str(upload)] if upload else []
    named += ["--format", format_name] if format_name else []
    said = given.imports.take_in(*named, *how, person=person, hide=[upload.parent] if upload else [])
    return Imported.model_validate(said)


def _arguments(asked: ExportIn) -> list[str]:
    """The format and its options as arguments; UnknownName and InputError for those that do not exist."""
    found = next((item for item in formats_module.formats() if item.name == asked.format), None)
    if found is None:
        raise UnknownName(f"no format is named '{asked.format}'; look at the list of formats")
    known = {option.name: option for option in options_of(found)}
    arguments = ["--format", found.name]
    arguments += [f"--where={asked.where}"] if asked.where.strip() else []
    arguments += [f"--class={name}" for name in asked.classes]
    for name, value in asked.options.items():
        if name not in known:
            raise InputError(f"the format {found.name} has no option '{name}'; it has: {', '.join(known)}")
        if name != "visible":
            arguments += ["--set", f"{name}={json.dumps(_plain(value))}"]
        elif value:
            arguments.append("--visible")
    return arguments


def _plain(value: Any) -> bool | int | float | str:
    if not isinstance(value, bool | int | float | str) or len(str(value)) > 200:
        raise InputError("an option is a text, a number, true or false")
    return value


def _short(notes: list[str]) -> str:
    """The notes as a header, as many of them as fit."""
    while len(text := quote(json.dumps(notes))) > NOTES_BYTES:
        notes = [*notes[: len(notes) // 2], "..."] if len(notes) > 1 else []
    return text
