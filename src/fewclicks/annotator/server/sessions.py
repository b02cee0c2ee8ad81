"""Who is signed in: tokens let people in, sessions remember them, a ticket opens the browser at the start.

A token is what a person knows and a script sends. A browser exchanges it for a session: a random secret of its own, in
a cookie, that ends when the person signs out, when nobody uses it for a week, after a month, and with the server.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fewclicks.annotator.store.records import Role

LIFE_S = 30 * 86400.0
"""No session lasts longer."""
IDLE_S = 7 * 86400.0
"""A session that is not used for so long ends."""
SESSIONS_EACH = 64
"""Sessions of one token; one more ends the one that was not used for longest."""
TICKET_S = 300.0
"""How long the browser may take to open."""
TICKETS = 8
"""Tickets that wait at once."""


@dataclass(slots=True, eq=False)
class Session:
    """One browser that is signed in."""

    person: str
    """Whose token opened it; "" for a token without a name."""
    began: float
    used: float
    stamp: str = ""
    """Of a member of the directory: what changes when they may not go on, as with another password."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end, so that streams that are open end too."""

    def is_over(self, now: float) -> bool:
        """Tell whether it has lasted, or was left alone, for too long."""
        return now - self.began > LIFE_S or now - self.used > IDLE_S

    async def while_open(self, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """Pass a stream on until it or the session ends."""
        over = asyncio.ensure_future(self.ended.wait())
        try:
            while True:
                following = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait((following, over), return_when=asyncio.FIRST_COMPLETED)
                part = following.result() if following.done() else None
                if part is None:
                    following.cancel()
                    return
                yield part
        finally:
            over.cancel()
            await asyncio.wait((following,))
            await stream.aclose()


class People(Protocol):
    """Who may sign in besides those that have a token of the server."""

    @property
    def has_passwords(self) -> bool: ...
    def of_link(self, token: str) -> Named | None: ...
    def of_password(self, name: str, password: str) -> Named | None: ...
    def stamp_of(self, name: str) -> str | None: ...
    def role_of(self, name: str) -> Role: ...


class Named(Protocol):
    """Somebody with a name."""

    @property
    def name(self) -> str: ...


class Sessions:
    """The tokens of one server and the sessions that they opened. Only for the thread of the event loop.

    `people` maps each person to their token; the person "" is the token that names nobody. `directory` knows others by
    their links and passwords. Nothing is kept on disk: all sessions end with the server.
    """

    directory: People | None = None

    def __init__(self, people: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._people = dict(people)
        self._clock = clock
        self._sessions: OrderedDict[bytes, Session] = OrderedDict()
        self._tickets: OrderedDict[bytes, float] = OrderedDict()

    def person_of(self, token: str | None) -> str | None:
        """Give the person whose token this is, compared in constant time; None if it is nobody's."""
        found = None
        for person, known in self._people.items():
            if hmac.compare_digest((token or "").encode(errors="replace"), known.encode()):
                found = person
        if found is None and token and self.directory is not None:
            member = self.directory.of_link(token)
            found = member.name if member else None
        return found

    @property
    def by_name(self) -> bool:
        """Whether anybody has a password."""
        return self.directory is not None and self.directory.has_passwords

    def role_of(self, person: str) -> Role:
        """Tell what somebody may do."""
        return self.directory.role_of(person) if self.directory and person else "admin"

    def open(self, person: str) -> str:
        """Begin a session and give its secret, which is kept nowhere."""
        self.sweep()
        own = [key for key, session in self._sessions.items() if session.person == person]
        for key in own[: max(0, len(own) + 1 - SESSIONS_EACH)]:
            self._end(key)
        secret, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[_key(secret)] = Session(person, began=now, used=now, stamp=self._stamp(person))
        return secret

    def find(self, secret: str | None) -> Session | None:
        """Give the session of a secret, and note that it is used; None if there is none any more."""
        key, now = _key(secret or ""), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        if session.is_over(now) or session.stamp != self._stamp(session.person):
            self._end(key)
            return None
        session.used = now
        self._sessions.move_to_end(key)
        return session

    def end(self, ending: Session, everywhere: bool = False) -> None:
        """Sign out: end this session, or all that were opened by the same token."""
        for key, session in list(self._sessions.items()):
            if session is ending or (everywhere and session.person == ending.person):
                self._end(key)

    def ticket(self) -> str:
        """Make a secret that opens one session, once and soon: for the address that a browser is opened at."""
        secret = secrets.token_urlsafe(32)
        self._tickets[_key(secret)] = self._clock() + TICKET_S
        while len(self._tickets) > TICKETS:
            self._tickets.popitem(last=False)
        return secret

    def redeem(self, ticket: str) -> str | None:
        """Exchange a ticket for a session that names nobody; None if it was used or is too old."""
        until = self._tickets.pop(_key(ticket), None)
        return self.open("") if until is not None and self._clock() <= until else None

    def sweep(self) -> None:
        """End the sessions that are over, and those of people who may not sign in any more."""
        now = self._clock()
        for key, session in list(self._sessions.items()):
            if session.is_over(now) or session.stamp != self._stamp(session.person):
                self._end(key)

    def _stamp(self, person: str) -> str:
        if self.directory is None or not person or person in self._people:
            return ""
        stamp = self.directory.stamp_of(person)
        return "gone" if stamp is None else stamp

    def _end(self, key: bytes) -> None:
        self._sessions.pop(key).ended.set()


def _key(secret: str) -> bytes:
    """What stands for a secret in memory: looking it up tells nothing about the secret by its time."""
    return hashlib.sha256(secret.encode(errors="replace")).digest()
