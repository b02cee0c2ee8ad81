"""What brings the tables of an older fewclicks up to this one, in one transaction: all of it happens, or none.

Each step only adds what has a default, so that servers of the older fewclicks that are still running keep working. For
a new one: raise `tables.SCHEMA`, change the tables there, and write down here what turns the old ones into them. Tables
that a step makes are written down as they were then: later steps change them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Executable,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
    true,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from fewclicks.annotator.store.tables import SCHEMA, About


def _tables_of_4() -> tuple[Executable, ...]:
    """The tables that version 4 added, with their indexes."""
    data = MetaData()
    for name, key in (("photo", Integer()), ("object", String(36))):
        Table(f"fewclicks_{name}", data, Column("id", key, primary_key=True))
    moment = DateTime(timezone=True)
    comment = Table(
        "fewclicks_comment",
        data,
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, ForeignKey("fewclicks_photo.id"), nullable=False, index=True),
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
    event = Table(
        "fewclicks_event",
        data,
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, ForeignKey("fewclicks_photo.id"), index=True),
        Column("kind", String(20), nullable=False),
        Column("payload", JSON, nullable=False),
        Column("person", String(200), nullable=False),
        Column("created_at", moment, nullable=False),
    )
    person = Table(
        "fewclicks_person",
        data,
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
    presence = Table(
        "fewclicks_presence",
        data,
        Column("id", String(36), primary_key=True),
        Column("photo_id", Integer, nullable=False),
        Column("object_id", String(36)),
        Column("person", String(200), nullable=False),
        Column("seen_at", moment, nullable=False),
    )
    made = (comment, event, person, presence)
    indexes = [CreateIndex(index) for table in made for index in sorted(table.indexes, key=lambda one: str(one.name))]
    return (*map(CreateTable, made), *indexes)


def _added(table: str, *columns: str) -> tuple[Executable, ...]:
    return tuple(text(f"ALTER TABLE fewclicks_{table} ADD COLUMN {column}") for column in columns)


FLAGS = tuple(f"{name} BOOLEAN DEFAULT false NOT NULL" for name in ("hidden", "locked"))
STEPS: dict[int, tuple[Executable, ...]] = {
    1: _added("action", "person VARCHAR(200) DEFAULT '' NOT NULL"),
    2: _added("object", *FLAGS),
    3: (
        *_added(
            "class",
            "code VARCHAR(2)",
            "place INTEGER DEFAULT 0 NOT NULL",
            "family VARCHAR(200) DEFAULT '' NOT NULL",
            "attributes JSON DEFAULT '[]' NOT NULL",
        ),
        *_added(
            "photo",
            "review VARCHAR(8) DEFAULT '' NOT NULL",
            "assignee VARCHAR(200) DEFAULT '' NOT NULL",
            "note VARCHAR(2000) DEFAULT '' NOT NULL",
            "tags JSON DEFAULT '[]' NOT NULL",
        ),
        *_added("object", "attributes JSON DEFAULT '{}' NOT NULL"),
        *_tables_of_4(),
    ),
}
"""Version -> what makes the next one of it, in the words that all databases share."""


def migrate(connection: Connection, version: int) -> None:
    """Bring tables of `version` up to `SCHEMA`, in the transaction that is open."""
    for step in range(version, SCHEMA):
        for statement in STEPS[step]:
            connection.execute(statement)
    connection.execute(update(About).values(schema=SCHEMA))
