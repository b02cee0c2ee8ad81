"""The database of annotations: opening it, and its transactions. Any that SQLAlchemy knows; SQLite if none is named.

What is special about SQLite is in `sqlite`.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from fewclicks.annotator.store import sqlite
from fewclicks.annotator.store.migrations import STEPS, migrate
from fewclicks.annotator.store.tables import SCHEMA, About, Base
from fewclicks.errors import FewClicksError, MissingExtra, StoreError, one_line

PLACE = Path(".fewclicks") / "annotations.sqlite"
"""Where the annotations of a folder lie if no database is named."""

POSTGRES_LOCK = 0xFEC71C
"""The number of the advisory lock under which the tables are made."""


log = logging.getLogger(__name__)


class Database:
    """One database; threads may share it. `source`: a SQLAlchemy URL, or the folder of the photos.

    With `access` "share" its tables are made where there are none, and older ones brought up; with "read" all stays as
    it is, and there must be some; with "alone" nobody else may have it open. MissingExtra without its driver,
    StoreError if it cannot be opened, is in use, or is newer than this fewclicks.
    """

    def __init__(self, source: str | os.PathLike[str], access: sqlite.Access = "share") -> None:
        url = url_of(source)
        self.name = url.render_as_string(hide_password=True)
        self._program = f"fewclicks {uuid.uuid4()}"
        self._engine = self._made(url, access)
        reads = {"isolation_level": "REPEATABLE READ"} if url.get_backend_name() == "postgresql" else {}
        self._reading = self._engine.execution_options(**reads)
        self._writing = self._engine.execution_options(writes=True)
        self.file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
        """Of SQLite."""
        self._log = sqlite.Log(self.file) if self.file and access == "share" else None
        try:
            if access == "read":
                self._require_known(self.version())
            else:
                self._prepare()
            with self.reading() as session:
                self.id = session.scalars(select(About.uuid)).one()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close all connections. A SQLite file is then complete without its log, unless others are reading it."""
        if self._log:
            self._log.empty()
        self._engine.dispose()

    def checkpoint(self) -> None:
        """Move what was written last into the file of a SQLite database; elsewhere nothing. Nobody waits for it."""
        if self._log:
            self._log.checkpoint()

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
            cure = "check that it can be reached and written, and that its disk is not full"
            raise StoreError(f"the database {self.name} does not do as asked ({cause_of(error)}); {cure}") from error
        except FewClicksError:
            raise
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            log.error("the database %s holds what is not understood", self.name, exc_info=True)
            raise StoreError(
                f"the database {self.name} holds something that fewclicks does not write ({cause_of(error)}); "
                "find out what by: fewclicks check FOLDER"
            ) from error

    def _made(self, url: URL, access: sqlite.Access) -> Engine:
        backend = url.get_backend_name()
        if backend == "sqlite":
            return self._made_of_file(url, access)
        named = {"application_name": self._program} if backend == "postgresql" else {}
        options = {"json_deserializer": sqlite.plain_json, "connect_args": named}
        try:
            engine = create_engine(url, pool_size=8, max_overflow=24, **options)
        except ImportError as error:
            cure = "pip install 'fewclicks[postgresql]'" if backend == "postgresql" else "install it with pip"
            raise MissingExtra(f"the driver of the database {self.name} is not installed ({error}); {cure}") from None
        except (NoSuchModuleError, ArgumentError) as error:
            raise StoreError(f"there is no database of the kind {self.name} ({error}); try postgresql://") from None
        event.listen(engine, "checkout", _asked)
        return engine

    def _made_of_file(self, url: URL, access: sqlite.Access) -> Engine:
        if not url.database or url.database == ":memory:":
            raise StoreError("a database in memory would lose the annotations; name a file: sqlite:///FILE")
        file = Path(url.database)
        if access != "read":
            sqlite.make_folder(file, PLACE.parent.name)
        elif not file.is_file():
            raise StoreError(f"there is no database at '{file}'; check the path")
        return sqlite.engine_of(url, access, PLACE.parent.name)

    def require_alone(self, session: Session) -> None:
        """StoreError if other programs of fewclicks have a PostgreSQL database open; of SQLite see `access`."""
        if session.connection().dialect.name == "postgresql":
            others = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name LIKE 'fewclicks %' AND application_name <> :own"
            )
            if session.scalar(others, {"own": self._program}):
                raise StoreError("the annotations are in use; stop `fewclicks annotate` there first, then try again")

    def _prepare(self) -> None:
        """Make the tables where they are not, and bring older ones up; StoreError if they are newer than this code."""
        if self.version() != SCHEMA:
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

    def version(self) -> int | None:
        """That of its tables; None where there are none."""
        with self._said(), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                sqlite.require_plain(connection)
            return version_of(connection)

    def _require_known(self, version: int | None) -> None:
        """StoreError for tables that this code knows no way from."""
        if version is None:
            raise StoreError(f"nothing was annotated in {self.name} yet, or it is another program's; check the name")
        if version > SCHEMA:
            raise StoreError(
                f"the database {self.name} has the version {version}, this fewclicks knows {SCHEMA}; "
                "update fewclicks: pip install -U fewclicks"
            )
        if version not in (*STEPS, SCHEMA):
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


def _asked(connection: DBAPIConnection, record: Any, proxy: Any) -> None:
    """Have a connection of the pool made anew if it is dead. SQLAlchemy's own ping does not catch OSErrors."""
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError from error


def cause_of(error: Exception) -> str:
    """Say in one line what went wrong, in the words of the database's driver where they are in the error."""
    return one_line(getattr(error, "orig", None) or error, 300)
