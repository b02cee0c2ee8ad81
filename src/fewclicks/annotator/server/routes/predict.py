"""One image and its clicks in, its mask out: for scripts. Nothing is kept."""

from __future__ import annotations

import asyncio
import base64
import uuid

from fastapi import APIRouter

from fewclicks.annotator.editing.actions import Action, Boxed, Clicked, Replaced, Scribbled, Thresholded
from fewclicks.annotator.editing.history import History
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.server.requests import PredictIn
from fewclicks.annotator.server.routes.common import AnnotatorDep, Asker, done, in_thread, unpacked
from fewclicks.annotator.server.schemas import Milliseconds, Predicted, as_box
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.worker import Busy
from fewclicks.errors import InputError
from fewclicks.geometry import Box

router = APIRouter(route_class=CheckedRoute, tags=["predict"])

AT_ONCE = 4
"""Predictions that may be under way: their images are in memory."""


@router.post("/predict")
async def predict(given: AnnotatorDep, asker: Asker, asked: PredictIn) -> Predicted:
    """The mask of the object that the clicks mean, each click following on the one before, as in the page."""
    if not (asked.clicks or asked.scribbles or asked.box or asked.mask is not None):
        raise InputError("there is nothing to do without a click; send clicks, a box, or a mask to be corrected")
    if given.predicting >= AT_ONCE:
        raise Busy("other images are being predicted; try again")
    given.predicting += 1
    try:
        return await _predicted(given, asked, asker)
    finally:
        given.predicting -= 1


async def _predicted(given: Annotator, asked: PredictIn, asker: str) -> Predicted:
    began = asyncio.get_running_loop().time()
    image = await in_thread(given.pool, lambda: given.decoder.image(_taken(asked)))
    hw = (image.shape[0], image.shape[1])
    actions: list[Action] = []
    if asked.threshold is not None:
        actions.append(Thresholded(asked.threshold))
    if asked.mask is not None:
        mask = await in_thread(given.pool, lambda: given.decoder.mask(unpacked(asked.mask or ""), hw))
        actions.append(Replaced(EncodedMask.pack(mask > 0.5)))
    how = asked.cfr, asked.adaptive
    if asked.box is not None:
        actions.append(Boxed(*asked.box, *how))
    actions += [Clicked(click.x, click.y, click.positive, *how, asked.local) for click in asked.clicks]
    actions += [Scribbled(tuple(one.points), one.positive, *how, asked.local) for one in asked.scribbles]
    # One job for each click, so that others have their turns in between.
    key, queue_ms, work_ms = f"predict {uuid.uuid4()}", 0.0, 0.0
    history = (await done(given.objects.worker.submit(key, lambda: given.objects.history(image), asker))).result
    for action in actions:
        job = given.objects.worker.submit(key, lambda action=action: _done(history, action), asker)  # type: ignore[misc]
        timed = await done(job)
        queue_ms, work_ms = queue_ms + timed.queue_ms, work_ms + timed.work_ms
    found = history.mask
    png = await in_thread(given.pool, lambda: EncodedMask.pack(found.mask(), Box.whole(hw)).png())
    total = 1000 * (asyncio.get_running_loop().time() - began)
    ms = Milliseconds(queue=round(queue_ms, 1), model=round(work_ms, 1), total=round(total, 1))
    return Predicted(mask=base64.b64encode(png).decode(), box=as_box(found.box), area_px=found.area_px, ms=ms)


def _taken(asked: PredictIn) -> bytes:
    """The file of the image; its text is let go of, since it may be large."""
    data = unpacked(asked.image)
    asked.image = ""
    return data


def _done(history: History, action: Action) -> None:
    if not history.repeats(action):
        history.commit(history.after(action))
