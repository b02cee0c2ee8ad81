"""The classes of objects."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from fewclicks.annotator.server.requests import ClassEdit, ClassNew, ClassOrder
from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import AnnotatorDep, Person, gives, in_thread
from fewclicks.annotator.server.schemas import ClassesTakenOut, ClassOut, ClassRemoved
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.class_files import take, written
from fewclicks.errors import sentence

router = APIRouter(route_class=CheckedRoute, tags=["folder"], prefix="/classes")

ClassId = Annotated[int, Path(ge=1, lt=2**31)]
REVIEWERS = only("reviewer", "change the classes")


@router.get("")
def classes(given: AnnotatorDep) -> list[ClassOut]:
    """All classes, in the order that was given them."""
    return [ClassOut.of(info) for info in given.store.classes()]


@router.post("", status_code=201, dependencies=[REVIEWERS])
def add_class(given: AnnotatorDep, person: Person, new: ClassNew) -> ClassOut:
    """Make a class, at the end of the list."""
    attributes = [one.attribute() for one in new.attributes]
    info = given.store.add_class(new.name, new.colour, new.key, new.group, attributes, person)
    given.news.classes()
    return ClassOut.of(info)


@router.get("/file", **gives("application/json"))
def classes_file(given: AnnotatorDep) -> Response:
    """The classes as a file, with their colours, keys, groups and attributes."""
    headers = {"Content-Disposition": 'attachment; filename="classes.json"'}
    return Response(written(given.store.classes()), media_type="application/json", headers=headers)


@router.post(
    "/file",
    dependencies=[REVIEWERS],
    openapi_extra={
        "requestBody": {
            "description": "The file: ours, a name a line, categories of COCO, labels of CVAT, names of a data.yaml.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def take_classes(request: Request, given: AnnotatorDep, person: Person) -> ClassesTakenOut:
    """Add the classes of a file, and bring those of the same names to what it says. None is removed."""
    data = bytes(await request.body())
    taken = await in_thread(given.errands_pool, lambda: take(given.store, data, person))
    given.news.classes()
    notes = [sentence(note) for note in taken.notes]
    return ClassesTakenOut(added=list(taken.added), changed=list(taken.changed), notes=notes)


@router.patch("/{class_id}", dependencies=[REVIEWERS])
def change_class(given: AnnotatorDep, person: Person, class_id: ClassId, edit: ClassEdit) -> ClassOut:
    """Give a class another name, colour, key or group, or other attributes."""
    attributes = None if edit.attributes is None else [one.attribute() for one in edit.attributes]
    info = given.store.change_class(class_id, edit.name, edit.colour, edit.key, edit.group, attributes, person)
    given.news.classes()
    return ClassOut.of(info)


@router.put("/order", dependencies=[REVIEWERS])
def order_classes(given: AnnotatorDep, person: Person, order: ClassOrder) -> list[ClassOut]:
    """Put the classes in another order; those that are not named follow."""
    found = given.store.order_classes(order.ids, person)
    given.news.classes()
    return [ClassOut.of(info) for info in found]


@router.delete("/{class_id}", dependencies=[REVIEWERS])
def remove_class(
    given: AnnotatorDep,
    person: Person,
    class_id: ClassId,
    reassign_to: Annotated[int | None, Query(ge=1, lt=2**31, description="The class that its objects get.")] = None,
) -> ClassRemoved:
    """Remove a class. Of one that objects have (409 otherwise) they get another class."""
    removed = given.store.remove_class(class_id, reassign_to, person)
    given.news.classes()
    return ClassRemoved(id=removed)


@router.post("/removed/{removed_id}/restore", dependencies=[REVIEWERS])
def restore_class(given: AnnotatorDep, person: Person, removed_id: UUID) -> ClassOut:
    """Bring a class back, by the `id` that its removal gave, and to it the objects that it had."""
    info = given.store.restore_class(str(removed_id), person)
    given.news.classes()
    return ClassOut.of(info)
