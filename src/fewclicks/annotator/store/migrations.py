"""What brings the tables of an older fewclicks up to this one, in one transaction: all of it happens, or none.

Each step only adds what has a default, so that servers of the older fewclicks that are still running keep working. For
a new one: raise `tables.SCHEMA`, change the tables there, and write down here what turns the old ones into them.
"""

from __future__ import annotations

from sqlalchemy import Connection, text, update

from fewclicks.annotator.store.tables import PERSON_LETTERS, SCHEMA, About

FLAGS = ("hidden", "locked")
STEPS: dict[int, tuple[str, ...]] = {
    1: (f"ALTER TABLE fewclicks_action ADD COLUMN person VARCHAR({PERSON_LETTERS}) DEFAULT '' NOT NULL",),
    2: tuple(f"ALTER TABLE fewclicks_object ADD COLUMN {name} BOOLEAN DEFAULT false NOT NULL" for name in FLAGS),
}
"""Version -> the SQL that makes the next one of it, in the words that all databases share."""


def migrate(connection: Connection, version: int) -> None:
    """Bring tables of `version` up to `SCHEMA`, in the transaction that is open."""
    for step in range(version, SCHEMA):
        for statement in STEPS[step]:
            connection.execute(text(statement))
    connection.execute(update(About).values(schema=SCHEMA))
