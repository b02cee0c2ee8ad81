"""Connections that take their time, or do not end: uvicorn waits for them for ever, this protocol does not.

There are more people who connect and say nothing than there is room. So who speaks comes before who is silent: over
the bounds a new connection has a moment to send the head of a request, and then takes the place of the one that has
been waited for longest. One that the server is working for is never ended for another.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from fewclicks.annotator.server.proxies import Proxies

HEAD_S = 10.0
"""The head of a request must be there so long after the connection, or after its own first byte."""
CROWDED_HEAD_S = 10.0
"""The same for a connection over the bounds."""
STALL_S = 60.0
"""A client that takes nothing of what is sent to it for so long is left."""
CONNECTIONS = 512
"""Connections at once."""
CONNECTIONS_EACH = 128
"""Those of one address that is no proxy: a browser has six, and a stream of events for each page."""
CROWD = 1536
"""All that are there while the new ones have their moment; for one more the oldest is ended at once."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with bounds on how many connections there are and how long each may be idle."""

    proxies: ClassVar[Proxies] = Proxies()

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _crowding = False
    """It is over the bounds, and nobody has made room for it yet."""
    _since = 0.0
    """When it began to be waited for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; not for long where there are too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > CROWD and not self._replace(self._all()):
            transport.abort()
            return
        self._crowding = bool(self._rivals())
        self._head = self.loop.call_later(CROWDED_HEAD_S if self._crowding else HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._wait_no_more()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, but not long."""
        super().data_received(data)
        if self.transport.is_closing():
            self._wait_no_more()
        elif self._answering():
            self._wait_no_more()
            self._make_room()
        elif self._head is None and self.timeout_keep_alive_task is None:
            self._since = self.loop.time()
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_response_complete(self) -> None:
        """The next request may have arrived meanwhile."""
        super().on_response_complete()
        self._since = self.loop.time()
        if self._answering():
            self._wait_no_more()

    def pause_writing(self) -> None:
        """The client does not take what is sent to it."""
        super().pause_writing()
        if self._stall is None:
            self._since = self.loop.time()
            self._stall = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def is_waited_for(self) -> bool:
        """Whether it is the client's turn: to send a head or the rest of a body, or to take the answer."""
        return not self._answering() or self.cycle.more_body or self._stall is not None

    def _all(self) -> list[BoundedProtocol]:
        return [other for other in self.connections if isinstance(other, BoundedProtocol)]

    def _rivals(self) -> list[BoundedProtocol]:
        """The connections that this one is too many among, if it is: those of its address, or all."""
        everybody, address = self._all(), self.client[0] if self.client else ""
        if not self.proxies.trust(address):
            own = [other for other in everybody if other.client and other.client[0] == address]
            if len(own) > CONNECTIONS_EACH:
                return own
        return everybody if len(everybody) > CONNECTIONS else []

    def _make_room(self) -> None:
        """A request has come: end another connection for it where there are too many."""
        if self._crowding:
            self._crowding = False
            if (rivals := self._rivals()) and not self._replace(rivals):
                self.transport.abort()

    def _replace(self, rivals: list[BoundedProtocol]) -> bool:
        """End the rival that has been waited for longest; False if the server works for all of them."""
        others = [other for other in rivals if other is not self and other.is_waited_for()]
        if not others:
            return False
        # First who has never asked anything, then who has nothing under way: of the others something is half there.
        slowest = min(others, key=lambda other: (other._answering(), other.cycle is not None, other._since))
        self.connections.discard(slowest)  # it counts no more, although it takes a moment to end
        slowest.transport.abort()
        return True

    def _answering(self) -> bool:
        """Whether there is a request whose head is complete, and whose answer is not."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_no_more(self) -> None:
        """The head is there, or never will be."""
        if self._head is not None:
            self._head.cancel()
            self._head = None


def bounded(proxies: Proxies) -> type[BoundedProtocol]:
    """Give the protocol of a server behind these proxies: all that they send on comes from their one address."""
    return type("ProxiedProtocol", (BoundedProtocol,), {"proxies": proxies})
