"""Connections that take their time, or do not end: uvicorn waits for them for ever, this protocol does not."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""The head of a request must be there so long after the connection, or after its own first byte."""
STALL_S = 60.0
"""A client that takes nothing of what is sent to it for so long is left."""
CONNECTIONS = 512
"""Connections at once."""
CONNECTIONS_EACH = 128
"""Those of one address: a browser has six, and a stream of events for each page."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with bounds on how many connections there are and how long each may be idle."""

    _head: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or end it where there are too many."""
        super().connection_made(transport)
        others = [cast(H11Protocol, other) for other in self.connections]
        same = sum(bool(other.client and self.client and other.client[0] == self.client[0]) for other in others)
        if len(others) > CONNECTIONS or same > CONNECTIONS_EACH:
            transport.abort()
        else:
            self._head = self.loop.call_later(HEAD_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._wait_no_more()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, but not long."""
        super().data_received(data)
        if self._answering() or self.transport.is_closing():
            self._wait_no_more()
        elif self._head is None and self.timeout_keep_alive_task is None:
            self._head = self.loop.call_later(HEAD_S, self.transport.abort)

    def on_response_complete(self) -> None:
        """The next request may have arrived meanwhile."""
        super().on_response_complete()
        if self._answering():
            self._wait_no_more()

    def pause_writing(self) -> None:
        """The client does not take what is sent to it."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _answering(self) -> bool:
        """Whether there is a request whose head is complete, and whose answer is not."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_no_more(self) -> None:
        """The head is there, or never will be."""
        if self._head is not None:
            self._head.cancel()
            self._head = None
