"""Objects of one photo put on another: pasted as they are, or followed to what the next photo of a sequence shows."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import cv2
import numpy as np

from fewclicks.annotator.editing.actions import Fitted, Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.store.objects import NewObject
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.errors import InputError, UnknownName
from fewclicks.propagation import LEAST_AGREEMENT, agreement_of, move
from fewclicks.types import Mask

SAME_IOU = 0.5
"""An object of the same class that overlaps more is the one that would be put there."""


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


def take_over(
    edit: Editing, source_id: str, photo_id: int, action_id: str, follow: bool, fit: Fitted, person: str
) -> Taken:
    """Put an object on another photo, with its class and name; `follow`: moved and fitted (see `propagation.carry`).

    Its actions there are `mask` and, where it was followed, `fit`; undo takes them back one by one. Sent again with the
    same `action_id`, nothing is done twice. Masks are scaled to the size of the photo.
    """
    source, new_id = edit.store.object(source_id), str(uuid.uuid5(uuid.UUID(action_id), source_id))
    if source.photo_id == photo_id and follow:
        raise InputError("the object is on this photo already; follow it to another one")
    known = _known(edit, new_id)
    if known is not None:
        return Taken(source_id, known)
    mask = edit.store.mask(source_id).mask()
    if not mask.any():
        return Taken(source_id, problem="it has no mask")
    start, alike = edit.start_of(photo_id), 1.0
    hw = (start.image.shape[0], start.image.shape[1])
    if follow:
        mask, alike = move(edit.start_of(source.photo_id).image, mask, start.image)
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
    edit.store.add_objects(photo_id, [new], person, f"copy of {source_id}")
    if not follow:
        return Taken(source_id, edit.store.object(new_id))
    return _fitted(edit, source_id, new_id, mask, alike, fit, person)


def _fitted(edit: Editing, source_id: str, new_id: str, mask: Mask, alike: float, fit: Fitted, person: str) -> Taken:
    """Fit what was moved; where nothing would be left of it, it stays as it was moved."""
    step = str(uuid.uuid5(uuid.UUID(new_id), "fit"))
    info = edit.act(new_id, step, fit, None, person).object
    agreement = agreement_of(mask, edit.store.mask(new_id).mask(), alike)
    if not info.area_px:
        info = edit.undo(new_id, str(uuid.uuid5(uuid.UUID(new_id), "unfit")), None, person).object
    problem = "" if agreement >= LEAST_AGREEMENT else "it has changed much from the photo before; look at it"
    return Taken(source_id, info, round(agreement, 4), problem)


def _known(edit: Editing, object_id: str) -> ObjectInfo | None:
    try:
        return edit.store.object(object_id)
    except UnknownName:
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
