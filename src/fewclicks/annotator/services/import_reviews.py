"""What an import says of photos beside their objects: states, tags, notes, comments, put where nothing was said yet."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fewclicks.annotator.store.comments import NewComment
from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.photos import PhotoEdit
from fewclicks.errors import FewClicksError, UnknownName
from fewclicks.formats.annotations import AnnotatedPhoto, PhotoState

T = TypeVar("T")
SAID = uuid.UUID("0a4f3c5b-2f0b-4d0f-8f53-6a6b3f2f6a11")
"""The namespace of the ids of imported comments: the same comment of the same photo gets the same id each time."""
JUDGED = ("done", "accepted", "returned")


def take_review(store: Store, photo: AnnotatedPhoto, objects: Sequence[str], person: str) -> list[str]:
    """Put what is said of a photo into the store; give a sentence on each part that could not be.

    What people have said here stays: a state is set where the photo has none of `JUDGED`, a note or an assignee where
    there is none, tags are added to those that there are, comments that are there are not doubled. `objects`: the ids
    of the source's objects in its order, which comments name by number.
    """
    about, faults = photo.about, list[str]()
    if not photo.said and photo.state not in JUDGED:
        return faults

    def tried(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except FewClicksError as error:
            faults.append(f"{error}: left out")
            return None

    store.add_photos([photo.file])
    known = store.photo_named(photo.file)
    comments = store.comments.of_photo(known.id, deleted=True)
    there = {(one.text, one.x, one.y) for one in comments}
    for number, said in enumerate(about.get("comments", ())):
        if (said["text"].strip(), said.get("x"), said.get("y")) not in there:
            key = str(uuid.uuid5(SAID, f"{photo.file}\n{number}\n{said['text']}".encode("utf-8", "replace").decode()))
            tried(lambda key=key, said=said: _write(store, known.id, key, said, objects))  # type: ignore[misc]
    if new := [tag for tag in about.get("tags", ()) if tag not in known.tags]:
        tried(lambda: store.change_photo(known.id, edit=PhotoEdit(tags=[*known.tags, *new]), person=person))
    if about.get("note") and not known.note:
        tried(lambda: store.change_photo(known.id, edit=PhotoEdit(note=about["note"]), person=person))
    if about.get("assignee") and not known.assignee:
        tried(lambda: store.change_photo(known.id, edit=PhotoEdit(assignee=about["assignee"]), person=person))
    state: PhotoState | None = about.get("state")
    if state in JUDGED and known.state not in JUDGED:
        tried(lambda: store.change_photo(known.id, state, person=person))
    return faults


def _write(store: Store, photo_id: int, key: str, said: dict[str, Any], objects: Sequence[str]) -> None:
    """Write a comment, about its object where that is there."""
    number = said.get("object", 0)
    new = NewComment(photo_id=photo_id, text=said["text"], x=said.get("x"), y=said.get("y"))
    about = objects[number - 1] if 1 <= number <= len(objects) else None
    try:
        store.comments.write(key, replace(new, object_id=about), said["person"])
    except UnknownName:
        store.comments.write(key, new, said["person"])
    if said["resolved"]:
        store.comments.change(key, resolved=True)
