"""The classes of objects."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from fewclicks.annotator.server.requests import ClassEdit, ClassNew, ClassOrder
from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import AnnotatorDep, Person
from fewclicks.annotator.server.schemas import ClassOut, ClassRemoved
from fewclicks.annotator.server.values import CheckedRoute

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
    given.publish_classes()
    return ClassOut.of(info)


@router.patch("/{class_id}", dependencies=[REVIEWERS])
def change_class(given: AnnotatorDep, person: Person, class_id: ClassId, edit: ClassEdit) -> ClassOut:
    """Give a class another name, colour, key or group, or other attributes."""
    attributes = None if edit.attributes is None else [one.attribute() for one in edit.attributes]
    info = given.store.change_class(class_id, edit.name, edit.colour, edit.key, edit.group, attributes, person)
    given.publish_classes()
    return ClassOut.of(info)


@router.put("/order", dependencies=[REVIEWERS])
def order_classes(given: AnnotatorDep, person: Person, order: ClassOrder) -> list[ClassOut]:
    """Put the classes in another order; those that are not named follow."""
    found = given.store.order_classes(order.ids, person)
    given.publish_classes()
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
    given.publish_classes()
    return ClassRemoved(id=removed)


@router.post("/removed/{removed_id}/restore", dependencies=[REVIEWERS])
def restore_class(given: AnnotatorDep, person: Person, removed_id: UUID) -> ClassOut:
    """Bring a class back, by the `id` that its removal gave, and to it the objects that it had."""
    info = given.store.restore_class(str(removed_id), person)
    given.publish_classes()
    return ClassOut.of(info)
