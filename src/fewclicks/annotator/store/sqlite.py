"""SQLite as the annotator needs it: what was committed stays, and a file that others made is opened with care.

It runs with a write-ahead log and `synchronous=FULL`: what was committed outlives `kill -9` and a power cut, at the
price of one fsync an action, which is little beside a click. Writers begin with the lock they need (BEGIN IMMEDIATE),
so that two of them wait for one another and neither fails half way. Its log needs shared memory: on a network drive it
serves the programs of one machine; for people at several machines there is PostgreSQL.

A folder of photos may come from anywhere, and its database with it. SQL that a file brings along runs only where a
trigger, a view or a virtual table takes part; none does, as each of our tables must be a plain one. What remains, such
as the expression of an index, may call nothing that acts outside of the file (`trusted_schema`), and no value is larger
than `VALUE_BYTES`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text

from fewclicks.errors import StoreError

BUSY_MS = 15_000
"""How long a transaction waits for another process to end its own."""
CLOSE_MS = 1_000
"""How long the last checkpoint of a program waits for others."""
SETTLED_NS = 10**8
"""Times of files are told in ticks that are shorter than this."""
VALUE_BYTES = 64 * 2**20
"""The largest mask or stroke that is read or written: more than noise in a mask of 300 megapixels takes."""

JSON_LETTERS = 4 * 2**20
"""The longest text of a JSON value that is read: four times that of the longest stroke."""

Access: TypeAlias = Literal["share", "read", "alone"]
"""To read and write beside others, to read only, or to write while nobody else is there."""

README = """\
These are the annotations of the photos in the folder above. Leave the files here to fewclicks.

To copy them, also while fewclicks is running:

    fewclicks backup FOLDER FILE        makes one file of all that was annotated (not of the photos)
    fewclicks restore FILE FOLDER       puts it back, here or elsewhere
    fewclicks check FOLDER              tells whether all is well

Do not copy annotations.sqlite alone while fewclicks is running: what was done last is in annotations.sqlite-wal, and
moves over when there is time, and when fewclicks ends. After that this whole folder can be copied.
"""


def engine_of(url: URL, access: Access, hidden: str) -> Engine:
    """An engine whose connections are made ready, and whose transactions begin as they must."""
    file, options = Path(url.database or ""), {"json_deserializer": plain_json}
    if access == "read":
        engine = create_engine(url, creator=lambda: open_to_read(file), poolclass=NullPool, **options)
    elif access == "alone":
        engine = create_engine(url, pool_size=1, max_overflow=0, **options)
        _listen(engine, _alone)
    else:
        engine = create_engine(url, pool_size=8, max_overflow=24, **options)
        _listen(engine, _connected)
    if file.parent.name == hidden:
        _listen(engine, lambda connection: require_no_links(file))
    event.listen(engine, "begin", _begun)
    return engine


def _listen(engine: Engine, ready: Callable[[sqlite3.Connection], object]) -> None:
    """Have each new connection made ready; one that cannot be is closed here, for SQLAlchemy leaves that to chance."""

    def connected(connection: sqlite3.Connection, record: Any) -> None:
        try:
            ready(connection)
        except BaseException:
            connection.close()
            raise

    event.listen(engine, "connect", connected)


def open_to_read(file: Path) -> sqlite3.Connection:
    """A connection that changes nothing, also where nothing can be written; sqlite3.Error if it cannot be opened."""
    log = Path(f"{file}-wal")
    unlogged = not (log.exists() and log.stat().st_size)
    for how in ("mode=ro", *(["immutable=1"] if unlogged and not os.access(file.parent, os.W_OK) else [])):
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, check_same_thread=False)
        try:
            connection.isolation_level = None
            prepare(connection, BUSY_MS)
            connection.execute("SELECT count(*) FROM sqlite_master")
            return connection
        except sqlite3.Error as error:
            connection.close()
            failed = error
    raise failed


def copy(source: Path, target: Path) -> None:
    """Make a new file of all that is committed in another, whoever is writing to that; what is read is one state.

    The copy has no log beside it. sqlite3.Error if it is not sound, or cannot be made.
    """
    with closing(open_to_read(source)) as there, closing(sqlite3.connect(target, isolation_level=None)) as here:
        prepare(here, BUSY_MS)
        there.backup(here)
        seal(here)


def seal(connection: sqlite3.Connection) -> None:
    """Have a file stand for itself, without a log; sqlite3.Error if it is damaged."""
    connection.execute("PRAGMA journal_mode=DELETE")
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError(f"it is damaged: {said}")


def make_folder(file: Path, hidden: str) -> None:
    """Make the folder of a database. One of the name `hidden` is no part of anybody's repository, and explains itself.

    StoreError if it cannot be written, or leads out of the folder of photos, which others may have made.
    """
    folder = file.parent
    if folder.name == hidden:
        require_no_links(file)
    try:
        folder.mkdir(exist_ok=True)
        if folder.name == hidden:
            for name, content in ((".gitignore", "*\n"), ("README.txt", README)):
                with suppress(FileExistsError), open(folder / name, "x", encoding="utf-8") as told:
                    told.write(content)
    except OSError as error:
        cure = "allow it, or keep the annotations elsewhere: --database sqlite:///FILE"
        raise StoreError(f"'{folder}' cannot be written ({error.strerror}); {cure}") from None


def require_no_links(file: Path) -> None:
    """StoreError where the folder of a database, or a file of it, is a link. Asked before it is opened, and after."""
    for place in (file.parent, *(file.with_name(file.name + ending) for ending in ("", "-wal", "-shm", "-journal"))):
        if place.is_symlink():
            cure = f"to keep the annotations there, say so: --database sqlite:///{file.resolve()}"
            raise StoreError(f"'{place}' is a link and is not followed; {cure}")


def require_plain(connection: Connection) -> None:
    """StoreError unless each of our tables is a plain one: no view, no virtual table, no trigger that would run."""
    query = "SELECT type, name, sql FROM sqlite_master WHERE name LIKE 'fewclicks%' OR tbl_name LIKE 'fewclicks%'"
    for kind, name, sql in connection.execute(text(query)):
        words = str(sql).upper().split(maxsplit=2)
        if kind not in ("table", "index") or (kind == "table" and words[:2] != ["CREATE", "TABLE"]):
            kind = "virtual table" if kind == "table" else kind
            cure = "fewclicks makes none, and does not run what others have put there; restore a backup"
            raise StoreError(f"the database has the {kind} '{name!s:.80}'; {cure}")


def plain_json(content: str) -> Any:
    """JSON from a database; ValueError for what fewclicks does not write."""
    if len(content) > JSON_LETTERS:
        raise ValueError(f"a value of {len(content):,} letters")
    return json.loads(content, parse_constant=_no_number)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} where a number is to be")


class Log:
    """The write-ahead log of a database file. `checkpoint` moves what is in it into the file itself."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log = Path(f"{file}-wal")
        self._seen: tuple[int, int] | None = None

    def checkpoint(self) -> None:
        """Move what can be moved without making anybody wait; nothing if nothing was written since the last time."""
        with suppress(OSError):
            found = self._log.stat()
            state = found.st_size, found.st_mtime_ns
            if found.st_size and state != self._seen and self._moved("PASSIVE", 0):
                settled = time.time_ns() - found.st_mtime_ns > SETTLED_NS
                self._seen = state if settled else None  # within a tick of the clock there may be more

    def empty(self) -> None:
        """Move all of it, unless others are reading for long."""
        if self._log.exists():
            self._moved("TRUNCATE", CLOSE_MS)

    def _moved(self, how: str, wait_ms: int) -> bool:
        with suppress(sqlite3.Error, OSError), closing(sqlite3.connect(self._file, isolation_level=None)) as connection:
            require_writable(self._file)
            prepare(connection, wait_ms)
            _, inside, moved = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            return bool(inside == moved)
        return False


def prepare(connection: sqlite3.Connection, busy_ms: int) -> None:
    """Distrust what is in the file, and have what is written reach the disk, not only its cache (as macOS would)."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES)
    for name, value in {
        "busy_timeout": busy_ms,
        "trusted_schema": "OFF",
        "cell_size_check": "ON",
        "mmap_size": 0,
        "synchronous": "FULL",
        "fullfsync": "ON",
        "checkpoint_fullfsync": "ON",
        "foreign_keys": "ON",
    }.items():
        connection.execute(f"PRAGMA {name}={value}")


def _connected(connection: sqlite3.Connection) -> None:
    connection.isolation_level = None  # transactions begin where `_begun` says, not where the driver guesses
    prepare(connection, BUSY_MS)
    _write_ahead(connection)


def _alone(connection: sqlite3.Connection) -> None:
    """Have the file for this connection only, until it ends; StoreError if another program has it open."""
    connection.isolation_level = None
    prepare(connection, CLOSE_MS)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    try:  # leaving the write-ahead log is refused as long as anybody else is connected
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        mode = "wal"
    if mode != "delete":
        raise StoreError("the annotations are in use; stop `fewclicks annotate` there first, then try again")


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


def require_writable(file: Path) -> None:
    """OSError if nothing can be written to a database file, as where its disk has failed and became read-only.

    SQLite maps a file beside it into memory: a write to that would then end this process (SIGBUS), without a word.
    """
    os.utime(file)


def _begun(connection: Connection) -> None:
    if connection.get_execution_options().get("writes"):
        require_writable(Path(connection.engine.url.database or ""))
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")
