"""The journal of photos and of the folder: what was done that is no change of an object."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.records import NO_LETTERS, Event
from fewclicks.annotator.store.tables import PERSON_LETTERS, EventRow
from fewclicks.errors import UnknownName

MOST = 1000
"""Lines of a journal that are read: the latest."""


def person_name(name: str) -> str:
    """A person's name as any database holds it: letters on one line. Joiners stay: names are written with them."""
    return "".join(c for c in name if unicodedata.category(c) not in NO_LETTERS).strip()[:PERSON_LETTERS]


def note_event(session: Session, photo_id: int | None, kind: str, payload: Mapping[str, Any], person: str) -> str:
    """Write down what is done in this transaction to a photo, or (None) to the folder. Gives the id of the line."""
    row = EventRow(id=str(uuid.uuid4()), photo_id=photo_id, kind=kind, payload=dict(payload))
    row.person = person_name(person)
    session.add(row)
    return row.id


class Events:
    """Reads that journal. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of_photo(self, photo_id: int) -> list[Event]:
        """What was done to a photo, oldest first; of more than MOST the latest."""
        return self._latest(photo_id)

    def of_folder(self) -> list[Event]:
        """What was done to the folder: its classes, its people."""
        return self._latest(None)

    def event(self, event_id: str) -> Event:
        """One line; UnknownName if there is none of that id."""
        with self._db.reading() as session:
            row = session.get(EventRow, event_id)
            if row is None:
                raise UnknownName(f"nothing was done under the id {event_id}; look at the journal")
            return _event(row)

    def of_kind(self, kind: str, of_photos: bool) -> list[Event]:
        """All lines of a kind, oldest first: those of photos, or those of the folder."""
        where = EventRow.photo_id.is_not(None) if of_photos else EventRow.photo_id.is_(None)
        query = select(EventRow).where(EventRow.kind == kind, where).order_by(EventRow.created_at, EventRow.id)
        with self._db.reading() as session:
            return [_event(row) for row in session.scalars(query)]

    def note(self, photo_id: int | None, kind: str, payload: Mapping[str, Any], person: str) -> None:
        """Write a line that is about no change of a row."""
        with self._db.writing() as session:
            note_event(session, photo_id, kind, payload, person)

    def _latest(self, photo_id: int | None) -> list[Event]:
        where = EventRow.photo_id.is_(None) if photo_id is None else EventRow.photo_id == photo_id
        query = select(EventRow).where(where).order_by(EventRow.created_at.desc(), EventRow.id.desc()).limit(MOST)
        with self._db.reading() as session:
            return [_event(row) for row in session.scalars(query)][::-1]


def _event(row: EventRow) -> Event:
    return Event(row.id, row.photo_id, row.kind, row.payload, row.person, row.created_at)
