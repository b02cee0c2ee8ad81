"""From photo to photo: objects pasted or followed; and which masks of a photo need a look."""

from __future__ import annotations

import uuid
from functools import partial

from fastapi import APIRouter

from fewclicks.annotator.server.routes.common import AnnotatorDep, Asker, Person, PhotoId, done, in_thread
from fewclicks.annotator.server.sequences import CopiesIn, CopiesOut, CopyOut, DoubtOut, DoubtsOut
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.taking_over import Taken, require_unused, take_over
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.propagation import Doubt

router = APIRouter(route_class=CheckedRoute, tags=["photos"], prefix="/photos/{photo_id}")


@router.post("/copies")
async def copies(given: AnnotatorDep, person: Person, asker: Asker, photo_id: PhotoId, new: CopiesIn) -> CopiesOut:
    """Put objects of other photos on this one: pasted, or followed to where they are now and fitted to what is seen.

    Each is a new object with the class and the name of the other. One that cannot be put there (it is not known, it is
    deleted, nothing of it is left) costs the others nothing: it is left out, and told why. Sent again with the same
    `action_id` it gives the same answer, and what was interrupted is done to its end; an id that was used for another
    photo is refused. To take all of it back, delete the new ones.
    """
    await in_thread(given.pool, lambda: given.gallery.picture(photo_id))
    check = partial(require_unused, given.store, photo_id, new.action_id, new.objects, new.follow)
    await in_thread(given.pool, check)
    taken: list[Taken] = []
    for source in new.objects:  # a job for each, so that others have their turns in between
        work = partial(_taken, given, source, photo_id, new, person)
        taken.append((await done(given.objects.worker.submit(f"copies {new.action_id}", work, asker))).result)
    if any(one.object for one in taken):
        await in_thread(given.pool, lambda: given.news.photo(photo_id))
    return CopiesOut(items=[CopyOut.of(one) for one in taken])


def _taken(given: AnnotatorDep, source: str, photo_id: int, new: CopiesIn, person: str) -> Taken:
    taken = take_over(given.objects.edit(), source, photo_id, new.action_id, new.follow, new.fit(), person)
    if taken.object is not None:
        given.news.object(taken.object)
    return taken


@router.get("/doubts")
async def doubts(given: AnnotatorDep, photo_id: PhotoId) -> DoubtsOut:
    """Which masks need a look: what one more pass of the cascade would change of each object, the most first.

    Clicks go first. What was found is remembered until the mask is changed.
    """
    await in_thread(given.pool, lambda: given.gallery.picture(photo_id))
    found = []
    for info in await in_thread(given.pool, lambda: given.store.objects(photo_id)):
        doubt = given.doubts.known(info)
        if doubt is None and info.area_px:
            work = partial(_doubt, given, info)
            doubt = (await done(given.objects.worker.preview(f"doubt {uuid.uuid4()}", work))).result
        if doubt is not None:
            found.append(DoubtOut.of(info, doubt))
    return DoubtsOut(items=sorted(found, key=lambda one: (-one.share, one.object)))


def _doubt(given: AnnotatorDep, info: ObjectInfo) -> Doubt:
    return given.doubts.find(given.objects.edit(), info)
