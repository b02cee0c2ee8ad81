"""Comments of reviewers and annotators on photos: pinned to a place, to an object, or to the whole photo."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.events import note_event, person_name
from fewclicks.annotator.store.photos import locked_photo
from fewclicks.annotator.store.records import Comment, uuid_of
from fewclicks.annotator.store.tables import TEXT_LETTERS, CommentRow, ObjectRow
from fewclicks.errors import InputError, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComment:
    """A comment to be written. `x` and `y`: the place on the photo in its pixels; `object_id`: what it is about."""

    photo_id: int
    text: str
    x: float | None = None
    y: float | None = None
    object_id: str | None = None


class Comments:
    """The comments of a database. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of_photo(self, photo_id: int, deleted: bool = False) -> list[Comment]:
        """Those of a photo, oldest first."""
        query = select(CommentRow).where(CommentRow.photo_id == photo_id)
        query = query.order_by(CommentRow.created_at, CommentRow.id)
        with self._db.reading() as session:
            return [_comment(row) for row in session.scalars(query) if deleted or not row.deleted]

    def comment(self, comment_id: str) -> Comment:
        """One comment, deleted or not; UnknownName if there is none of that id."""
        with self._db.reading() as session:
            return _comment(_row(session, comment_id))

    def write(self, comment_id: str, new: NewComment, person: str = "") -> Comment:
        """Write a comment under an id made by the client. One that exists already stays as it is."""
        key = uuid_of(comment_id)
        with self._db.writing() as session:
            photo = locked_photo(session, new.photo_id)
            row = session.get(CommentRow, key)
            if row is not None:
                if row.photo_id != photo.id:
                    raise InputError(f"the comment {key} is on another photo; make a new id")
                return _comment(row)
            x, y = _place(new, photo.width, photo.height)
            if new.object_id is not None:
                found = session.get(ObjectRow, uuid_of(new.object_id))
                if found is None or found.photo_id != photo.id:
                    raise UnknownName(f"no object of '{photo.name}' has the id {new.object_id}; look at its objects")
            object_id = uuid_of(new.object_id) if new.object_id else None
            row = CommentRow(id=key, photo_id=photo.id, object_id=object_id, x=x, y=y, text=_text(new.text))
            row.person = person_name(person)
            session.add(row)
            photo.version += 1
            note_event(session, photo.id, "comment", {"comment": key, "after": {"text": row.text}}, person)
            session.flush()
            return _comment(row)

    def change(
        self,
        comment_id: str,
        text: str | None = None,
        resolved: bool | None = None,
        deleted: bool | None = None,
        person: str = "",
    ) -> Comment:
        """Say it in other words, resolve it or open it again, delete it or bring it back."""
        with self._db.writing() as session:
            photo = locked_photo(session, _row(session, comment_id).photo_id)
            row = session.get_one(CommentRow, uuid_of(comment_id), populate_existing=True)
            wanted = {"text": None if text is None else _text(text), "resolved": resolved, "deleted": deleted}
            news = {name: value for name, value in wanted.items() if value not in (None, getattr(row, name))}
            if news:
                was = {name: getattr(row, name) for name in news}
                for name, value in news.items():
                    setattr(row, name, value)
                if resolved is not None:
                    row.resolved_by = person_name(person) if resolved else ""
                row.version += 1
                photo.version += 1
                note_event(session, photo.id, "comment", {"comment": row.id, "before": was, "after": news}, person)
            session.flush()
            return _comment(row)


def _row(session: Session, comment_id: str) -> CommentRow:
    row = session.get(CommentRow, uuid_of(comment_id))
    if row is None:
        raise UnknownName(f"no comment has the id {comment_id}; look at the comments of the photo")
    return row


def _comment(row: CommentRow) -> Comment:
    return Comment(
        row.id, row.photo_id, row.object_id, row.x, row.y, row.text, row.person, row.resolved, row.resolved_by,
        row.deleted, row.version, row.created_at,
    )  # fmt: skip


def _place(new: NewComment, width: int | None, height: int | None) -> tuple[float | None, float | None]:
    """Where a comment is pinned; InputError beside the photo, or where only one coordinate is given."""
    if new.x is None and new.y is None:
        return None, None
    if new.x is None or new.y is None or not (math.isfinite(new.x) and math.isfinite(new.y)):
        raise InputError("a place on the photo is an x and a y; give both, or none")
    if width and height and not (-0.5 <= new.x <= width - 0.5 and -0.5 <= new.y <= height - 0.5):
        raise InputError(f"the place ({new.x:g}, {new.y:g}) is beside the photo of {width}x{height} pixels")
    return new.x, new.y


def _text(text: str) -> str:
    """What is said, as any database holds it: lines of letters; InputError for nothing, and for too much."""
    kept = "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs")).strip()
    if not 1 <= len(kept) <= TEXT_LETTERS:
        raise InputError(f"a comment has 1 to {TEXT_LETTERS:,} letters, got {len(kept):,}")
    return kept
