"""The folder: its classes, how far it is."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter

from fewclicks.annotator.server.roles import only
from fewclicks.annotator.server.routes.common import AnnotatorDep
from fewclicks.annotator.server.routes.files import formats
from fewclicks.annotator.server.routes.people import counts_of
from fewclicks.annotator.server.schemas import ClassOut, FolderOut, Health, OwnPasses, Version
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.examples import add_examples, count_examples

router = APIRouter(route_class=CheckedRoute, tags=["folder"])

REVIEWERS = only("reviewer", "put photos into the folder")


@router.get("/folder")
def folder(given: AnnotatorDep) -> FolderOut:
    """The folder, its classes, and what can be done with it. New photos in it become known."""
    given.gallery.scan()
    counts, own = counts_of(given, given.gallery.photos()), given.objects.own
    return FolderOut(
        id=given.store.id,
        name=given.folder.root.name,
        method=given.objects.model.name,
        options={"cfr": given.objects.model.cfr, "adaptive": given.objects.model.adaptive},
        own=OwnPasses.of(own) if own else None,
        ready=given.objects.ready,
        problem=given.objects.failure,
        classes=[ClassOut.of(info) for info in given.store.classes()],
        counts=counts,
        formats=formats(),
        examples=count_examples(given.folder),
    )


@router.post("/folder/examples", dependencies=[REVIEWERS])
def examples(given: AnnotatorDep) -> list[str]:
    """Copy example photos into a folder that has no photos, and give their names. Nothing else is written into it."""
    names = add_examples(given.folder)
    given.gallery.scan(at_once=True)
    return names


@router.get("/healthz")
async def health() -> Health:
    """That the server answers. Needs no token."""
    return Health()


@router.get("/version")
async def versions() -> Version:
    """Versions of the program and of the API."""
    return Version(fewclicks=version("fewclicks"))
