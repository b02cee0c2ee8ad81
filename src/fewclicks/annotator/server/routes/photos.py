"""The photos: the list, one with its objects, and its pictures."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from fewclicks.annotator.server.requests import PhotoEdit
from fewclicks.annotator.server.routes.common import AnnotatorDep, Found, PhotoId, gives, in_thread, unless_known
from fewclicks.annotator.server.schemas import ObjectOut, OpenedPhoto, PhotoOut, PhotoPage, Tiles
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.errors import FewClicksError
from fewclicks.formats.annotations import PhotoState

router = APIRouter(route_class=CheckedRoute, tags=["photos"], prefix="/photos")

MAX_SIDE_PX = 8192

Side = Annotated[int, Query(ge=1, le=MAX_SIDE_PX)]
Place = Annotated[int, Path(ge=0, lt=2**20)]


@router.get("")
def photos(
    given: AnnotatorDep,
    state: PhotoState | None = None,
    after: Annotated[int | None, Query(ge=0, lt=2**31, description="The `next` of the part before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> PhotoPage:
    """The photos, in the order that people count in: photo2 before photo10."""
    found = given.photos()
    begin = next((n for n, info in enumerate(found, 1) if info.id == after), 0)
    rest = [info for info in found[begin:] if state in (None, info.state)]
    items = [given.photo_out(info) for info in rest[:limit]]
    return PhotoPage(items=items, next=items[-1].id if len(rest) > limit else None)


@router.get("/{photo_id}")
async def photo(given: AnnotatorDep, photo_id: PhotoId) -> OpenedPhoto:
    """A photo with its objects. Decodes it; of one that cannot be, `problem` says why."""
    return await in_thread(given.pool, lambda: _opened(given, photo_id))


def _opened(given: Annotator, photo_id: int) -> OpenedPhoto:
    tiles = None
    try:
        tiles = Tiles.of(given.picture(photo_id).hw)
        given.warm(photo_id)
    except FewClicksError:  # it is known now
        pass
    info = given.store.photo(photo_id)
    objects = [ObjectOut.of(found) for found in given.store.objects(photo_id)]
    return OpenedPhoto(photo=given.photo_out(info), objects=objects, tiles=tiles)


@router.patch("/{photo_id}")
def change_photo(given: AnnotatorDep, photo_id: PhotoId, edit: PhotoEdit) -> PhotoOut:
    """Mark a photo as done, or not: any other state becomes what its objects say."""
    info = given.store.change_photo(photo_id, edit.state)
    given.publish_photo(photo_id)
    return given.photo_out(info)


@router.post("/{photo_id}/prepare", status_code=204)
async def prepare(given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """Decode a photo and make the model ready for it, since it will be opened next."""
    await in_thread(given.pool, lambda: given.prepare(photo_id))
    return Response(status_code=204)


@router.get("/{photo_id}/thumb", **gives("image/jpeg"))
async def thumbnail(request: Request, given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """A JPEG with the longest side at most 256 pixels."""

    def find() -> Found:
        name, stamp = given.stamp(photo_id)
        return f"thumb-{stamp.tag}", lambda: given.pictures.thumbnail(name)

    return await unless_known(request, given.slow_pool, "image/jpeg", find)


@router.get("/{photo_id}/view", **gives("image/jpeg"))
async def view(request: Request, given: AnnotatorDep, photo_id: PhotoId, side: Side = 2048) -> Response:
    """A JPEG of the whole photo, with the longest side at most `side` pixels."""

    def find() -> Found:
        _, stamp = given.stamp(photo_id)
        return f"view{side}-{stamp.tag}", lambda: given.picture(photo_id).view(side)

    return await unless_known(request, given.pool, "image/jpeg", find)


@router.get("/{photo_id}/tiles/{level}/{column}/{row}", **gives("image/jpeg"))
async def tile(
    request: Request, given: AnnotatorDep, photo_id: PhotoId, level: Place, column: Place, row: Place
) -> Response:
    """A JPEG of at most 512x512 pixels. Level k has ceil(side / 2**k) pixels a side."""

    def find() -> Found:
        _, stamp = given.stamp(photo_id)
        return f"tile{level}-{column}-{row}-{stamp.tag}", lambda: given.picture(photo_id).tile(level, column, row)

    return await unless_known(request, given.pool, "image/jpeg", find)


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
async def events(request: Request, given: AnnotatorDep, photo_id: PhotoId) -> Response:
    """What happens to the photo, as server-sent events: `object`, `photo` and `classes`, with what there is now.

    `photo` tells of any photo of the folder. What other servers on the same database do is told within a second or two.
    """
    await in_thread(given.pool, lambda: given.store.photo(photo_id))
    given.hub.require_room()
    await in_thread(given.pool, lambda: given.watch.begin(photo_id))
    stream, session = given.hub.stream(photo_id), request.state.session
    return StreamingResponse(session.while_open(stream) if session else stream, media_type="text/event-stream")
