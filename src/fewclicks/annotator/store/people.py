"""Who may sign in, and who is here now."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from fewclicks.annotator.store.classes import lock_lists
from fewclicks.annotator.store.database import Database
from fewclicks.annotator.store.events import note_event, person_name
from fewclicks.annotator.store.records import Member, Presence, Role, printable
from fewclicks.annotator.store.tables import ROLES, PersonRow, PresenceRow, now
from fewclicks.errors import Conflict, InputError, UnknownName

NAME_LETTERS = 100
STALE = timedelta(seconds=60)
"""A page that says nothing for so long is gone."""


class People:
    """The people of a database: names, roles, and hashes of passwords and links. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def members(self) -> list[Member]:
        """All that there ever were, by name; those that were removed are not `active`."""
        with self._db.reading() as session:
            return [_member(row) for row in session.scalars(select(PersonRow).order_by(PersonRow.name))]

    def add(self, name: str, role: str, password: str = "", link: str = "", person: str = "") -> Member:
        """Add somebody. InputError if the name is taken, also by one who was removed: the journal has it."""
        with self._db.writing() as session:
            lock_lists(session)
            row = PersonRow(id=str(uuid.uuid4()), name=_free_name(session, name), role=_role(role))
            row.password, row.link = password, link
            session.add(row)
            note_event(session, None, "person", {"person": row.id, "after": {"name": row.name, "role": role}}, person)
            session.flush()
            return _member(row)

    def change(
        self,
        member_id: str,
        role: str | None = None,
        password: str | None = None,
        link: str | None = None,
        active: bool | None = None,
        person: str = "",
    ) -> Member:
        """Give somebody another role, password or link ("": none), remove them or let them in again.

        The journal keeps what changed, of passwords and links only that they did.
        """
        with self._db.writing() as session:
            lock_lists(session)
            row = session.get(PersonRow, member_id)
            if row is None:
                raise UnknownName(f"nobody has the id {member_id}; look at the list of people")
            wanted: dict[str, Any] = {"role": role and _role(role), "password": password, "link": link}
            wanted["active"] = active
            news = {key: value for key, value in wanted.items() if value not in (None, getattr(row, key))}
            if news:
                secret = {key: "changed" for key in news if key in ("password", "link")}
                was = {key: getattr(row, key) for key in news if key not in secret}
                line = {"person": row.id, "before": was, "after": {**news, **secret}}
                for key, value in news.items():
                    setattr(row, key, value)
                row.version += 1
                note_event(session, None, "person", line, person)
            session.flush()
            return _member(row)


class PresenceList:
    """Which pages show which photos, and what is edited there, of all servers of a database. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def present(self) -> list[Presence]:
        """The pages that were heard of within the last minute."""
        query = select(PresenceRow).where(PresenceRow.seen_at > now() - STALE).order_by(PresenceRow.id)
        with self._db.reading() as session:
            return [Presence(row.id, row.photo_id, row.object_id, row.person) for row in session.scalars(query)]

    def arrive(self, page_id: str, photo_id: int, person: str) -> None:
        """Say that a page shows a photo. What it edits on that photo stays as it is."""
        with self._db.writing() as session:
            lock_lists(session)
            row = _page(session, page_id)
            if row.photo_id != photo_id:
                row.object_id = None
            row.photo_id, row.person, row.seen_at = photo_id, person_name(person), now()

    def hold(self, page_id: str, photo_id: int, object_id: str | None, person: str, force: bool = False) -> None:
        """Say what a page edits; None: nothing. Conflict if somebody else edits that, unless it is taken by `force`.

        Pages of one person keep nobody out, nor do those of people without a name: they cannot be told apart.
        """
        person = person_name(person)
        with self._db.writing() as session:
            lock_lists(session)
            if object_id is not None:
                theirs = (PresenceRow.object_id == object_id) & (PresenceRow.person != person)
                query = select(PresenceRow).where(
                    theirs, PresenceRow.id != page_id, PresenceRow.seen_at > now() - STALE
                )
                for other in session.scalars(query).all():
                    if not force:
                        who = other.person or "somebody else"
                        raise Conflict(f"{who} is editing this object; wait until they have finished, or take it over")
                    other.object_id = None
            row = _page(session, page_id)
            row.photo_id, row.object_id, row.person, row.seen_at = photo_id, object_id, person, now()

    def require_free(self, object_id: str, person: str) -> None:
        """Raise Conflict if somebody with another name edits this object now.

        Who has no name keeps nobody out. A page that said nothing for a minute holds nothing.
        """
        with suppress(ValueError):  # that it is no UUID is said where it is looked for
            object_id = str(uuid.UUID(object_id))
        others = (PresenceRow.person != person_name(person)) & (PresenceRow.person != "")
        query = select(PresenceRow.person).where(PresenceRow.object_id == object_id, others)
        with self._db.reading() as session:
            who = session.scalar(query.where(PresenceRow.seen_at > now() - STALE).limit(1))
        if who is not None:
            raise Conflict(f"{who} is editing this object; wait until they have finished, or take it over")

    def leave(self, page_id: str) -> None:
        """Say that a page is closed."""
        with self._db.writing() as session:
            session.execute(delete(PresenceRow).where(PresenceRow.id == page_id))


def _page(session: Session, page_id: str) -> PresenceRow:
    """The row of a page, made where there is none; those of pages that are gone are removed."""
    session.execute(delete(PresenceRow).where(PresenceRow.seen_at <= now() - STALE))
    row = session.get(PresenceRow, page_id)
    if row is None:
        row = PresenceRow(id=page_id, photo_id=0)
        session.add(row)
    return row


def _member(row: PersonRow) -> Member:
    return Member(row.id, row.name, cast(Role, row.role), row.active, row.password, row.link, row.version)


def _role(role: str) -> str:
    if role not in ROLES:
        raise InputError(f"a role is {', '.join(ROLES[:-1])} or {ROLES[-1]}, got '{role:.40}'")
    return role


def _free_name(session: Session, name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= NAME_LETTERS or name != printable(name):
        raise InputError(f"a person's name is 1 to {NAME_LETTERS} letters on one line")
    same = [known for known in session.scalars(select(PersonRow.name)) if known.casefold() == name.casefold()]
    if same:
        raise InputError(f"there is somebody named '{same[0]}' already, or there was; choose another name")
    return name
