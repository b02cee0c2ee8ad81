"""Backups: one file with all that was annotated, made while servers run, and the way back. The photos are not in it.

The file is a SQLite database with the tables of `models`, whatever database it was made from, and can be put back into
any. Of SQLite it is made by its online backup; of others it is read in one transaction. Both see one state: every
action that was acknowledged before, and no half of one.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, func, insert, inspect, literal, select, text, update
from sqlalchemy.orm import Session

from fewclicks.annotator.store import sqlite
from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.tables import About, ActionRow, Base, ClassRow, ObjectRow, PhotoRow, Whole
from fewclicks.errors import InputError, StoreError, counted
from fewclicks.files.replace import move_file, require_folder, staging

KEYS_AT_ONCE = 1000
CHUNK_BYTES = 16 * 2**20
"""Masks that are held at a time, or one that is larger."""
TABLES: Sequence[Table] = [table for table in Base.metadata.sorted_tables if table.name != About.__tablename__]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is in a database."""

    classes: int
    photos: int
    objects: int
    actions: int

    def __str__(self) -> str:
        parts = ((self.classes, "class"), (self.photos, "photo"), (self.objects, "object"), (self.actions, "action"))
        return ", ".join(counted(count, noun) for count, noun in parts)


def counts(session: Session) -> Counts:
    """The number of rows of each table."""
    kinds = (ClassRow, PhotoRow, ObjectRow, ActionRow)
    return Counts(*(session.scalar(select(func.count()).select_from(kind)) or 0 for kind in kinds))


def backup(source: str | os.PathLike[str], file: Path, overwrite: bool = False) -> Counts:
    """Write a backup of the annotations of a folder, or of a database by its URL, to `file`; others may be writing.

    The file appears whole or not at all, and only if it is sound. InputError if it exists and `overwrite` is not set.
    """
    if file.is_dir():
        raise InputError(f"'{file}' is a folder; name the file that the backup is to be")
    if file.exists() and not overwrite:
        raise InputError(f"'{file}' exists; name another file, or pass --overwrite")
    with _opened(source, "read") as database:
        if database.file is not None and file.exists() and file.samefile(database.file):
            raise InputError(f"'{file}' is the database itself; name another file for its backup")
        with _replaced(file) as target:
            if database.file is not None:
                sqlite.copy(database.file, target)
            else:
                _write_rows(database, target)
            with _opened(f"sqlite:///{target}", "read") as made, made.reading() as session:
                return counts(session)


def restore(
    file: Path, target: str | os.PathLike[str], overwrite: bool = False, keep_in: Path | None = None
) -> tuple[Counts, Path | None]:
    """Put what is in a backup into the database of a folder, or into another by its URL: all of it, or nothing.

    Returns how much it was, and the backup in `keep_in` (None: beside the database) of what had been there before.
    InputError if there is something and `overwrite` is not set; StoreError if a server has it open. Whether the backup
    makes sense is not asked here: see `checking`.
    """
    if not file.is_file():
        raise InputError(f"there is no backup at '{file}'; check the path")
    with _opened(f"sqlite:///{file.resolve()}", "read") as source:
        with _opened(target, "alone") as database, database.writing() as session:
            database.require_alone(session)
            if database.file is not None and database.file.samefile(file):
                raise InputError(f"'{file}' is the database itself; name a backup of it")
            there, place = counts(session), keep_in or (database.file or file).parent
        if any(astuple(there)) and not overwrite:
            raise InputError(f"there are annotations already ({there}); pass --overwrite to put the backup in place")
        kept = _kept(target, place) if there.actions else None
        with source.reading() as old, _opened(target, "alone") as database, database.writing() as new:
            database.require_alone(new)
            _replace_rows(old.connection(), new.connection())
            return counts(new), kept


def _kept(target: str | os.PathLike[str], place: Path) -> Path:
    """A backup of what is going to be replaced."""
    place.mkdir(exist_ok=True)
    kept = place / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}.sqlite"
    backup(target, kept)
    return kept


@contextmanager
def _opened(source: str | os.PathLike[str], access: sqlite.Access) -> Iterator[Database]:
    database = Database(source, access)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _replaced(file: Path) -> Iterator[Path]:
    """A path beside `file` to write to, which is put in its place at the end, or removed if anything is raised."""
    require_folder(file)
    try:
        with staging(file) as box:
            yield box / file.name
            move_file(box / file.name, file)
    except sqlite3.Error as error:
        cure = "look at the database by `fewclicks check`, and whether the disk is full"
        raise StoreError(f"the backup cannot be made ({error}); {cure}") from error
    except OSError as error:
        raise InputError(f"'{file}' cannot be written ({error.strerror}); choose another place") from error


def _write_rows(source: Database, target: Path) -> None:
    """Make a SQLite file of a database of another kind."""
    with source.reading() as old, _opened(f"sqlite:///{target}", "alone") as made, made.writing() as new:
        _replace_rows(old.connection(), new.connection())
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        sqlite.seal(connection)


def _replace_rows(source: Connection, target: Connection) -> None:
    """Have the tables of `target` hold the rows of `source` and no others, within their transactions."""
    if target.dialect.name == "postgresql":
        names = ", ".join(table.name for table in Base.metadata.sorted_tables)
        target.execute(text(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE"))
    for table in reversed(TABLES):
        target.execute(delete(table))
    there = set(inspect(source).get_table_names())
    for table in TABLES:
        for rows in _chunks(source, table) if table.name in there else ():
            target.execute(insert(table), rows)
        if target.dialect.name == "postgresql" and isinstance(key_of(table).type, Whole):
            last = f"(SELECT max(id) FROM {table.name})"
            sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
            target.execute(text(f"SELECT setval({sequence}, coalesce({last}, 1), {last} IS NOT NULL)"))
    about = source.execute(select(About.uuid, About.created_at)).one()
    target.execute(update(About).values(uuid=about.uuid, created_at=about.created_at))


def _chunks(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table in the order of its key, so many at a time that they take little memory.

    What a table of an older version lacks is left out: it has a default.
    """
    known = {column["name"] for column in inspect(connection).get_columns(table.name)}
    columns = [column for column in table.columns if column.name in known]
    key, size = key_of(table), func.coalesce(func.length(table.c.mask), 0) if "mask" in table.c else literal(0)
    after: Any = None
    while True:
        query = select(key, size.label("size")).order_by(key).limit(KEYS_AT_ONCE)
        found = connection.execute(query if after is None else query.where(key > after)).all()
        if not found:
            return
        begin, total = 0, 0
        for n, row in enumerate(found):
            total += row.size
            if total >= CHUNK_BYTES or n == len(found) - 1:
                rows = connection.execute(select(*columns).where(key.between(found[begin][0], row[0])).order_by(key))
                yield [dict(item) for item in rows.mappings()]
                begin, total = n + 1, 0
        after = found[-1][0]


def key_of(table: Table) -> Column[Any]:
    """The column that tells the rows of a table apart."""
    (key,) = table.primary_key.columns
    return key
