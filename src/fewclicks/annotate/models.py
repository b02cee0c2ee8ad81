"""The tables of the database of annotations. `store.Store` is what reads and writes them.

about       one row: the version of this schema (`migrations` brings older ones up)
class       name, colour, key
photo       name in the folder, size, state; its version grows with every change of it and of its objects
object      of a photo and a class; `done` of its actions are done, those with higher numbers can be redone
action      what was done to an object, and by whom, in the order of `id`, with the mask it gave. Actions that undo
            took back and another took the place of, and undo, redo and changes themselves, have no number and no mask
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, LargeBinary, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA = 2
"""Version of the tables."""
PERSON_LETTERS = 200


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


class Base(DeclarativeBase):
    """All tables; their names begin with fewclicks_, so that a database may hold others too."""


class About(Base):
    __tablename__ = "fewclicks_about"

    id: Mapped[int] = mapped_column(primary_key=True)
    schema: Mapped[int] = mapped_column("schema_version")
    uuid: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ClassRow(Base):
    __tablename__ = "fewclicks_class"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    colour: Mapped[str] = mapped_column(String(7))
    key: Mapped[str | None] = mapped_column("digit", String(1), unique=True)


class PhotoRow(Base):
    __tablename__ = "fewclicks_photo"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(1000), unique=True)
    width: Mapped[int | None]
    height: Mapped[int | None]
    state: Mapped[str] = mapped_column(String(9), default="untouched", index=True)
    version: Mapped[int] = mapped_column(default=1)


class ObjectRow(Base):
    __tablename__ = "fewclicks_object"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey(PhotoRow.id), index=True)
    class_id: Mapped[int] = mapped_column(ForeignKey(ClassRow.id), index=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    z: Mapped[int]
    state: Mapped[str] = mapped_column(String(4), default="open")
    deleted: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    mask_version: Mapped[int] = mapped_column(default=1)
    """`version` after the last action, undo or redo."""
    done: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)


class ActionRow(Base):
    __tablename__ = "fewclicks_action"
    __table_args__ = (UniqueConstraint("object_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    object_id: Mapped[str] = mapped_column(ForeignKey(ObjectRow.id))
    version: Mapped[int]
    """That of the object after it."""
    number: Mapped[int | None]
    """Its place among the actions of the object that are done or can be redone, from 1."""
    kind: Mapped[str] = mapped_column(String(9))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    fresh: Mapped[bool] = mapped_column(default=False)
    predictor: Mapped[str] = mapped_column(String(200), default="")
    person: Mapped[str] = mapped_column(String(PERSON_LETTERS), default="", server_default="")
    """The name of who did it; "" where the server knows nobody."""
    clicks: Mapped[list[list[float]]] = mapped_column(JSON, default=list)
    """(x, y, 1 or 0) of those that count after it."""
    threshold: Mapped[float] = mapped_column(default=0.5)
    changed_px: Mapped[list[int]] = mapped_column(JSON, default=list)
    box: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    area_px: Mapped[int] = mapped_column(default=0)
    mask: Mapped[bytes | None] = mapped_column(LargeBinary)
    """`packed.PackedMask.data` of the mask after it; None where there is none any more."""
    created_at: Mapped[datetime] = mapped_column(Moment, default=now)
