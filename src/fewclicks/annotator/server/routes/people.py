"""Who may sign in, who is here, how far each of them is, and the journal of the folder."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response

from fewclicks.annotator.server.roles import RoleDep, only, require
from fewclicks.annotator.server.routes.common import AnnotatorDep, Person
from fewclicks.annotator.server.schemas import Counts
from fewclicks.annotator.server.team import (
    EventOut,
    PersonChange,
    PersonIn,
    PersonOut,
    PersonProgress,
    PresenceIn,
    PresenceOut,
    Progress,
)
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.store.records import PhotoInfo

router = APIRouter(route_class=CheckedRoute, tags=["people"])

PersonId = Annotated[UUID, Path()]
ADMINS = only("admin", "let people in")


@router.get("/people")
def people(given: AnnotatorDep) -> list[PersonOut]:
    """Who may sign in, by name, and who might: those who were removed are not `active`."""
    return [PersonOut.of(member) for member in given.people.members]


@router.post("/people", status_code=201, dependencies=[ADMINS])
def add_person(given: AnnotatorDep, person: Person, new: PersonIn) -> PersonOut:
    """Let somebody in, by a link, a password, or both. The `token` of the link is told once."""
    made = given.people.add(new.name, new.role, new.password, new.link, person)
    return PersonOut.of(made.member, made.token)


@router.patch("/people/{person_id}")
def change_person(
    given: AnnotatorDep, person: Person, role: RoleDep, person_id: PersonId, edit: PersonChange
) -> PersonOut:
    """Give somebody another role or password, a new link; remove them, or let them in again.

    Admins may; everybody may give themselves another password. The sessions of the old ones end.
    """
    known = next((member for member in given.people.members if member.id == str(person_id)), None)
    own = known is not None and known.name == person and person != ""
    if not own or (edit.role, edit.link, edit.active) != (None, None, None) or edit.password == "":
        require(role, "admin", "change people")
    changed = given.people.change(str(person_id), edit.role, edit.password, edit.link, edit.active, person)
    return PersonOut.of(changed.member, changed.token)


@router.get("/progress")
def progress(given: AnnotatorDep) -> Progress:
    """How far the folder is: photos by state, in all and of each person that they are assigned to."""
    given.gallery.scan()
    photos, shares = given.gallery.photos(), defaultdict[str, list[PhotoInfo]](list)
    for info in photos:
        shares[info.assignee].append(info)
    each = [PersonProgress(person=name, counts=counts_of(given, shares[name])) for name in sorted(shares)]
    return Progress(counts=counts_of(given, photos), people=each)


def counts_of(given: Annotator, photos: list[PhotoInfo]) -> Counts:
    """How many photos are in each state."""
    states = Counter(info.state for info in photos)
    unreadable = sum(given.gallery.problem(info) is not None for info in photos)
    return Counts(
        untouched=states["untouched"], begun=states["begun"], done=states["done"], accepted=states["accepted"],
        returned=states["returned"], unreadable=unreadable,
    )  # fmt: skip


@router.get("/presence")
def presence(given: AnnotatorDep) -> list[PresenceOut]:
    """The pages that are open now, what they show, and what is edited there."""
    return [PresenceOut.of(found) for found in given.store.presence.present()]


@router.post("/presence", status_code=204)
def hold(given: AnnotatorDep, person: Person, said: PresenceIn) -> Response:
    """Say what a page edits; 409 if somebody else does, unless it is taken by `force`. It holds for a minute.

    Pages of one person, and of people without a name, do not keep each other out.
    A page that listens to the events of a photo as `page` need not say it again.
    """
    given.store.presence.hold(said.page, said.photo_id, said.object_id, person, said.force)
    given.team.presence()
    return Response(status_code=204)


@router.get("/journal")
def folder_journal(given: AnnotatorDep) -> list[EventOut]:
    """What was done to the folder itself: its classes and its people. Oldest first; of more than 1000 the latest."""
    return [EventOut.of(event) for event in given.store.events.of_folder()]
