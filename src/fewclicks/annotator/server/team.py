"""What the API takes and gives of people and of what they say: comments, the journal, who may sign in, who is here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from fewclicks.annotator.server.requests import Finite, LongText, RequestModel, RowId, Text, Uuid
from fewclicks.annotator.server.schemas import Counts, ResponseModel
from fewclicks.annotator.store.records import Comment, Event, Member, Presence, Role


class CommentIn(RequestModel):
    """A comment on a photo: on a place of it (`x` and `y`, pixels of the photo), on an object, or on all of it."""

    photo_id: RowId
    text: LongText
    x: Finite | None = None
    y: Finite | None = None
    object_id: Uuid | None = None


class CommentChange(RequestModel):
    """What changes of a comment. Null: it stays as it is."""

    text: LongText | None = None
    resolved: bool | None = None
    deleted: bool | None = None


class CommentOut(ResponseModel):
    """A comment."""

    id: str
    photo_id: int
    object_id: str | None
    x: float | None
    """Null: it is pinned to no place."""
    y: float | None
    text: str
    person: str
    resolved: bool
    resolved_by: str
    deleted: bool
    version: int
    at: datetime

    @classmethod
    def of(cls, found: Comment) -> Self:
        """As the store tells it."""
        return cls(**{name: getattr(found, name) for name in cls.model_fields})


class EventOut(ResponseModel):
    """Something that was done to a photo, or to the folder."""

    id: str
    photo_id: int | None
    """Null: it was done to the folder."""
    kind: str
    """photo, comment, class, class order, class removed or person."""
    change: dict[str, Any]
    """What was `before`, and what is `after` it."""
    person: str
    at: datetime

    @classmethod
    def of(cls, found: Event) -> Self:
        """As the store tells it."""
        change = dict(found.payload)
        return cls(
            id=found.id, photo_id=found.photo_id, kind=found.kind, change=change, person=found.person, at=found.at
        )


class PersonIn(RequestModel):
    """Somebody who may sign in from now on: by a link, by a password, or by both."""

    name: Text
    role: Role = "annotator"
    password: Text | None = None
    link: bool = True


class PersonChange(RequestModel):
    """What changes of a person. Null: it stays as it is."""

    role: Role | None = None
    password: Text | None = None
    """Empty: they have none any more."""
    link: bool | None = None
    """True: a new one, and the old one ends. False: they have none any more."""
    active: bool | None = None
    """False: they may not sign in any more; what they did stays."""


class PersonOut(ResponseModel):
    """Somebody who may sign in, or might."""

    id: str
    name: str
    role: Role
    active: bool
    password: bool
    """Whether they have one."""
    link: bool
    token: str | None = None
    """That of the new link, told once: /?token=..."""

    @classmethod
    def of(cls, found: Member, token: str | None = None) -> Self:
        """As the store tells it, without what is secret."""
        return cls(
            id=found.id,
            name=found.name,
            role=found.role,
            active=found.active,
            password=bool(found.password),
            link=bool(found.link),
            token=token,
        )


class PresenceIn(RequestModel):
    """What a page shows and edits now. It says so at least twice a minute."""

    page: Uuid
    photo_id: RowId
    object_id: Uuid | None = None
    force: bool = False
    """Take the object over from whoever edits it."""


class PresenceOut(ResponseModel):
    """A page that shows a photo."""

    page: str
    photo_id: int
    object_id: str | None
    """What is edited there."""
    person: str
    """Empty where the server knows nobody."""

    @classmethod
    def of(cls, found: Presence) -> Self:
        """As the store tells it."""
        return cls(page=found.id, photo_id=found.photo_id, object_id=found.object_id, person=found.person)


class PersonProgress(ResponseModel):
    """How far the photos are that somebody is to do."""

    person: str
    """Empty: those that are nobody's."""
    counts: Annotated[Counts, Field()]


class Progress(ResponseModel):
    """How far the folder is."""

    counts: Counts
    people: list[PersonProgress]
