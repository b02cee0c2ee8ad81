"""What each role may do: dependencies of the routes, which refuse with a 403.

annotator   clicks, marks photos done, comments, takes photos that are nobody's; nothing on accepted photos
reviewer    also accepts and sends back, assigns, changes the classes, imports and pre-annotates
admin       also lets people in
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from fewclicks.annotator.server.routes.common import AnnotatorDep, ObjectId, in_thread
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.people import may
from fewclicks.annotator.store.records import Role
from fewclicks.errors import UnknownName

WHO = {"annotator": "those who are signed in", "reviewer": "reviewers and admins", "admin": "admins"}


def role_of(request: Request) -> Role:
    """What who asks may do."""
    role: Role = getattr(request.state, "role", "admin")
    return role


async def _role(request: Request) -> Role:
    return role_of(request)


RoleDep = Annotated[Role, Depends(_role)]
"""The role of who asks; that of an admin where nobody has to sign in."""


def require(role: Role, needed: Role, what: str) -> None:
    """Refuse what a role may not do."""
    if not may(role, needed):
        raise HTTPException(
            403, f"only {WHO[needed]} may {what}; you are signed in as an {role}".replace("an r", "a r")
        )


def only(needed: Role, what: str) -> Any:
    """Give the dependency of a route that asks for a role."""

    async def check(request: Request) -> None:
        require(role_of(request), needed, what)

    return Depends(check)


def require_open(given: Annotator, role: Role, photo_id: int) -> None:
    """Refuse what changes an accepted photo to an annotator."""
    if not may(role, "reviewer") and given.store.photo(photo_id).state == "accepted":
        raise HTTPException(403, "the photo was accepted; ask a reviewer to send it back before you change it")


async def _editable(request: Request, given: AnnotatorDep, object_id: ObjectId) -> None:
    role, person = role_of(request), getattr(request.state, "person", "")
    if request.method == "GET" or request.url.path.endswith("/preview"):
        return

    def look() -> None:
        given.store.presence.require_free(object_id, person)
        if not may(role, "reviewer"):
            with contextlib.suppress(UnknownName):  # it is going to be made: see the route
                require_open(given, role, given.store.object(object_id).photo_id)

    await in_thread(given.pool, look)


EDITABLE = Depends(_editable)
"""Refuses changes of objects on accepted photos to annotators, and of what somebody else edits to everybody."""
