"""Several objects made one, and one made several. Sent again after a fault, each goes on where it stopped."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import cv2
import numpy as np

from fewclicks.annotator.editing.actions import Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.editing import Change, Editing
from fewclicks.annotator.store.objects import NewObject
from fewclicks.errors import InputError
from fewclicks.types import Mask

MAX_PARTS = 100
"""An object is split into at most so many."""


def merge(
    edit: Editing, object_id: str, action_id: str, others: Sequence[str], if_version: int | None, person: str
) -> Change:
    """Give an object the pixels of others, and delete those. Undo brings them back."""
    info, found = edit.store.object(object_id), [edit.store.object(other) for other in others]
    ids = tuple(dict.fromkeys(other.id for other in found))
    for other in found:
        if other.photo_id != info.photo_id or other.id == info.id:
            raise InputError("only other objects of the same photo become part of one; choose those")
    if edit.store.known(action_id) is not None:
        return edit.act(info.id, action_id, Replaced(edit.store.mask(info.id), joined=ids), None, person)
    whole = edit.store.mask(info.id).mask()
    for other in found:
        edit.store.presence.require_free(other.id, person)
        if other.locked:
            raise InputError("one of the objects is locked; unlock it to merge it")
        if other.deleted:
            raise InputError("one of the objects was deleted; bring it back to merge it")
        whole |= edit.store.mask(other.id).mask()
    return edit.act(info.id, action_id, Replaced(EncodedMask.pack(whole), joined=ids), if_version, person)


def split(edit: Editing, object_id: str, action_id: str, if_version: int | None, person: str) -> Change:
    """Leave an object the largest of its connected parts, and make new objects of the others, the largest first.

    Undo gives it back its mask, and deletes those.
    """
    info, before = edit.store.object(object_id), edit.store.mask(object_id)
    if edit.store.known(action_id) is not None:
        return edit.act(info.id, action_id, Replaced(before), None, person)
    if info.locked:
        raise InputError("the object is locked; unlock it to split it")
    parts = parts_of(before.mask())
    if len(parts) < 2:
        raise InputError("the object is one piece; there is nothing to split")
    if len(parts) > MAX_PARTS:
        raise InputError(f"the object has {len(parts):,} parts, more than {MAX_PARTS}; drop its specks first (clean)")
    new = []
    for n, part in enumerate(parts[1:], 1):
        mask = EncodedMask.pack(part)
        entry = Entry(Replaced(mask), mask, threshold=info.threshold or 0.5, changed_px=(mask.area_px,))
        new.append(NewObject(id=str(uuid.uuid5(uuid.UUID(action_id), str(n))), class_id=info.class_id, entry=entry))
    edit.store.add_objects(info.photo_id, new, person, f"split {info.id}")
    kept = Replaced(EncodedMask.pack(parts[0]), parted=tuple(one.id for one in new))
    return edit.act(info.id, action_id, kept, if_version, person)


def parts_of(mask: Mask) -> list[Mask]:
    """The connected parts of an HxW mask, corners joined, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    order = sorted(range(1, count), key=lambda label: -int(stats[label, cv2.CC_STAT_AREA]))
    return [np.asarray(labels == label) for label in order[: MAX_PARTS + 1]]
