"""What brings the tables of an older fewclicks up to this one, in one transaction: all of it happens, or none.

The steps are written with Alembic's operations, which say the same to SQLite and PostgreSQL. The version stands in
the table `about`, where it stood before there was Alembic: servers of any age find it there.

Each step only adds what has a default, so that servers of the older fewclicks that are still running keep working. For
a new one: raise `tables.SCHEMA`, change the tables there, and write down here what turns the old ones into them; a test
has Alembic compare the two. Tables that a step makes are written down as they were then: later steps change them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    false,
    true,
    update,
)

from fewclicks.annotator.store.tables import SCHEMA, About
from fewclicks.errors import MissingExtra

if TYPE_CHECKING:
    from alembic.operations import Operations


def _add(to: Operations, table: str, *columns: Column[Any]) -> None:
    for column in columns:
        to.add_column(f"fewclicks_{table}", column)


def _text(name: str, letters: int) -> Column[Any]:
    """A column whose rows say nothing yet."""
    return Column(name, String(letters), server_default="", nullable=False)


def _data(name: str, empty: str) -> Column[Any]:
    return Column(name, JSON, server_default=empty, nullable=False)


def _from_1(to: Operations) -> None:
    """Who did it."""
    _add(to, "action", _text("person", 200))


def _from_2(to: Operations) -> None:
    """Objects with an eye and a lock."""
    _add(
        to, "object", *(Column(name, Boolean, server_default=false(), nullable=False) for name in ("hidden", "locked"))
    )


def _from_3(to: Operations) -> None:
    """People, comments and the journal; groups, keys and attributes of classes; reviews, notes and tags of photos."""
    place = Column("place", Integer, server_default="0", nullable=False)
    _add(to, "class", Column("code", String(2)), place, _text("family", 200), _data("attributes", "[]"))
    _add(to, "photo", _text("review", 8), _text("assignee", 200), _text("note", 2000), _data("tags", "[]"))
    _add(to, "object", _data("attributes", "{}"))
    moment = DateTime(timezone=True)
    to.create_table(
        "fewclicks_comment",
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, ForeignKey("fewclicks_photo.id"), nullable=False),
        Column("object_id", String(36), ForeignKey("fewclicks_object.id")),
        Column("x", Double),
        Column("y", Double),
        Column("text", String(2000), nullable=False),
        Column("person", String(200), nullable=False),
        Column("resolved", Boolean, nullable=False),
        Column("resolved_by", String(200), nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("version", Integer, nullable=False),
        Column("created_at", moment, nullable=False),
    )
    to.create_table(
        "fewclicks_event",
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, ForeignKey("fewclicks_photo.id")),
        Column("kind", String(20), nullable=False),
        Column("payload", JSON, nullable=False),
        Column("person", String(200), nullable=False),
        Column("created_at", moment, nullable=False),
    )
    to.create_table(
        "fewclicks_person",
        Column("id", String(36), primary_key=True),
        Column("name", String(200), nullable=False),
        Column("role", String(9), nullable=False),
        Column("password", String(200), nullable=False),
        Column("link", String(64), nullable=False),
        Column("active", Boolean, server_default=true(), nullable=False),
        Column("version", Integer, nullable=False),
        Column("created_at", moment, nullable=False),
        UniqueConstraint("name"),
    )
    to.create_table(
        "fewclicks_presence",
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, nullable=False),
        Column("object_id", String(36)),
        Column("person", String(200), nullable=False),
        Column("seen_at", moment, nullable=False),
    )
    for table in ("comment", "event"):
        to.create_index(f"ix_fewclicks_{table}_photo_id", f"fewclicks_{table}", ["photo_id"])


STEPS: dict[int, Callable[[Operations], None]] = {1: _from_1, 2: _from_2, 3: _from_3}
"""Version -> what makes the next one of it."""


def migrate(connection: Connection, version: int) -> None:
    """Bring tables of `version` up to `SCHEMA`, in the transaction that is open; MissingExtra without Alembic."""
    to = operations(connection)
    for step in range(version, SCHEMA):
        STEPS[step](to)
    connection.execute(update(About).values(schema=SCHEMA))


def operations(connection: Connection) -> Operations:
    """Alembic's operations in the transaction of a connection. It is only loaded where there is something to do."""
    try:
        from alembic.migration import MigrationContext
        from alembic.operations import Operations
    except ImportError as error:
        cure = "pip install 'fewclicks[annotate]'"
        raise MissingExtra(
            f"the annotations are of an older fewclicks, and what brings them up is missing ({error}); run: {cure}"
        ) from None
    return Operations(MigrationContext.configure(connection))
