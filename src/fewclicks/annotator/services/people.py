"""The people who may sign in, as the server asks for them: by link, by password, by role."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

from fewclicks.annotator.store.people import People
from fewclicks.annotator.store.records import Member, Role
from fewclicks.annotator.store.tables import ROLES
from fewclicks.errors import InputError, MissingExtra

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was added or given a new link. `token` is shown once, and kept nowhere."""

    member: Member
    token: str | None


class Directory:
    """The people of one database. Threads may share it; `refresh` reads what other servers have changed."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._lock = threading.Lock()
        self._members: dict[str, Member] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the list anew."""
        members = {member.name: member for member in self._people.members()}
        with self._lock:
            self._members = members

    @property
    def members(self) -> list[Member]:
        """All, by name, also those that were removed."""
        with self._lock:
            return list(self._members.values())

    @property
    def has_active(self) -> bool:
        """Whether anybody may sign in by a name."""
        return any(member.active for member in self.members)

    @property
    def has_passwords(self) -> bool:
        """Whether anybody may sign in by a password."""
        return any(member.active and member.password for member in self.members)

    def member(self, name: str) -> Member | None:
        """Who has this name and may sign in."""
        with self._lock:
            found = self._members.get(name)
        return found if found and found.active else None

    def of_link(self, token: str) -> Member | None:
        """Whose link has this token, compared in constant time."""
        key, found = link_hash(token), None
        for member in self.members:
            if member.link and hmac.compare_digest(member.link, key) and member.active:
                found = member
        return found

    def of_password(self, name: str, password: str) -> Member | None:
        """Who has this name and password; None if nobody has. Takes as long for a name that nobody has."""
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        found = next((one for one in self.members if one.name.casefold() == name.strip().casefold()), None)
        kept = found.password if found and found.active and found.password else _nobody()
        try:
            PasswordHasher().verify(kept, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return None
        return found if found and found.active and found.password else None

    def stamp_of(self, name: str) -> str | None:
        """Give what changes when somebody gets another password or link; None if they may not sign in."""
        found = self.member(name)
        return link_hash(f"{found.id} {found.password} {found.link}") if found else None

    def role_of(self, name: str) -> Role:
        """What somebody may do. Whom the list does not name has a token of the server itself, and may do all."""
        with self._lock:
            found = self._members.get(name)
        return found.role if found else "admin"

    def add(self, name: str, role: str, password: str | None = None, link: bool = True, person: str = "") -> Invited:
        """Add somebody, with a password, a link, or both. InputError without either."""
        if not password and not link:
            raise InputError("somebody without a password or a link cannot sign in; give one")
        token = secrets.token_urlsafe(32) if link else None
        hashed = password_hash(password) if password else ""
        member = self._people.add(name, role, hashed, link_hash(token) if token else "", person)
        self.refresh()
        return Invited(member, token)

    def change(
        self,
        member_id: str,
        role: str | None = None,
        password: str | None = None,
        link: bool | None = None,
        active: bool | None = None,
        person: str = "",
    ) -> Invited:
        """Give somebody another role or password ("": none), a new link or (False) none; remove them or let them in."""
        token = secrets.token_urlsafe(32) if link else None
        hashed = password and password_hash(password)
        hidden = None if link is None else link_hash(token) if token else ""
        member = self._people.change(member_id, role, hashed, hidden, active, person)
        self.refresh()
        return Invited(member, token)


def may(role: Role, needed: Role) -> bool:
    """Whether a role may do what another one may."""
    return ROLES.index(role) >= ROLES.index(needed)


def link_hash(token: str) -> str:
    """What is kept of the token of a link. It is long and random, so that a plain hash keeps it secret."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def password_hash(password: str) -> str:
    """What is kept of a password: argon2id. InputError for one that is easily guessed, or endless."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD or len(set(password)) < 5:
        raise InputError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} letters, 5 of them different")
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MissingExtra(f"passwords need argon2-cffi ({error}); pip install 'fewclicks[annotate]'") from None
    return PasswordHasher().hash(password)


_dummy: list[str] = []


def _nobody() -> str:
    """The hash of a password that nobody has."""
    if not _dummy:
        _dummy.append(password_hash(secrets.token_urlsafe(16)))
    return _dummy[0]
