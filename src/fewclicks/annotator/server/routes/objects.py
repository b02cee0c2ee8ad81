"""The objects: made, changed, clicked; their masks, passes and probs."""

from __future__ import annotations

import asyncio
import io
from typing import Annotated, Any

import cv2
import numpy as np
import PIL.Image
from fastapi import APIRouter, Path, Query, Request, Response
from numpy.typing import NDArray

from fewclicks.annotator.editing.actions import MAX_CFR, Action, Replaced
from fewclicks.annotator.editing.history import History
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.server.requests import (
    ActionIn,
    MaskAction,
    MergeIn,
    ObjectEdit,
    ObjectNew,
    PreviewIn,
    Region,
    Step,
)
from fewclicks.annotator.server.roles import EDITABLE, RoleDep, require_open
from fewclicks.annotator.server.routes.common import (
    AnnotatorDep,
    Asker,
    Found,
    ObjectId,
    Person,
    as_json,
    done,
    gives,
    in_thread,
    milliseconds,
    unless_known,
    unpacked,
)
from fewclicks.annotator.server.schemas import (
    Candidates,
    ChangeOut,
    JournalPage,
    LineOut,
    ObjectOut,
    PassMask,
    PassOut,
    Patch,
    PreviewOut,
    WholeMask,
)
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.worker import Timed
from fewclicks.annotator.store.records import Role
from fewclicks.errors import InputError, counted
from fewclicks.geometry import Box

router = APIRouter(route_class=CheckedRoute, tags=["objects"], prefix="/objects/{object_id}", dependencies=[EDITABLE])


@router.put("")
async def create(given: AnnotatorDep, role: RoleDep, asker: Asker, object_id: ObjectId, new: ObjectNew) -> ObjectOut:
    """Make an object on top of the others. One that exists stays as it is."""
    await _require_open(given, role, new)
    timed = await done(given.objects.create(object_id, new.blank(), asker))
    return ObjectOut.of(timed.result)


@router.get("")
def look(given: AnnotatorDep, object_id: ObjectId) -> ObjectOut:
    """An object, deleted or not."""
    return ObjectOut.of(given.store.object(object_id))


@router.get("/journal")
def journal(
    given: AnnotatorDep,
    object_id: ObjectId,
    after: Annotated[int, Query(ge=0, lt=2**63, description="The `next` of the part before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> JournalPage:
    """All that was ever done to it, in order, and by whom: actions, undo, redo and changes."""
    found = given.store.lines(object_id, after, limit + 1)
    return JournalPage(
        items=[LineOut.of(line) for line in found[:limit]], next=found[limit - 1].id if len(found) > limit else None
    )


@router.patch("")
async def change(given: AnnotatorDep, person: Person, asker: Asker, object_id: ObjectId, edit: ObjectEdit) -> ObjectOut:
    """Give it another class, name, order or state; delete it, restore it."""
    timed = await done(given.objects.change(object_id, edit.edit(), edit.if_version, person, asker))
    return ObjectOut.of(timed.result)


@router.post("/actions", response_model=ChangeOut)
async def act(
    given: AnnotatorDep, role: RoleDep, person: Person, asker: Asker, object_id: ObjectId, action: ActionIn
) -> Response:
    """Click, scribble, box, choose, brush, polygon, reshape, fit, clean, threshold, put another mask in place.

    Saved when the answer comes. With `new` the object is made first.

    Actions of an object are done in the order in which they arrive. One whose `action_id` was done already is not done
    again; the patch is then the whole mask.
    """
    if action.new is not None:
        await _require_open(given, role, action.new)
    found = await _action(given, object_id, action)
    new = action.new.blank() if action.new else None
    return _changed(
        await done(given.objects.act(object_id, action.action_id, found, action.if_version, person, asker, new))
    )


@router.post("/undo", response_model=ChangeOut)
async def undo(given: AnnotatorDep, person: Person, asker: Asker, object_id: ObjectId, step: Step) -> Response:
    """Take the last action back. Nothing happens where there is none."""
    return _changed(await done(given.objects.undo(object_id, step.action_id, step.if_version, person, asker)))


@router.post("/redo", response_model=ChangeOut)
async def redo(given: AnnotatorDep, person: Person, asker: Asker, object_id: ObjectId, step: Step) -> Response:
    """Do again what was undone last. Nothing happens where there is none."""
    return _changed(await done(given.objects.redo(object_id, step.action_id, step.if_version, person, asker)))


@router.post("/preview", response_model=PreviewOut, responses={204: {"description": "A newer preview took its place."}})
async def preview(given: AnnotatorDep, object_id: ObjectId, click: PreviewIn) -> Response:
    """What a click would do. Nothing is kept; clicks go first, and a newer preview of the object takes its place."""
    action = click.action()
    future = given.objects.preview(object_id, action, click.photo_id, click.quick)
    try:
        timed = await done(future)
    except asyncio.CancelledError:
        if future.cancelled():
            return Response(status_code=204)
        raise
    passes = [PassOut(changed_px=count) for count in timed.result.changed_px]
    return as_json(PreviewOut(patch=Patch.of(timed.result.patch), passes=passes, ms=milliseconds(timed)))


@router.post("/merge", response_model=ChangeOut)
async def merge(given: AnnotatorDep, person: Person, asker: Asker, object_id: ObjectId, step: MergeIn) -> Response:
    """Make other objects of the photo a part of this one: it gets their pixels, and they are deleted.

    `undo` takes the pixels back, and brings the others back; `redo` does it again.
    """
    return _changed(
        await done(given.objects.merge(object_id, step.action_id, step.others, step.if_version, person, asker))
    )


@router.post("/split", response_model=ChangeOut)
async def split(given: AnnotatorDep, person: Person, asker: Asker, object_id: ObjectId, step: Step) -> Response:
    """Make an object of each connected part: this one keeps the largest, the others are new.

    `undo` takes the mask back, and deletes the new ones; `redo` does it again.
    """
    return _changed(await done(given.objects.split(object_id, step.action_id, step.if_version, person, asker)))


@router.get("/candidates", responses={204: {"description": "Too much else was asked for."}}, response_model=Candidates)
async def candidates(given: AnnotatorDep, object_id: ObjectId) -> Response:
    """The masks that the first click can mean, its own first; `choose` takes one. Empty once more was said."""
    future = given.objects.candidates(object_id)
    try:
        found = (await done(future)).result
    except asyncio.CancelledError:
        if future.cancelled():
            return Response(status_code=204)
        raise
    return as_json(Candidates(items=[WholeMask(patch=Patch.of(mask)) for mask in found]))


@router.get("/passes/{number}")
async def cascade(
    given: AnnotatorDep, asker: Asker, object_id: ObjectId, number: Annotated[int, Path(ge=0, le=MAX_CFR)]
) -> PassMask:
    """The whole mask after a pass of the last click: 0 is the coarse one, then the refinements."""
    passes = (await done(given.objects.look(object_id, lambda history: history.passes, asker))).result
    if number >= len(passes):
        raise InputError(f"the last click had {counted(len(passes), 'pass')}, there is none with the number {number}")
    return PassMask(number=number, count=len(passes), patch=Patch.of(passes[number]))


@router.get("/before")
async def before(given: AnnotatorDep, asker: Asker, object_id: ObjectId) -> WholeMask:
    """The whole mask before the last action that is done, to compare."""
    earlier = (await done(given.objects.look(object_id, lambda history: history.entries[:-1], asker))).result
    return WholeMask(patch=Patch.of(earlier[-1].mask if earlier else None))


@router.get("/prob", **gives("image/png"))
async def prob(given: AnnotatorDep, asker: Asker, object_id: ObjectId, region: Annotated[Region, Query()]) -> Response:
    """The probability as an 8-bit grey PNG, 255 = 1: the whole photo, or a box of it."""

    def see(history: History) -> NDArray[np.uint8]:
        prob = history.prob
        return _grey(prob[region.box(prob.shape[0], prob.shape[1]).slices], region.side)

    grey = (await done(given.objects.look(object_id, see, asker))).result
    return Response(await in_thread(given.pool, lambda: _png(grey)), media_type="image/png")


@router.get("/mask", **gives("image/png"))
async def mask(request: Request, given: AnnotatorDep, object_id: ObjectId) -> Response:
    """The mask as a 1-bit grey PNG of the photo's size."""

    def find() -> Found:
        info = given.store.object(object_id)
        given.gallery.require_size(info.photo_id)

        def make() -> bytes:
            found = given.store.mask(object_id)
            return EncodedMask.pack(found.mask(), Box.whole(found.hw)).png()

        return f"mask{info.mask_version}", make

    return await unless_known(request, given.pool, "image/png", find)


async def _require_open(given: Annotator, role: Role, new: ObjectNew) -> None:
    await in_thread(given.pool, lambda: require_open(given, role, new.photo_id))


async def _action(given: Annotator, object_id: str, action: Any) -> Action:
    """What the request asks for, as the history takes it."""
    if isinstance(action, MaskAction):
        return await in_thread(given.pool, lambda: _replaced(given, object_id, action))
    found: Action = action.action()
    return found


def _replaced(given: Annotator, object_id: str, action: MaskAction) -> Replaced:
    photo_id = action.new.photo_id if action.new else given.store.object(object_id).photo_id
    hw = given.gallery.picture(photo_id).hw
    return Replaced(EncodedMask.pack(given.decoder.mask(unpacked(action.png), hw) > 0.5))


def _changed(timed: Timed[Any]) -> Response:
    return as_json(ChangeOut.of(timed.result, milliseconds(timed)))


def _grey(prob: NDArray[np.float32], side: int | None) -> NDArray[np.uint8]:
    """0..255, scaled down where it is larger than `side`."""
    scale = 1 if side is None else side / max(prob.shape)
    if scale < 1:
        size = max(1, round(prob.shape[1] * scale)), max(1, round(prob.shape[0] * scale))
        prob = np.asarray(cv2.resize(prob, size, interpolation=cv2.INTER_AREA))
    return np.rint(prob * 255).astype(np.uint8)


def _png(grey: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(grey).save(file, "PNG", compress_level=1)
    return file.getvalue()
