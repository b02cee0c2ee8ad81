"""The photos: the list, one with its objects, and its pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from fewclicks.annotator.server.requests import PhotoChange, PhotosChange
from fewclicks.annotator.server.roles import RoleDep, require
from fewclicks.annotator.server.routes.common import (
    AnnotatorDep,
    Found,
    Person,
    PhotoId,
    as_json,
    gives,
    in_thread,
    unless_known,
)
from fewclicks.annotator.server.schemas import ObjectOut, OpenedPhoto, PhotoOut, PhotoPage, Tiles
from fewclicks.annotator.server.team import EventOut
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.finding import find
from fewclicks.annotator.services.presence import present
from fewclicks.annotator.store.photos import PhotoEdit
from fewclicks.annotator.store.records import PhotoInfo, Role
from fewclicks.errors import FewClicksError, InputError
from fewclicks.formats.annotations import PhotoState

router = APIRouter(route_class=CheckedRoute, tags=["photos"], prefix="/photos")

MAX_SIDE_PX = 8192
VERDICTS = ("accepted", "returned")
TOLD = 200
"""Of a change of many photos so many are told of at once; the lists of the pages are read anew now and then."""

Side = Annotated[int, Query(ge=1, le=MAX_SIDE_PX)]
Place = Annotated[int, Path(ge=0, lt=2**20)]


@router.get("")
def photos(
    given: AnnotatorDep,
    state: PhotoState | None = None,
    after: Annotated[int | None, Query(ge=0, lt=2**31, description="The `next` of the part before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> PhotoPage:
    """The photos, in the order that people count in: photo2 before photo10. The first part makes new ones known."""
    if after is None:
        given.gallery.scan()
    found = given.gallery.photos()
    begin = next((n for n, info in enumerate(found, 1) if info.id == after), 0)
    rest = [info for info in found[begin:] if state in (None, info.state)]
    items = [PhotoOut.of(given.gallery.view(info)) for info in rest[:limit]]
    return PhotoPage(items=items, next=items[-1].id if len(rest) > limit else None)


@router.get("/find")
def find_photos(
    given: AnnotatorDep, query: Annotated[str, Query(max_length=1000, description="class:car objects:>3 for:Ann ...")]
) -> list[int]:
    """The ids of the photos that are like that.

    Words in the name, tags, note and assignee; `class:`, `by:`, `for:`, `tag:`, `is:`, `objects:` and `comments:`, each
    with a minus in front for the reverse. Names with spaces stand in quotes.
    """
    return find(given.store, given.gallery.photos(), query)


@router.get("/{photo_id}")
async def photo(
    given: AnnotatorDep,
    photo_id: PhotoId,
    class_id: Annotated[int | None, Query(ge=1, lt=2**31, description="Only the objects of this class.")] = None,
) -> OpenedPhoto:
    """A photo with its objects. Decodes it; of one that cannot be, `problem` says why."""
    return await in_thread(given.pool, lambda: _opened(given, photo_id, class_id))


def _opened(given: Annotator, photo_id: int, class_id: int | None) -> OpenedPhoto:
    tiles = None
    try:
        tiles = Tiles.of(given.gallery.picture(photo_id).hw)
        given.objects.warm(photo_id)
    except FewClicksError:  # it is known now
        pass
    info = given.store.photo(photo_id)
    found = given.store.objects(photo_id)
    objects = [ObjectOut.of(one) for one in found if class_id in (None, one.class_id)]
    return OpenedPhoto(photo=PhotoOut.of(given.gallery.view(info)), objects=objects, tiles=tiles)


@router.patch("/{photo_id}")
def change_photo(given: AnnotatorDep, person: Person, role: RoleDep, photo_id: PhotoId, edit: PhotoChange) -> PhotoOut:
    """Mark a photo done, accept it or send it back, give it to somebody, tag it, note something.

    Reviewers accept, send back and assign; everybody may take a photo that is nobody's, and give back their own.
    """
    _require_role(given.store.photo(photo_id), edit, person, role)
    info = given.store.change_photo(photo_id, edit=edit.edit(), person=person)
    given.news.photo(photo_id)
    return PhotoOut.of(given.gallery.view(info))


@router.patch("")
def change_photos(given: AnnotatorDep, person: Person, role: RoleDep, edit: PhotosChange) -> list[PhotoOut]:
    """Change many photos in the same way, all of them or none; or give them to several people evenly."""
    edits: dict[int, PhotoEdit] = {}
    ids, known = list(dict.fromkeys(edit.ids)), {info.id: info for info in given.store.photos()}
    for number, photo_id in enumerate(ids):
        info = known.get(photo_id) or given.store.photo(photo_id)  # which says that there is none
        _require_role(info, edit, person, role)
        one = edit.edit()
        if edit.evenly:
            require(role, "reviewer", "give photos to others")
            one = replace(one, assignee=edit.evenly[number * len(edit.evenly) // len(ids)])
        if edit.add_tags:
            one = replace(one, tags=[*(info.tags if one.tags is None else one.tags), *edit.add_tags])
        edits[photo_id] = one
    found = given.store.change_photos(edits, person)
    for info in found[:TOLD]:
        given.news.photo(info.id)
    return [PhotoOut.of(given.gallery.view(info)) for info in found]


@router.post("/next", responses={204: {"description": "There is none."}}, response_model=PhotoOut)
def take_next(given: AnnotatorDep, person: Person) -> Response:
    """Take the next photo that is nobody's and not done. Two who ask at once get different ones."""
    if not person:
        raise InputError("a photo can be taken by somebody with a name only; say yours first")
    names = [info.name for info in given.gallery.photos() if given.gallery.problem(info) is None]
    info = given.store.take_next(names, person)
    if info is None:
        return Response(status_code=204)
    given.news.photo(info.id)
    return as_json(PhotoOut.of(given.gallery.view(info)))


@router.get("/{photo_id}/journal")
def photo_journal(given: AnnotatorDep, photo_id: PhotoId) -> list[EventOut]:
    """What was done to the photo itself: its state, its review, who does it, tags, note, comments. Oldest first."""
    given.store.photo(photo_id)
    return [EventOut.of(event) for event in given.store.events.of_photo(photo_id)]


def _require_role(info: PhotoInfo, edit: PhotoChange, person: str, role: Role) -> None:
    """Refuse what only a reviewer may do with a photo."""
    if edit.state not in (None, info.state):
        verdict = edit.state in VERDICTS or info.state == "accepted"
        if verdict or (info.state == "returned" and edit.state != "done"):
            require(role, "reviewer", "accept a photo, send it back, or open one that was accepted")
    if edit.assignee is not None and edit.assignee != info.assignee:
        own = (info.assignee in ("", person) and edit.assignee in ("", person)) and person != ""
        if not own:
            require(role, "reviewer", "give photos to others")
    if info.state == "accepted" and (edit.tags is not None or edit.note is not None):
        require(role, "reviewer", "change a photo that was accepted")


@router.post("/{photo_id}/prepare", status_code=204)
async def prepare(given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """Decode a photo and make the model ready for it, since it will be opened next."""
    await in_thread(given.pool, lambda: given.objects.prepare(photo_id))
    return Response(status_code=204)


@router.get("/{photo_id}/thumb", **gives("image/jpeg"))
async def thumbnail(request: Request, given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """A JPEG with the longest side at most 256 pixels."""

    def find() -> Found:
        name, stamp = given.gallery.stamp(photo_id)
        return f"thumb-{stamp.tag}", lambda: given.gallery.pictures.thumbnail(name)

    return await unless_known(request, given.slow_pool, "image/jpeg", find)


@router.get("/{photo_id}/view", **gives("image/jpeg"))
async def view(request: Request, given: AnnotatorDep, photo_id: PhotoId, side: Side = 2048) -> Response:
    """A JPEG of the whole photo, with the longest side at most `side` pixels."""

    def find() -> Found:
        _, stamp = given.gallery.stamp(photo_id)
        return f"view{side}-{stamp.tag}", lambda: given.gallery.picture(photo_id).view(side)

    return await unless_known(request, given.pool, "image/jpeg", find)


@router.get("/{photo_id}/tiles/{level}/{column}/{row}", **gives("image/jpeg"))
async def tile(
    request: Request, given: AnnotatorDep, photo_id: PhotoId, level: Place, column: Place, row: Place
) -> Response:
    """A JPEG of at most 512x512 pixels. Level k has ceil(side / 2**k) pixels a side."""

    def find() -> Found:
        _, stamp = given.gallery.stamp(photo_id)
        return f"tile{level}-{column}-{row}-{stamp.tag}", partial(_tile, given, photo_id, (level, column, row))

    return await unless_known(request, given.pool, "image/jpeg", find)


def _tile(given: Annotator, photo_id: int, place: tuple[int, int, int]) -> bytes:
    return given.gallery.picture(photo_id).tile(*place)


@router.get("/{photo_id}/masks", **gives("application/octet-stream"))
async def masks(request: Request, given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """The masks of all objects at once.

    Four bytes, little-endian, are the length of the header, which is JSON: [{id, version, box, offset, size}, ...], the
    lowest object first. Behind it lie the masks as 1-bit grey PNGs of their boxes, each `offset` bytes after its end.
    """

    def find() -> Found:
        info = given.store.photo(photo_id)
        return f"masks{info.version}", lambda: _packed(given, photo_id)

    return await unless_known(request, given.pool, "application/octet-stream", find)


def _packed(given: Annotator, photo_id: int) -> bytes:
    header, pictures, offset = [], [], 0
    for info, mask in given.store.masks(photo_id):
        picture = mask.png() if mask.box else b""
        box = [mask.box.x0, mask.box.y0, mask.box.x1, mask.box.y1] if mask.box else None
        header.append({"id": info.id, "version": info.version, "box": box, "offset": offset, "size": len(picture)})
        pictures.append(picture)
        offset += len(picture)
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join([len(text).to_bytes(4, "little"), text, *pictures])


@router.get("/{photo_id}/events", **gives("text/event-stream"))
async def events(
    request: Request,
    given: AnnotatorDep,
    person: Person,
    photo_id: PhotoId,
    page: Annotated[UUID | None, Query(description="The page that listens: others then see who is here.")] = None,
    said: Annotated[
        str | None, Query(alias="person", max_length=100, description="Who that is, where nobody signs in.")
    ] = None,
) -> Response:
    """What happens to the photo, as server-sent events: `object`, `photo`, `classes`, `comments` and `presence`.

    Each tells what there is now; `photo` tells of any photo of the folder. What other servers on the same database do
    is told within a second or two.
    """
    await in_thread(given.pool, lambda: given.store.photo(photo_id))
    given.hub.require_room()
    await in_thread(given.pool, lambda: given.news.begin(photo_id))
    stream, session = given.hub.stream(photo_id), request.state.session
    if page is not None:
        stream = present(given.store, given.pool, stream, str(page), photo_id, person or said or "")
    return StreamingResponse(session.while_open(stream) if session else stream, media_type="text/event-stream")
