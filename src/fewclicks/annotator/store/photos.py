"""The photos of a store, and what else it is made of."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast, get_args

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.classes import ClassCatalogue, lock_lists
from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.events import Events, note_event, person_name
from fewclicks.annotator.store.records import PhotoInfo, printable, printable_lines
from fewclicks.annotator.store.tables import TEXT_LETTERS, CommentRow, ObjectRow, PhotoRow
from fewclicks.errors import InputError, StoreError, UnknownName
from fewclicks.formats.annotations import PhotoState

TAG_LETTERS, MAX_TAGS = 60, 50


def in_counting_order(name: str) -> list[tuple[str, int, str]]:
    """Give a key to sort names by as people do: photo2 before photo10, 1 before a, A beside a."""
    parts = re.findall(r"[0-9]+|[^0-9]", name.casefold())
    key = [("0", int(part), part) if part[0] in "0123456789" else (part, 0, "") for part in parts]
    return [*key, ("", 0, name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoEdit:
    """What is to change about a photo. None: it stays as it is.

    Of the states "done", "accepted" and "returned" are taken as they are; any other becomes what the objects say.
    """

    state: PhotoState | None = None
    assignee: str | None = None
    """The name of who is to do it; "" for nobody."""
    note: str | None = None
    tags: Sequence[str] | None = None


def note_text(text: str) -> str:
    """A note as any database holds it; InputError if it is too long."""
    kept = printable_lines(text).strip()
    if len(kept) > TEXT_LETTERS:
        raise InputError(f"a note has at most {TEXT_LETTERS:,} letters, got {len(kept):,}; shorten it")
    return kept


def tag_names(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags as they are kept, each once; InputError for what is no tag."""
    kept = tuple(dict.fromkeys(printable(tag) for tag in tags))
    if any(not 1 <= len(tag) <= TAG_LETTERS or "," in tag for tag in kept):
        raise InputError(f"a tag is 1 to {TAG_LETTERS} letters on one line, without a comma")
    if len(kept) > MAX_TAGS:
        raise InputError(f"a photo has at most {MAX_TAGS} tags, got {len(kept)}")
    return kept


class Catalogue(ClassCatalogue):
    """Classes and photos of a database (see `database.Database`). Threads may share it."""

    def __init__(self, source: str | os.PathLike[str]) -> None:
        super().__init__(Database(source))
        self.events = Events(self._db)

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

    def add_photos(self, names: Iterable[str]) -> None:
        """Make photos of these names known; those that are already stay as they are."""
        wanted = set(names)
        with self._db.reading() as session:
            known = set(session.scalars(select(PhotoRow.name)))
        if not wanted - known:
            return
        with self._db.writing() as session:
            lock_lists(session)
            known = set(session.scalars(select(PhotoRow.name)))
            session.add_all(PhotoRow(name=name) for name in sorted(wanted - known, key=in_counting_order))

    def photos(self, state: PhotoState | None = None) -> list[PhotoInfo]:
        """All photos, or those in a state, in the order that people count in."""
        with self._db.reading() as session:
            counts, comments = _object_counts(session), _comment_counts(session)
            infos = [_photo_info(row, counts, comments) for row in session.scalars(select(PhotoRow))]
        found = [info for info in infos if state in (None, info.state)]
        return sorted(found, key=lambda info: in_counting_order(info.name))

    def photo(self, photo_id: int) -> PhotoInfo:
        """A photo; UnknownName if there is none of that id."""
        with self._db.reading() as session:
            return _info(session, _photo_row(session, photo_id))

    def photo_named(self, name: str) -> PhotoInfo:
        """A photo by its name; UnknownName if it has not been added."""
        with self._db.reading() as session:
            row = session.scalar(select(PhotoRow).where(PhotoRow.name == name))
            if row is None:
                raise UnknownName(f"no photo '{name}' is known; add it first")
            return _info(session, row)

    def change_photo(
        self,
        photo_id: int,
        state: PhotoState | None = None,
        hw: tuple[int, int] | None = None,
        edit: PhotoEdit | None = None,
        person: str = "",
    ) -> PhotoInfo:
        """Set the state, the size when a photo is first opened, and whatever else `edit` says. The journal keeps it.

        StoreError if the size is another than it was and there are objects: they belong to another photo.
        """
        with self._db.writing() as session:
            row = locked_photo(session, photo_id)
            if hw is not None:
                _set_size(session, row, hw)
            _edit(session, row, edit or PhotoEdit(state=state), person)
            return _info(session, row)

    def change_photos(self, edits: Mapping[int, PhotoEdit], person: str = "") -> list[PhotoInfo]:
        """Change many photos, all of them or none."""
        with self._db.writing() as session:
            rows = [locked_photo(session, photo_id) for photo_id in sorted(edits)]
            for row in rows:
                _edit(session, row, edits[row.id], person)
            session.flush()
            counts, comments = _object_counts(session), _comment_counts(session)
            return [_photo_info(row, counts, comments) for row in rows]

    def take_next(self, names: Iterable[str], person: str) -> PhotoInfo | None:
        """Give a person the next photo of these names that is nobody's and not done; None if there is none.

        Two who ask at once get different photos.
        """
        wanted = set(names)
        with self._db.writing() as session:
            lock_lists(session)
            free = (PhotoRow.assignee == "") & (PhotoRow.state != "done")
            found = session.execute(select(PhotoRow.id, PhotoRow.name).where(free)).all()
            for one in sorted(found, key=lambda row: in_counting_order(row.name)):
                if one.name not in wanted:
                    continue
                row = locked_photo(session, one.id)
                if not row.assignee and row.state != "done":
                    _edit(session, row, PhotoEdit(assignee=person), person)
                    return _info(session, row)
            return None

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
            numbers = Counter(state_of(row.state, row.review) for row in session.execute(_STATES))
        return {state: numbers[state] for state in STATES}


_STATES = select(PhotoRow.state, PhotoRow.review)
STATES: tuple[PhotoState, ...] = get_args(PhotoState)


def state_of(state: str, review: str) -> PhotoState:
    """The state of a photo, from how far it is and what was said of it last."""
    if review == ("accepted" if state == "done" else "returned"):
        return cast(PhotoState, review)
    return cast(PhotoState, state)


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


def _comment_counts(session: Session, photo_id: int | None = None) -> Mapping[int, int]:
    """Photo id -> number of its comments that are not resolved, where there are any."""
    open_ones = ~CommentRow.deleted & ~CommentRow.resolved
    query = select(CommentRow.photo_id, func.count()).where(open_ones).group_by(CommentRow.photo_id)
    if photo_id is not None:
        query = query.where(CommentRow.photo_id == photo_id)
    return {row[0]: row[1] for row in session.execute(query)}


def _info(session: Session, row: PhotoRow) -> PhotoInfo:
    session.flush()
    return _photo_info(row, _object_counts(session, row.id), _comment_counts(session, row.id))


def _photo_info(row: PhotoRow, counts: Mapping[int, int], comments: Mapping[int, int]) -> PhotoInfo:
    hw = (row.height, row.width) if row.height is not None and row.width is not None else None
    return PhotoInfo(
        row.id, row.name, hw, state_of(row.state, row.review), counts.get(row.id, 0), row.version,
        row.assignee, row.note, tuple(map(str, row.tags)), comments.get(row.id, 0),
    )  # fmt: skip


def _edit(session: Session, row: PhotoRow, edit: PhotoEdit, person: str) -> None:
    """Do what an edit says, and write it down."""
    was = _said_of(row)
    if edit.state is not None:
        _set_state(session, row, edit.state)
    if edit.assignee is not None:
        row.assignee = person_name(edit.assignee)
    if edit.note is not None:
        row.note = note_text(edit.note)
    if edit.tags is not None:
        row.tags = list(tag_names(edit.tags))
    now = _said_of(row)
    changed = [name for name in was if was[name] != now[name]]
    if changed:
        row.version += 1
        line = {"before": {name: was[name] for name in changed}, "after": {name: now[name] for name in changed}}
        note_event(session, row.id, "photo", line, person)


def _set_size(session: Session, row: PhotoRow, hw: tuple[int, int]) -> None:
    """Note the size of a photo; StoreError if it has objects and was of another size."""
    if (row.height, row.width) == hw:
        return
    if row.height is not None and session.scalar(select(exists().where(ObjectRow.photo_id == row.id))):
        was, now = f"{row.width}x{row.height}", f"{hw[1]}x{hw[0]}"
        cure = "put the first one back, or give the new one another name"
        raise StoreError(f"the photo '{row.name}' was {was} pixels and is {now} now; {cure}")
    row.height, row.width = hw
    row.version += 1


def _said_of(row: PhotoRow) -> dict[str, Any]:
    """What can be changed of a photo, as the journal has it."""
    return {
        "state": state_of(row.state, row.review),
        "assignee": row.assignee,
        "note": row.note,
        "tags": list(row.tags),
    }


def _set_state(session: Session, row: PhotoRow, state: PhotoState) -> None:
    """Bring a photo into a state; of one that is not done its objects say how far it is."""
    now = state_of(row.state, row.review)
    if state == "done":
        row.state = "done"
        row.review = "returned" if row.review == "returned" else ""
    elif state == "accepted":
        row.state, row.review = "done", "accepted"
    else:
        # One that was sent back, then done, and now is not: it is still sent back.
        stays = state == "returned" or (now == "done" and row.review == "returned")
        row.state, row.review = "begun", "returned" if stays else ""
    clamp_clicks(session, row)
