"""The folder: its classes, how far it is."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Path, Response

from fewclicks.annotator.server.requests import ClassEdit, ClassNew
from fewclicks.annotator.server.routes.common import AnnotatorDep
from fewclicks.annotator.server.routes.files import formats
from fewclicks.annotator.server.schemas import ClassOut, Counts, FolderOut, Health, Version
from fewclicks.annotator.server.values import CheckedRoute

router = APIRouter(route_class=CheckedRoute, tags=["folder"])

ClassId = Annotated[int, Path(ge=1, lt=2**31)]


@router.get("/folder")
def folder(given: AnnotatorDep) -> FolderOut:
    """The folder, its classes, and what can be done with it. New photos in it become known."""
    given.scan()
    photos = given.photos()
    states = Counter(info.state for info in photos)
    unreadable = sum(given.problem(info) is not None for info in photos)
    counts = Counts(untouched=states["untouched"], begun=states["begun"], done=states["done"], unreadable=unreadable)
    return FolderOut(
        id=given.store.id,
        name=given.folder.root.name,
        method=given.model.name,
        options={"cfr": given.model.cfr, "adaptive": given.model.adaptive},
        own=given.own,
        ready=given.ready,
        problem=given.failure,
        classes=classes(given),
        counts=counts,
        formats=formats(),
    )


@router.get("/classes")
def classes(given: AnnotatorDep) -> list[ClassOut]:
    """All classes, in the order they were made."""
    return [ClassOut.of(info) for info in given.store.classes()]


@router.post("/classes", status_code=201)
def add_class(given: AnnotatorDep, new: ClassNew) -> ClassOut:
    """Make a class."""
    info = given.store.add_class(new.name, new.colour, new.key)
    given.publish_classes()
    return ClassOut.of(info)


@router.patch("/classes/{class_id}")
def change_class(given: AnnotatorDep, class_id: ClassId, edit: ClassEdit) -> ClassOut:
    """Give a class another name, colour or digit."""
    info = given.store.change_class(class_id, edit.name, edit.colour, edit.key)
    given.publish_classes()
    return ClassOut.of(info)


@router.delete("/classes/{class_id}", status_code=204)
def remove_class(given: AnnotatorDep, class_id: ClassId) -> Response:
    """Remove a class that no object has (409 otherwise)."""
    given.store.remove_class(class_id)
    given.publish_classes()
    return Response(status_code=204)


@router.get("/healthz")
async def health() -> Health:
    """That the server answers. Needs no token."""
    return Health()


@router.get("/version")
async def versions() -> Version:
    """Versions of the program and of the API."""
    return Version(fewclicks=version("fewclicks"))
