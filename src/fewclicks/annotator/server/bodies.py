"""Bodies are counted before they are held: a large one waits at the door until there is room for all of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

MIB = 2**20
FREE_BYTES = 64 * 1024
"""Bodies up to this do not count: a connection holds as much anyway. Clicks are among them."""
TOTAL_BYTES = 256 * MIB
"""What the bodies of all clients may have in all. A server holds up to four times that of them: the text, what was read
of it, the image in it, and copies while one is made of the other."""
CLIENT_BYTES = 128 * MIB
"""Those of one client: one of the largest."""
PATIENCE_S = 30.0
"""A body waits so long for room before it is refused."""
WAITING = 256
"""Bodies that wait."""
HURRY_PAUSE_S, HURRY_BYTES_PER_S = 5.0, 256 * 1024
"""While others wait, a body may pause only so long, and must come so fast."""


@dataclass(slots=True, eq=False)
class BodyLimit:
    """Room for one body: taken before its first byte is read, given back when it is answered."""

    client: str
    size: int
    granted: asyncio.Future[None]
    begun: float = field(default_factory=time.monotonic)
    heard: float = 0.0
    come: int = 0

    def grant(self) -> None:
        """Let the body come."""
        self.begun = self.heard = time.monotonic()
        self.granted.set_result(None)

    def note(self, size: int) -> None:
        """Count bytes that have come."""
        self.come += size
        self.heard = time.monotonic()

    def is_slow(self) -> bool:
        """Tell whether it comes so slowly that it may not keep others waiting."""
        now = time.monotonic()
        late = now - self.begun - HURRY_PAUSE_S - self.come / HURRY_BYTES_PER_S
        return self.come < self.size and (now - self.heard > HURRY_PAUSE_S or late > 0)


class BodyRoom:
    """The room that bodies have, first come first served. Only for the thread of the event loop."""

    def __init__(self, total: int = TOTAL_BYTES, each: int = CLIENT_BYTES, patience_s: float = PATIENCE_S) -> None:
        self._total, self._each, self._patience_s = total, each, patience_s
        self._held: set[BodyLimit] = set()
        self._waiting: dict[BodyLimit, None] = {}

    @property
    def held_bytes(self) -> int:
        """The sizes of all bodies that have room."""
        return sum(hold.size for hold in self._held)

    async def take(self, client: str, size: int) -> BodyLimit | None:
        """Wait for room; None if there is none for too long."""
        hold = BodyLimit(client, size, asyncio.get_running_loop().create_future())
        if len(self._waiting) >= WAITING:
            return None
        self._waiting[hold] = None
        self._admit()
        try:
            async with asyncio.timeout(self._patience_s):
                await hold.granted
        except TimeoutError:
            return None
        except BaseException:
            self.give_back(hold)
            raise
        finally:
            self._waiting.pop(hold, None)
        return hold

    def give_back(self, hold: BodyLimit) -> None:
        """Let the next ones in."""
        self._held.discard(hold)
        self._waiting.pop(hold, None)
        self._admit()

    def must_end(self, hold: BodyLimit) -> bool:
        """Tell whether a body is to be given up: it comes slowly, and others wait for room."""
        return bool(self._waiting) and hold.is_slow()

    def _admit(self) -> None:
        for hold in list(self._waiting):
            own = sum(other.size for other in self._held if other.client == hold.client)
            if self.held_bytes + hold.size > self._total:
                return  # nobody small passes by, so that the large ones have their turn too
            if own + hold.size <= self._each:
                del self._waiting[hold]
                self._held.add(hold)
                hold.grant()
