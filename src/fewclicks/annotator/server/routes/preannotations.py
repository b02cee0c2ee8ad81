"""Photos that are annotated beforehand: begun, watched, canceled, resumed, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from fewclicks.annotator.server.preannotations import JobIn, JobOut, TurnedOut
from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import AnnotatorDep, Person, in_thread, received
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.finding import find
from fewclicks.annotator.services.preannotating import Job
from fewclicks.errors import InputError
from fewclicks.files.scratch import scratch_folder

router = APIRouter(route_class=CheckedRoute, tags=["pre-annotation"], prefix="/preannotations")
REVIEWERS = only("reviewer", "pre-annotate")
OPEN = ("untouched", "begun", "returned")
IDS = r"^\d{1,10}(-\d{1,10})?(,\d{1,10}(-\d{1,10})?)*$"


@router.get("")
def preannotations(given: AnnotatorDep) -> list[JobOut]:
    """The latest ones, the newest first."""
    return [JobOut.of(job) for job in given.preannotator.jobs()]


@router.get("/models")
def models(given: AnnotatorDep) -> list[str]:
    """The models that can be asked besides the one that answers clicks: those that it can be changed to."""
    model = given.objects.model
    return [name for name in model.others if name != model.name]


@router.get("/{job_id}")
def preannotation(given: AnnotatorDep, job_id: UUID) -> JobOut:
    """How far one is. Pages are told by the event `preannotation` too."""
    return JobOut.of(given.preannotator.job(str(job_id)))


@router.post("", status_code=202, dependencies=[REVIEWERS])
async def preannotate(given: AnnotatorDep, person: Person, asked: JobIn) -> JobOut:
    """Annotate photos beforehand, in the background: what is found are objects with `proposal`.

    Accept one by `PATCH /objects/{id}` with `state` done, or correct it by actions. Accepted photos are left alone.
    """

    def begin() -> JobOut:
        photos = _photos(given, asked.photos, asked.where)
        class_id = asked.class_id or given.store.classes()[0].id
        if class_id not in {one.id for one in given.store.classes()}:
            raise InputError(f"no class has the id {class_id}; look at the classes of the folder")
        job = Job(
            id=str(UUID(asked.id)), source="found" if asked.source == "found" else "everything", photos=photos,
            class_id=class_id, model=asked.model, how=asked.how(), person=person,
        )  # fmt: skip
        return JobOut.of(given.preannotator.start(job))

    return await in_thread(given.pool, begin)


@router.post(
    "/{job_id}/masks",
    status_code=202,
    dependencies=[REVIEWERS],
    openapi_extra={
        "requestBody": {
            "description": "The file itself.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def preannotate_from_file(
    request: Request,
    given: AnnotatorDep,
    person: Person,
    job_id: UUID,
    name: Annotated[str, Query(max_length=255, description="The name of the file.")],
    format_name: Annotated[str | None, Query(alias="format", max_length=50, description="If it is known.")] = None,
    where: Annotated[str, Query(max_length=1000, description="Only on these photos, as of GET /photos/find.")] = "",
    photos: Annotated[
        str | None,
        Query(max_length=50_000, pattern=IDS, description="Only on these, by ids as 1-5,9; instead of where."),
    ] = None,
) -> JobOut:
    """Take masks of another tool as proposals, from a file or .zip in any format that can be imported."""
    with ExitStack() as stack:
        upload = await received(request, name, stack.enter_context(scratch_folder()))

        @contextmanager
        def lent() -> Iterator[Path]:
            """The file, which stays until the job has read it."""
            with stack.pop_all():
                yield upload

        named = await in_thread(given.pool, lambda: _named(given, photos) if photos else _photos(given, None, where))
        job = Job(id=str(job_id), source="file", photos=named, person=person, upload=name)
        return JobOut.of(await in_thread(given.pool, lambda: given.preannotator.start(job, lent(), format_name)))


@router.post("/{job_id}/cancel", dependencies=[REVIEWERS])
def cancel_preannotation(given: AnnotatorDep, job_id: UUID) -> JobOut:
    """End it soon. What it has proposed stays until it is undone."""
    return JobOut.of(given.preannotator.cancel(str(job_id)))


@router.post("/{job_id}/resume", status_code=202, dependencies=[REVIEWERS])
def resume_preannotation(given: AnnotatorDep, job_id: UUID) -> JobOut:
    """Go on with the photos that it had not come to."""
    return JobOut.of(given.preannotator.resume(str(job_id)))


PhotoOnly = Annotated[int | None, Query(ge=1, lt=2**31, description="Only on this photo.")]


@router.post("/{job_id}/undo", dependencies=[REVIEWERS])
def undo_preannotation(given: AnnotatorDep, person: Person, job_id: UUID, photo_id: PhotoOnly = None) -> TurnedOut:
    """Take its proposals back, on a photo or on all. What somebody has accepted or corrected stays."""
    count, kept = given.preannotator.turn(str(job_id), False, person, photo_id)
    return TurnedOut(objects=count, kept=kept)


@router.post("/{job_id}/redo", dependencies=[REVIEWERS])
def redo_preannotation(given: AnnotatorDep, person: Person, job_id: UUID, photo_id: PhotoOnly = None) -> TurnedOut:
    """Propose again what was taken back."""
    count, kept = given.preannotator.turn(str(job_id), True, person, photo_id)
    return TurnedOut(objects=count, kept=kept)


def _named(given: Annotator, ids: str) -> tuple[int, ...]:
    """The photos of ids like 1-5,9, in the order of the list; InputError where there are none."""
    ends = [part.partition("-") for part in ids.split(",")]
    ranges = [range(int(first), int(last or first) + 1) for first, _, last in ends]
    return _photos(given, [info.id for info in given.gallery.photos() if any(info.id in one for one in ranges)], "")


def _photos(given: Annotator, photos: list[int] | None, where: str) -> tuple[int, ...]:
    """The photos that are meant, in the order of the list; InputError where there are none."""
    known = given.gallery.photos()
    if photos is not None:
        there = {info.id for info in known}
        wrong = [one for one in photos if one not in there]
        if wrong:
            raise InputError(f"no photo has the id {wrong[0]}; look at the list of photos")
        wanted = set(photos)
    else:
        wanted = set(find(given.store, known, where)) & {info.id for info in known if info.state in OPEN}
    found = tuple(info.id for info in known if info.id in wanted)
    if not found:
        raise InputError("there is no such photo that is not done; choose others")
    return found
