"""The tables of the database of annotations. `store.Store` is what reads and writes them.

about       one row: the version of this schema (`migrations` brings older ones up)
class       name, colour, key, place in the list, group, and the attributes that its objects may have
photo       name in the folder, size, state, what its reviewer said, who is to do it, tags and a note; its version grows
            with every change of it, of its objects and of its comments
object      of a photo and a class; `done` of its actions are done, those with higher numbers can be redone
action      what was done to an object, and by whom, in the order of `id`, with the mask it gave. Actions that undo
            took back and another took the place of, and undo, redo and changes themselves, have no number and no mask
comment     what a reviewer says of a photo, of a place on it, or of an object
event       what was done to a photo or to the folder itself, and by whom: the journal of all that is no object
person      who may sign in, with their role; passwords and links only as hashes
presence    which page shows which photo, and edits which object: rows that are not renewed mean nothing
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, ClassVar, get_args

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from fewclicks.annotator.store.records import Role

SCHEMA = 4
"""Version of the tables."""
PERSON_LETTERS = 200
TEXT_LETTERS = 2000
"""Of a note or a comment."""
ROLES = get_args(Role)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, also where the database knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


class Whole(TypeDecorator[int]):
    """A whole number, and nothing else: SQLite would give back whatever somebody has put there."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        if value is not None and type(value) is not int:
            raise TypeError(f"a {type(value).__name__} where a whole number is to be")
        return value


class Real(TypeDecorator[float]):
    """A finite number, and nothing else."""

    impl = Double
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> float | None:
        if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
            raise TypeError(f"{value!r:.80} where a number is to be")
        return value


class Words(TypeDecorator[str]):
    """A text of at most so many letters, and nothing else; with `known` one of these."""

    impl = String
    cache_ok = True

    def __init__(self, letters: int, known: tuple[str, ...] = ()) -> None:
        super().__init__(letters)
        self.letters, self.known = letters, known

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is not None and not (
            isinstance(value, str) and len(value) <= self.letters and (not self.known or value in self.known)
        ):
            raise TypeError(f"{value!r:.80} where a text of {self.letters} letters is to be")
        return value


class Base(DeclarativeBase):
    """All tables; their names begin with fewclicks_, so that a database may hold others too."""

    type_annotation_map: ClassVar = {int: Whole, float: Real}


class About(Base):
    __tablename__ = "fewclicks_about"

    id: Mapped[int] = mapped_column(primary_key=True)
    schema: Mapped[int] = mapped_column("schema_version")
    uuid: Mapped[str] = mapped_column(Words(36))
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ClassRow(Base):
    __tablename__ = "fewclicks_class"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Words(200), unique=True)
    colour: Mapped[str] = mapped_column(Words(7))
    digit: Mapped[str | None] = mapped_column(Words(1), unique=True)
    """Its key, where that is one digit."""
    code: Mapped[str | None] = mapped_column(Words(2))
    """Its key, where that is a digit and one more."""
    place: Mapped[int] = mapped_column(default=0, server_default="0")
    """Lower ones stand first; those of the same place in the order they were made."""
    family: Mapped[str] = mapped_column(Words(200), default="", server_default="")
    """The group that it is listed in."""
    attributes: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    """What can be said of each of its objects: `records.Attribute`."""


class PhotoRow(Base):
    __tablename__ = "fewclicks_photo"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Words(1000), unique=True)
    width: Mapped[int | None]
    height: Mapped[int | None]
    state: Mapped[str] = mapped_column(Words(9, ("untouched", "begun", "done")), default="untouched", index=True)
    version: Mapped[int] = mapped_column(default=1)
    review: Mapped[str] = mapped_column(Words(8, ("", "accepted", "returned")), default="", server_default="")
    """What was said of it last. An accepted one is `done`; a returned one that is `done` again waits for review."""
    assignee: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="", server_default="")
    """The name of who is to do it; "" where that is open."""
    note: Mapped[str] = mapped_column(Words(TEXT_LETTERS), default="", server_default="")
    tags: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")


class ObjectRow(Base):
    __tablename__ = "fewclicks_object"

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(PhotoRow.id), index=True)
    class_id: Mapped[int] = mapped_column(ForeignKey(ClassRow.id), index=True)
    name: Mapped[str] = mapped_column(Words(200), default="")
    z: Mapped[int]
    state: Mapped[str] = mapped_column(Words(4, ("open", "done")), default="open")
    deleted: Mapped[bool] = mapped_column(default=False)
    hidden: Mapped[bool] = mapped_column(default=False, server_default=false())
    locked: Mapped[bool] = mapped_column(default=False, server_default=false())
    version: Mapped[int] = mapped_column(default=1)
    mask_version: Mapped[int] = mapped_column(default=1)
    """`version` after the last action, undo or redo."""
    done: Mapped[int] = mapped_column(default=0)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    """Name of an attribute of its class -> value."""
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ActionRow(Base):
    __tablename__ = "fewclicks_action"
    __table_args__ = (UniqueConstraint("object_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(Words(36), unique=True)
    object_id: Mapped[str] = mapped_column(ForeignKey(ObjectRow.id))
    version: Mapped[int]
    """That of the object after it."""
    number: Mapped[int | None]
    """Its place among the actions of the object that are done or can be redone, from 1."""
    kind: Mapped[str] = mapped_column(Words(9))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    fresh: Mapped[bool] = mapped_column(default=False)
    predictor: Mapped[str] = mapped_column(Words(200), default="")
    person: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="", server_default="")
    """The name of who did it; "" where the server knows nobody."""
    clicks: Mapped[list[list[float]]] = mapped_column(JSON, default=list)
    """(x, y, 1 or 0) of those that count after it."""
    threshold: Mapped[float] = mapped_column(default=0.5)
    changed_px: Mapped[list[int]] = mapped_column(JSON, default=list)
    box: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    area_px: Mapped[int] = mapped_column(default=0)
    mask: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`packed.EncodedMask.data` of the mask after it; None where there is none any more."""
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class CommentRow(Base):
    __tablename__ = "fewclicks_comment"

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(PhotoRow.id), index=True)
    object_id: Mapped[str | None] = mapped_column(ForeignKey(ObjectRow.id))
    x: Mapped[float | None]
    y: Mapped[float | None]
    text: Mapped[str] = mapped_column(Words(TEXT_LETTERS))
    person: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="")
    resolved: Mapped[bool] = mapped_column(default=False)
    resolved_by: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="")
    deleted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class EventRow(Base):
    __tablename__ = "fewclicks_event"

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    photo_id: Mapped[int | None] = mapped_column(ForeignKey(PhotoRow.id), index=True)
    """None: it was done to the folder."""
    kind: Mapped[str] = mapped_column(Words(20))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    person: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="")
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class PersonRow(Base):
    __tablename__ = "fewclicks_person"

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    name: Mapped[str] = mapped_column(Words(PERSON_LETTERS), unique=True)
    role: Mapped[str] = mapped_column(Words(9, ROLES))
    password: Mapped[str] = mapped_column(Words(200), default="")
    """As argon2 writes it; "" without one."""
    link: Mapped[str] = mapped_column(Words(64), default="")
    """The SHA-256 of the token of their link; "" without one."""
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class PresenceRow(Base):
    __tablename__ = "fewclicks_presence"

    id: Mapped[str] = mapped_column(Words(36), primary_key=True)
    """Of the page."""
    photo_id: Mapped[int]
    object_id: Mapped[str | None] = mapped_column(Words(36))
    person: Mapped[str] = mapped_column(Words(PERSON_LETTERS), default="")
    seen_at: Mapped[datetime] = mapped_column(Moment, default=now)
