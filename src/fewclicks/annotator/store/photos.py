"""The classes and the photos of a store."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self, cast

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.records import MAX_NAME, ClassInfo, PhotoInfo, printable
from fewclicks.annotator.store.tables import About, ClassRow, ObjectRow, PhotoRow
from fewclicks.errors import Conflict, InputError, StoreError, UnknownName
from fewclicks.formats.annotations import PhotoState

COLOURS = (
    "#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#f032e6", "#bfef45", "#469990", "#9a6324",
    "#808000", "#000075",
)  # fmt: skip
"""Those of new classes, in turn."""
HEX_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def in_counting_order(name: str) -> list[tuple[str, int, str]]:
    """Give a key to sort names by as people do: photo2 before photo10, 1 before a, A beside a."""
    parts = re.findall(r"[0-9]+|[^0-9]", name.casefold())
    key = [("0", int(part), part) if part[0] in "0123456789" else (part, 0, "") for part in parts]
    return [*key, ("", 0, name)]


class Catalogue:
    """Classes and photos of a database (see `database.Database`). Threads may share it."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        self._db = Database(source)

    @property
    def name(self) -> str:
        """The URL of the database, without the password."""
        return self._db.name

    @property
    def id(self) -> str:
        """A UUID that this database has and no other."""
        return self._db.id

    def close(self) -> None:
        """Close all connections."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def checkpoint(self) -> None:
        """See `Database.checkpoint`."""
        self._db.checkpoint()

    def classes(self) -> list[ClassInfo]:
        """All classes, in the order they were made."""
        with self._db.reading() as session:
            return [_class_info(row) for row in session.scalars(select(ClassRow).order_by(ClassRow.id))]

    def add_class(self, name: str, colour: str | None = None, key: str | None = None) -> ClassInfo:
        """A new class. None: the next colour, and the next free digit. InputError if there is one of that name."""
        with self._db.writing() as session:
            _alone(session)
            rows = list(session.scalars(select(ClassRow)))
            free = [digit for digit in "1234567890" if digit not in {row.key for row in rows}]
            colours = Counter(row.colour for row in rows)
            row = ClassRow(
                name=_class_name(name, rows),
                colour=_colour(colour or min(COLOURS, key=lambda c: colours[c])),
                key=_key(key, rows) if key is not None else next(iter(free), None),
            )
            session.add(row)
            session.flush()
            return _class_info(row)

    def change_class(
        self, class_id: int, name: str | None = None, colour: str | None = None, key: str | None = None
    ) -> ClassInfo:
        """Give a class another name, colour or digit ("": none)."""
        with self._db.writing() as session:
            _alone(session)
            row = _class_row(session, class_id)
            others = list(session.scalars(select(ClassRow).where(ClassRow.id != class_id)))
            if name is not None:
                row.name = _class_name(name, others)
            if colour is not None:
                row.colour = _colour(colour)
            if key is not None:
                row.key = _key(key, others) if key else None
            session.flush()
            return _class_info(row)

    def remove_class(self, class_id: int) -> None:
        """Remove a class; Conflict if there are objects of it, also deleted ones, since they can be restored."""
        with self._db.writing() as session:
            _alone(session)
            row = _class_row(session, class_id)
            count = session.scalar(select(func.count()).where(ObjectRow.class_id == class_id))
            if count:
                raise Conflict(f"{count} objects are of the class '{row.name}'; give them another class first")
            session.delete(row)

    def add_photos(self, names: Iterable[str]) -> None:
        """Make photos of these names known; those that are already stay as they are."""
        wanted = set(names)
        with self._db.reading() as session:
            known = set(session.scalars(select(PhotoRow.name)))
        if not wanted - known:
            return
        with self._db.writing() as session:
            _alone(session)
            known = set(session.scalars(select(PhotoRow.name)))
            session.add_all(PhotoRow(name=name) for name in sorted(wanted - known, key=in_counting_order))

    def photos(self, state: PhotoState | None = None) -> list[PhotoInfo]:
        """All photos, or those in a state, in the order that people count in."""
        wanted = select(PhotoRow) if state is None else select(PhotoRow).where(PhotoRow.state == state)
        with self._db.reading() as session:
            counts = _object_counts(session)
            infos = [_photo_info(row, counts) for row in session.scalars(wanted)]
        return sorted(infos, key=lambda info: in_counting_order(info.name))

    def photo(self, photo_id: int) -> PhotoInfo:
        """A photo; UnknownName if there is none of that id."""
        with self._db.reading() as session:
            return _photo_info(_photo_row(session, photo_id), _object_counts(session, photo_id))

    def photo_named(self, name: str) -> PhotoInfo:
        """A photo by its name; UnknownName if it has not been added."""
        with self._db.reading() as session:
            row = session.scalar(select(PhotoRow).where(PhotoRow.name == name))
            if row is None:
                raise UnknownName(f"no photo '{name}' is known; add it first")
            return _photo_info(row, _object_counts(session, row.id))

    def change_photo(
        self, photo_id: int, state: PhotoState | None = None, hw: tuple[int, int] | None = None
    ) -> PhotoInfo:
        """Set the state ("done", or anything else: what its objects say), and the size, when a photo is first opened.

        StoreError if the size is another than it was and there are objects: they belong to another photo.
        """
        with self._db.writing() as session:
            row = locked_photo(session, photo_id)
            before = (row.state, row.height, row.width)
            if hw is not None:
                known = row.height is not None and (row.height, row.width) != hw
                if known and session.scalar(select(exists().where(ObjectRow.photo_id == photo_id))):
                    was, now = f"{row.width}x{row.height}", f"{hw[1]}x{hw[0]}"
                    cure = "put the first one back, or give the new one another name"
                    raise StoreError(f"the photo '{row.name}' was {was} pixels and is {now} now; {cure}")
                row.height, row.width = hw
            if state is not None:
                row.state = state
                clamp_clicks(session, row)
            row.version += before != (row.state, row.height, row.width)
            session.flush()
            return _photo_info(row, _object_counts(session, photo_id))

    def pulse(self) -> tuple[int, int]:
        """The number of photos and the sum of their versions: another one whenever anything has happened to them."""
        with self._db.reading() as session:
            count, total = session.execute(select(func.count(PhotoRow.id), func.sum(PhotoRow.version))).one()
            return int(count), int(total or 0)

    def photo_versions(self) -> dict[int, int]:
        """Photo id -> version."""
        with self._db.reading() as session:
            return {row.id: row.version for row in session.execute(select(PhotoRow.id, PhotoRow.version))}

    def counts(self) -> dict[PhotoState, int]:
        """How many photos are in each state."""
        with self._db.reading() as session:
            found = session.execute(select(PhotoRow.state, func.count()).group_by(PhotoRow.state))
            numbers = {row[0]: row[1] for row in found}
        states: tuple[PhotoState, ...] = ("untouched", "begun", "done")
        return {state: numbers.get(state, 0) for state in states}


def _alone(session: Session) -> None:
    """Wait until no other transaction changes the lists of classes and photos."""
    session.get_one(About, 1, with_for_update=True)


def locked_photo(session: Session, photo_id: int) -> PhotoRow:
    """The photo, for this transaction alone: all changes of a photo and of its objects begin with this."""
    row = session.get(PhotoRow, photo_id, with_for_update=True)
    if row is None:
        raise UnknownName(f"no photo has the id {photo_id}; look at the list of photos")
    return row


def clamp_clicks(session: Session, photo: PhotoRow) -> None:
    """Set the state of a photo that is not done to what its objects say."""
    if photo.state != "done":
        session.flush()
        photo.state = "begun" if _object_counts(session, photo.id) else "untouched"


def class_exists(session: Session, class_id: int) -> None:
    """UnknownName if there is no such class."""
    _class_row(session, class_id)


def _object_counts(session: Session, photo_id: int | None = None) -> Mapping[int, int]:
    """Photo id -> number of its objects that are not deleted, where there are any."""
    query = select(ObjectRow.photo_id, func.count()).where(~ObjectRow.deleted).group_by(ObjectRow.photo_id)
    if photo_id is not None:
        query = query.where(ObjectRow.photo_id == photo_id)
    return {row[0]: row[1] for row in session.execute(query)}


def _photo_row(session: Session, photo_id: int) -> PhotoRow:
    row = session.get(PhotoRow, photo_id)
    if row is None:
        raise UnknownName(f"no photo has the id {photo_id}; look at the list of photos")
    return row


def _photo_info(row: PhotoRow, counts: Mapping[int, int]) -> PhotoInfo:
    hw = (row.height, row.width) if row.height is not None and row.width is not None else None
    return PhotoInfo(row.id, row.name, hw, cast(PhotoState, row.state), counts.get(row.id, 0), row.version)


def _class_row(session: Session, class_id: int) -> ClassRow:
    row = session.get(ClassRow, class_id)
    if row is None:
        raise UnknownName(f"no class has the id {class_id}; look at the list of classes")
    return row


def _class_info(row: ClassRow) -> ClassInfo:
    if not HEX_COLOUR.fullmatch(row.colour):
        raise ValueError(f"'{row.colour}' where a colour is to be")
    return ClassInfo(row.id, row.name, row.colour, row.key)


def _class_name(name: str, others: Iterable[ClassRow]) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or name != printable(name):
        raise InputError("the name of a class is 1 to 200 letters on one line")
    if name in {row.name for row in others}:
        raise InputError(f"there is a class '{name}' already; choose another name")
    return name


def _colour(colour: str) -> str:
    if not HEX_COLOUR.fullmatch(colour):
        raise InputError(f"a colour is written as #rrggbb, got '{colour}'")
    return colour.lower()


def _key(key: str, others: Iterable[ClassRow]) -> str:
    if not re.fullmatch("[0-9]", key):
        raise InputError(f"the key of a class is one digit, got '{key}'")
    for row in others:
        if row.key == key:
            raise InputError(f"the key {key} belongs to the class '{row.name}'; take it from there first")
    return key
