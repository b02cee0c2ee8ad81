"""Objects of one photo put on another: pasted as they are, or followed to what the next photo of a sequence shows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from fewclicks.annotator.editing.actions import Fitted, Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store.objects import NewObject, Store
from fewclicks.annotator.store.records import ObjectInfo, uuid_of
from fewclicks.errors import InputError, UnknownName
from fewclicks.propagation import LEAST_AGREEMENT, agreement_of, move
from fewclicks.types import Mask

SAME_IOU = 0.5
"""An object of the same class that overlaps more is the one that would be put there."""

ALIKE = ", alike "
"""In the journal, behind what it is a copy of: how alike the photos are. A request that is sent again needs it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an object on the other photo."""

    source: str
    object: ObjectInfo | None = None
    """None: it was left out."""
    agreement: float | None = None
    """How far to trust what was followed (see `Carried.agreement`); None of what was pasted."""
    problem: str = ""
    """Why it was left out, or has to be looked at."""


def require_unused(store: Store, photo_id: int, action_id: str, sources: Iterable[str], follow: bool) -> None:
    """InputError if the id was used before to put one of these objects on another photo, or in the other way."""
    for source_id in sources:
        new_id = _id_of(action_id, source_id)
        known = _object(store, new_id)
        if known is not None and (known.photo_id != photo_id or (_likeness(store, new_id) is not None) != follow):
            raise InputError(f"the action {action_id} has put an object elsewhere, or in another way; make a new id")


def take_over(
    edit: Editing, source_id: str, photo_id: int, action_id: str, follow: bool, fit: Fitted, person: str
) -> Taken:
    """Put an object on another photo, with its class and name; `follow`: moved and fitted (see `propagation.carry`).

    Its actions there are `mask` and, where it was followed, `fit`; undo takes them back one by one. Sent again with the
    same `action_id`, nothing is done twice, what was not done to its end is, and the answer is the same. Masks are
    scaled to the size of the photo. An object that cannot be put there is left out.
    """
    new_id = _id_of(action_id, source_id)
    try:
        known = _object(edit.store, new_id)
        if known is None:
            left_out = _placed(edit, source_id, new_id, photo_id, follow, person)
            if left_out is not None:
                return left_out
        if follow:
            return _fitted(edit, source_id, new_id, fit, person)
        return Taken(source_id, edit.store.object(new_id))
    except (InputError, UnknownName) as error:
        return Taken(source_id, _object(edit.store, new_id), problem=str(error))


def _placed(edit: Editing, source_id: str, new_id: str, photo_id: int, follow: bool, person: str) -> Taken | None:
    """Put the mask of an object on the photo, moved if it is followed; why not, if it is left out."""
    source = edit.store.object(source_id)
    if source.deleted:
        return Taken(source_id, problem="it is deleted")
    if source.photo_id == photo_id and follow:
        return Taken(source_id, problem="it is on this photo already; follow it to another one")
    if not source.area_px:
        return Taken(source_id, problem="it has no mask")
    mask, by = edit.store.mask(source_id).mask(), f"copy of {source_id}"
    start = edit.start_of(photo_id)
    hw = (start.image.shape[0], start.image.shape[1])
    if follow:
        mask, alike = move(edit.start_of(source.photo_id).image, mask, start.image)
        by += f"{ALIKE}{alike:.6f}"
    elif mask.shape != hw:
        scaled = cv2.resize(mask.astype(np.uint8), hw[::-1], interpolation=cv2.INTER_NEAREST)
        mask = np.asarray(scaled > 0)
    if not mask.any():
        return Taken(source_id, agreement=0.0, problem="nothing of it is left on this photo")
    if _is_there(edit, photo_id, source, mask):
        return Taken(source_id, problem="an object of its class is there already")
    packed = EncodedMask.pack(mask)
    entry = Entry(Replaced(packed), packed, threshold=start.threshold, changed_px=(packed.area_px,))
    new = NewObject(id=new_id, class_id=source.class_id, name=source.name, entry=entry)
    edit.store.add_objects(photo_id, [new], person, by)
    return None


def _fitted(edit: Editing, source_id: str, new_id: str, fit: Fitted, person: str) -> Taken:
    """Fit what was moved, unless that is done; where nothing would be left of it, it stays as it was moved."""
    info = edit.act(new_id, str(uuid.uuid5(uuid.UUID(new_id), "fit")), fit, None, person).object
    _, entries, _ = edit.store.history(new_id)
    moved, *later = (entry.mask.mask() for entry in entries[:2])
    fitted = later[0] if later else moved
    agreement = agreement_of(moved, fitted, _likeness(edit.store, new_id) or 0.0)
    if not fitted.any() and not info.area_px:
        info = edit.undo(new_id, str(uuid.uuid5(uuid.UUID(new_id), "unfit")), None, person).object
    problem = "" if agreement >= LEAST_AGREEMENT else "it has changed much from the photo before; look at it"
    return Taken(source_id, info, round(agreement, 4), problem)


def _id_of(action_id: str, source_id: str) -> str:
    return str(uuid.uuid5(uuid.UUID(uuid_of(action_id)), source_id))


def _object(store: Store, object_id: str) -> ObjectInfo | None:
    try:
        return store.object(object_id)
    except UnknownName:
        return None


def _likeness(store: Store, object_id: str) -> float | None:
    """How alike the photos were when an object was followed (see `Carried.alike`), by its journal; None: it was not."""
    for line in store.lines(object_id, limit=1):
        _, followed, alike = line.predictor.rpartition(ALIKE)
        return float(alike) if followed else None
    return None


def _is_there(edit: Editing, photo_id: int, source: ObjectInfo, mask: Mask) -> bool:
    """Whether an object of the same class lies there already. A copy on its own photo is meant."""
    if source.photo_id == photo_id:
        return False
    for info, other in edit.store.masks(photo_id):
        if info.class_id == source.class_id and other.box is not None and other.hw == mask.shape:
            pixels = other.mask()
            if np.count_nonzero(pixels & mask) > SAME_IOU * np.count_nonzero(pixels | mask):
                return True
    return False
