"""The database of annotations: opening it, and its transactions. Any that SQLAlchemy knows; SQLite if none is named.

SQLite runs with a write-ahead log and `synchronous=FULL`: what was committed outlives `kill -9` and a power cut, at
the price of one fsync an action, which is little beside a click. Writers begin with the lock they need (BEGIN
IMMEDIATE), so that two of them wait for one another and neither fails half way. Its log needs shared memory: on a
network drive it serves the programs of one machine; for people at several machines there is PostgreSQL.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from fewclicks.annotate.migrations import STEPS, migrate
from fewclicks.annotate.models import SCHEMA, About, Base
from fewclicks.errors import MissingExtra, StoreError

PLACE = Path(".fewclicks") / "annotations.sqlite"
"""Where the annotations of a folder lie if no database is named."""

BUSY_MS = 15_000
"""How long a transaction waits for another process to end its own."""

POSTGRES_LOCK = 0xFEC71C
"""The number of the advisory lock under which the tables are made."""


class Database:
    """One database; threads may share it. `source`: a SQLAlchemy URL, or the folder of the photos.

    MissingExtra without its driver, StoreError if it cannot be opened or is newer than this fewclicks.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        url = url_of(source)
        self.name = url.render_as_string(hide_password=True)
        self._engine = self._made(url)
        reads = {"isolation_level": "REPEATABLE READ"} if url.get_backend_name() == "postgresql" else {}
        self._reading = self._engine.execution_options(**reads)
        self._writing = self._engine.execution_options(writes=True)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with self._said(), Session(self._reading) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed at the end, or not at all if anything is raised."""
        with self._said(), Session(self._writing) as session, session.begin():
            yield session

    @contextmanager
    def _said(self) -> Iterator[None]:
        """SQLAlchemy's errors as ours, in one line."""
        try:
            yield
        except (SQLAlchemyError, OSError) as error:  # drivers let errors of the network through
            cause = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            cure = "check that it can be reached and written, and that its disk is not full"
            raise StoreError(f"the database {self.name} does not do as asked ({cause}); {cure}") from error

    def _made(self, url: URL) -> Engine:
        backend = url.get_backend_name()
        if backend == "sqlite":
            if not url.database or url.database == ":memory:":
                raise StoreError("a database in memory would lose the annotations; name a file: sqlite:///FILE")
            _make_folder(Path(url.database).parent)
        try:
            engine = create_engine(url, pool_size=8, max_overflow=24)
        except ImportError as error:
            cure = "pip install 'fewclicks[postgresql]'" if backend == "postgresql" else "install it with pip"
            raise MissingExtra(f"the driver of the database {self.name} is not installed ({error}); {cure}") from None
        except (NoSuchModuleError, ArgumentError) as error:
            raise StoreError(f"there is no database of the kind {self.name} ({error}); try postgresql://") from None
        if backend == "sqlite":
            event.listen(engine, "connect", _connected)
            event.listen(engine, "begin", _begun)
        else:
            event.listen(engine, "checkout", _asked)
        return engine

    def _prepare(self) -> None:
        """Make the tables where they are not, and bring older ones up; StoreError if they are newer than this code."""
        if self._version() != SCHEMA:
            with self.writing() as session:
                connection = session.connection()
                if connection.dialect.name == "postgresql":
                    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
                version = version_of(connection)  # another program may have been quicker
                if version is None:
                    Base.metadata.create_all(connection)
                    session.add(About(id=1, schema=SCHEMA, uuid=str(uuid.uuid4())))
                elif version != SCHEMA:
                    self._require_known(version)
                    migrate(connection, version)
        with self.reading() as session:
            self.id = session.scalars(select(About.uuid)).one()

    def _version(self) -> int | None:
        with self._said(), self._engine.connect() as connection:
            return version_of(connection)

    def _require_known(self, version: int) -> None:
        """StoreError for tables that this code knows no way from."""
        if version > SCHEMA:
            raise StoreError(
                f"the database {self.name} has the version {version}, this fewclicks knows {SCHEMA}; "
                "update fewclicks: pip install -U fewclicks"
            )
        if version not in STEPS:
            raise StoreError(
                f"the database {self.name} names a version that there never was, or none; restore a backup"
            )


def version_of(connection: Connection) -> int | None:
    """The version of the tables of a database; None where there are none yet."""
    if not inspect(connection).has_table(About.__tablename__):
        return None
    version = connection.execute(select(About.schema)).scalar()
    return -1 if version is None else version


def url_of(source: str | os.PathLike[str]) -> URL:
    """The URL of a database: as given, or that of the SQLite file in a folder of photos."""
    if isinstance(source, os.PathLike) or "://" not in source:
        return URL.create("sqlite", database=os.fspath(Path(source).resolve() / PLACE))
    try:
        url = make_url(source)
    except (ArgumentError, ValueError):
        raise StoreError("the database is no URL; write it as postgresql://USER:PASSWORD@HOST/NAME") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+pg8000")
    return url


def _make_folder(folder: Path) -> None:
    """The folder of a SQLite file; what lies in .fewclicks is no part of anybody's repository."""
    try:
        folder.mkdir(exist_ok=True)
        if folder.name == PLACE.parent.name and not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        cure = "allow it, or keep the annotations elsewhere: --database sqlite:///FILE"
        raise StoreError(f"'{folder}' cannot be written ({error.strerror}); {cure}") from None


def _asked(connection: DBAPIConnection, record: Any, proxy: Any) -> None:
    """Have a connection of the pool made anew if it is dead. SQLAlchemy's own ping does not catch OSErrors."""
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError from error


def _connected(connection: sqlite3.Connection, record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begun` says, not where the driver guesses
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on; all stays as it is where the file system cannot do it.

    Of several that turn it on in a new database at the same time, SQLite refuses some at once, without `busy_timeout`.
    """
    end = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
