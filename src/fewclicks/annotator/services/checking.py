"""Whether a database of annotations is as it must be: its file, its references, and that the journal gives its masks.

    the file          SQLite's own integrity check; the version and the columns of the tables
    references        every object has a photo and a class, every line of the journal an object
    the journal       undone and done again as it says, it gives the versions and the actions that are kept
    masks             each can be unpacked, fits its photo, and has the box and the area that are told
    replay            strokes, cleaning and masks are done again on the mask before them: the same, bit for bit

What a click gave is what a model thought, so a click is done again only where the very model is at hand (`Replayer`).
Without it what follows from the rest is checked: which clicks count, how many pixels changed, that painted pixels stay.

One object is looked at after another, one mask at a time: memory does not grow with the database.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import exists, func, inspect, select, text, type_coerce
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from fewclicks.annotator.editing.actions import KINDS, PROMPTS
from fewclicks.annotator.editing.apply import hw_of
from fewclicks.annotator.editing.replay import MaskReplay, Replayer
from fewclicks.annotator.store import rows
from fewclicks.annotator.store.classes import HEX_COLOUR
from fewclicks.annotator.store.database import Database, cause_of
from fewclicks.annotator.store.tables import SCHEMA, About, ActionRow, Base, ClassRow, ObjectRow, PhotoRow
from fewclicks.errors import FewClicksError, InputError, StoreError, counted, one_line
from fewclicks.images.reading import MAX_PIXELS
from fewclicks.predictor import State

KEYS_AT_ONCE = 1000
FIRST_TABLES = {row.__tablename__ for row in (About, ClassRow, PhotoRow, ObjectRow, ActionRow)}
"""Those that databases of every version have."""
UNREADABLE = (SQLAlchemyError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What reading a row raises that fewclicks did not write."""
FAULTS_OF_A_FILE = 20
"""Of a damaged file so many are named: each would be followed by many more."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it must be."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(slots=True)
class Checked:
    """What was looked at, counted while `check` goes on."""

    version: int = 0
    absent: set[Any] = field(default_factory=set)
    """Columns that a database of an older version lacks."""
    classes: int = 0
    photos: int = 0
    objects: int = 0
    lines: int = 0
    """Of the journal."""
    exact: int = 0
    """Masks that were computed again, and are the kept ones."""
    by_rule: int = 0
    """Masks of clicks and thresholds that only a model can compute again."""
    models: set[str] = field(default_factory=set)
    """Those of clicks that were not computed again."""


def check(source: Any, replayer: Replayer | None = None, checked: Checked | None = None) -> Iterator[Fault]:
    """The faults of a database (a folder, a URL, or an open `Database`), each as soon as it is found.

    `replayer` computes clicks again. `checked` is counted up. StoreError if it cannot be opened at all.
    """
    checked = Checked() if checked is None else checked
    try:
        database = source if isinstance(source, Database) else Database(source, "read")
    except StoreError as error:
        if getattr(getattr(error.__cause__, "orig", None), "sqlite_errorcode", None) != sqlite3.SQLITE_CORRUPT:
            raise
        yield Fault("the file", cause_of(error))
        return
    try:
        checked.version = database.version() or 0
        with database.reading() as session:
            whole = True
            for fault in (*_file(session), *_tables(session, checked)):
                whole = False
                yield fault
            if whole:
                yield from _references(session)
                yield from _classes(session, checked)
                yield from _photos(session, checked)
                yield from _objects(session, replayer, checked)
    except FewClicksError as error:
        yield Fault("the database", one_line(error, None))
    finally:
        if database is not source:
            database.close()


def _file(session: Session) -> Iterator[Fault]:
    if session.connection().dialect.name == "sqlite":
        for (said,) in session.execute(text(f"PRAGMA integrity_check({FAULTS_OF_A_FILE})")):
            if said != "ok":
                yield Fault("the file", str(said))


def _tables(session: Session, checked: Checked) -> Iterator[Fault]:
    seen = inspect(session.connection())
    for table in Base.metadata.sorted_tables:
        if not seen.has_table(table.name):
            checked.absent |= {*table.columns}
            if checked.version == SCHEMA or table.name in FIRST_TABLES:
                yield Fault(table.name, "the table is missing")
            continue
        there = {column["name"] for column in seen.get_columns(table.name)}
        missing = {column for column in table.columns if column.name not in there}
        checked.absent |= missing
        if missing and checked.version == SCHEMA:
            yield Fault(table.name, f"columns are missing: {', '.join(sorted(column.name for column in missing))}")


def _references(session: Session) -> Iterator[Fault]:
    wanted = (
        (ActionRow.id, ActionRow.object_id, ObjectRow.id, "the line {} of the journal", "an object"),
        (ObjectRow.id, ObjectRow.photo_id, PhotoRow.id, "the object {}", "a photo"),
        (ObjectRow.id, ObjectRow.class_id, ClassRow.id, "the object {}", "a class"),
    )
    for key, reference, target, name, what in wanted:
        lost = select(type_coerce(key, NullType()), type_coerce(reference, NullType()))
        for row in session.execute(lost.where(~exists().where(target == reference))):
            yield Fault(name.format(row[0]), f"it is of {what} that there is not: {row[1]!s:.80}")


def _each(session: Session, kind: Any, *conditions: Any) -> Iterator[Any]:
    """The keys of a table's rows, in order, whatever their type."""
    after = None
    while True:
        query = select(type_coerce(kind.id, NullType())).where(*conditions).order_by(kind.id).limit(KEYS_AT_ONCE)
        keys = session.scalars(query if after is None else query.where(kind.id > type_coerce(after, NullType()))).all()
        yield from keys
        if len(keys) < KEYS_AT_ONCE:
            return
        after = keys[-1]


def _read_each(session: Session, checked: Checked, kind: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """The key and the values of each of a table's rows, in order; a Fault in place of those that cannot be read."""
    for key in _each(session, kind):
        try:
            row = _read(session, checked, kind, key)
        except UNREADABLE as error:
            row = Fault(f"the {name} {key!s:.80}", cause_of(error))
        yield key, row


def _read(session: Session, checked: Checked, kind: Any, key: Any, *without: str) -> Any:
    """The values of a row, some columns left out; an error if they are not what the columns hold."""
    columns = [c for c in kind.__table__.columns if c.name not in without and c not in checked.absent]
    return session.execute(select(*columns).where(kind.id == type_coerce(key, NullType()))).one()


def _classes(session: Session, checked: Checked) -> Iterator[Fault]:
    for key, row in _read_each(session, checked, ClassRow, "class"):
        checked.classes += 1
        if isinstance(row, Fault):
            yield row
            continue
        if not HEX_COLOUR.fullmatch(row.colour):
            yield Fault(f"the class '{row.name}'", f"its colour is '{row.colour}', not #rrggbb")
        if not row.name.strip() or not row.name.isprintable():
            yield Fault(f"the class {key}", f"its name is no text on one line: {row.name!r:.80}")


def _photos(session: Session, checked: Checked) -> Iterator[Fault]:
    for key, row in _read_each(session, checked, PhotoRow, "photo"):
        checked.photos += 1
        if isinstance(row, Fault):
            yield row
            continue
        where = f"the photo '{row.name!s:.200}'"
        path = PurePosixPath(row.name)
        if not path.name or path.is_absolute() or ".." in path.parts or "\0" in row.name:
            yield Fault(where, "its name leads out of the folder")
        sides = (row.width, row.height)
        if sides != (None, None) and not (all(side and side > 0 for side in sides) and _pixels(sides) <= MAX_PIXELS):
            yield Fault(where, f"its size is {row.width}x{row.height}")
        of_it = ObjectRow.photo_id == type_coerce(key, NullType())
        objects = session.scalar(select(func.count()).where(of_it)) or 0
        shown = session.scalar(select(func.count()).where(of_it, ~ObjectRow.deleted)) or 0
        lines = session.scalar(select(func.count(ActionRow.id)).join(ObjectRow).where(of_it)) or 0
        if row.version < 1 + objects + lines:
            yield Fault(where, f"its version is {row.version}, but {counted(objects + lines, 'change', 'is')} known")
        if row.state != "done" and row.state != ("begun" if shown else "untouched"):
            yield Fault(where, f"it is {row.state} with {counted(shown, 'object')}")


def _pixels(sides: tuple[int | None, ...]) -> int:
    return math.prod(side or 0 for side in sides)


def _objects(session: Session, replayer: Replayer | None, checked: Checked) -> Iterator[Fault]:
    for photo_id in _each(session, PhotoRow):
        try:
            photo = _read(session, checked, PhotoRow, photo_id)
            hw = photo.height or 0, photo.width or 0
        except UNREADABLE:
            continue  # it was told
        if not 0 <= hw[0] * hw[1] <= MAX_PIXELS:
            continue
        start = None
        for key in _each(session, ObjectRow, ObjectRow.photo_id == type_coerce(photo_id, NullType())):
            checked.objects += 1
            where = f"the object {key!s:.40} on '{photo.name!s:.200}'"
            try:
                row = _read(session, checked, ObjectRow, key)
                journal = Journal(session, checked, row)
                if replayer and start is None and journal.alive:
                    start = _start(replayer, photo_id, hw)
            except (*UNREADABLE, FewClicksError) as error:
                yield Fault(where, cause_of(error))
                continue
            for what in journal.wrong:
                yield Fault(where, what)
            replay = MaskReplay(hw, replayer, start)
            for number, line_id in enumerate(journal.alive, 1):
                for place, what in _replayed(session, checked, replay, line_id, number, hw):
                    yield Fault(f"{where}, action {number}{place}", what)


def _start(replayer: Replayer, photo_id: int, hw: tuple[int, int]) -> State:
    start = replayer.start_of(photo_id)
    if hw_of(start) != hw:
        now = hw_of(start)
        raise InputError(
            f"the photo was {hw[1]}x{hw[0]} pixels and is {now[1]}x{now[0]} now, so no click is done again"
        )
    return start


def _replayed(
    session: Session, checked: Checked, replay: MaskReplay, line_id: int, number: int, hw: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    """What is wrong with an action that is done or can be redone, each with its kind."""
    try:
        row = _read(session, checked, ActionRow, line_id)
        if row.number != number:
            yield "", f"it is kept as number {row.number}"
        if row.mask is None:
            yield "", "its mask is not kept"
        entry = rows.entry(row, hw)
    except (*UNREADABLE, FewClicksError) as error:
        yield "", cause_of(error)
        return
    how, wrong = replay.after(entry, row.predictor)
    if how == "exact":
        checked.exact += 1
    else:
        checked.by_rule += 1
        if entry.action.kind in PROMPTS or entry.action.kind == "choose":
            checked.models.add(row.predictor)
    for what in wrong:
        yield f" ({entry.action.kind})", what


class Journal:
    """The lines of one object, gone through as they were written: what they leave must be what is kept."""

    def __init__(self, session: Session, checked: Checked, row: Any) -> None:
        self.wrong: list[str] = []
        self.alive: list[int] = []
        """The lines of the actions that are done or can be redone, in their order."""
        self._version, self._mask_version, self._done = 1, 1, 0
        self._known: dict[str, Any] = {}
        numbers: dict[int, int | None] = {}
        for key in _each(session, ActionRow, ActionRow.object_id == row.id):
            checked.lines += 1
            try:
                line = _read(session, checked, ActionRow, key, "mask")
                numbers[key] = line.number
                self._go_on(line)
            except (*UNREADABLE, FewClicksError) as error:
                self.wrong.append(f"the line {key} of the journal: {cause_of(error)}")
        here = set(self.alive)
        lingering = sum(number is not None and key not in here for key, number in numbers.items())
        if lingering:
            self.wrong.append(f"{counted(lingering, 'action', 'is')} kept that the journal has taken back")
        kept = (row.version, row.mask_version, row.done)
        given = (self._version, self._mask_version, self._done)
        if kept != given:
            words = "version {}, version of the mask {}, actions done: {}"
            self.wrong.append(f"it has {words.format(*kept)}; the journal gives {words.format(*given)}")
        for name, value in self._known.items():
            if getattr(row, name, value) != value:
                self.wrong.append(f"its {name} is {getattr(row, name)!r:.80}; the journal gives {value!r:.80}")

    def _go_on(self, line: Any) -> None:
        self._version += 1
        payload = rows.fields(line.payload)
        if line.version != self._version:
            self.wrong.append(f"the line {line.id} has the version {line.version}, not {self._version}")
            self._version = line.version
        if line.kind in KINDS:
            self.alive[self._done :] = [line.id]
            self._done += 1
        elif line.kind in ("undo", "redo"):
            self._done += 1 if line.kind == "redo" else -1
            if not 0 <= self._done <= len(self.alive) or payload.get("done") != self._done:
                self.wrong.append(f"the line {line.id}, {line.kind}, does not follow from those before")
                self._done = min(max(self._done, 0), len(self.alive))
        elif line.kind == "change":
            before, after = rows.fields(payload["before"]), rows.fields(payload["after"])
            if any(name in self._known and self._known[name] != value for name, value in before.items()):
                self.wrong.append(f"the line {line.id} changes what was something else before")
            self._known |= after
            return
        else:
            self.wrong.append(f"the line {line.id} is of a kind that there is not: '{line.kind}'")
            return
        self._mask_version = line.version
