"""What happens to a photo, told to every page that shows it: server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fewclicks.annotator.services.worker import Busy

LAG = 1000
"""Events that a page may lie behind. Then its stream ends, and it loads the photo anew when it connects again."""
STREAMS = 256
PULSE_S = 15.0
"""A comment is sent so often, by which dead connections are found."""


class EventBus:
    """Passes events from any thread to the streams of one event loop."""

    def __init__(self) -> None:
        self.told: Callable[[Any], Any] = lambda data: data
        """Makes of what is published what JSON can hold; the server knows how."""
        self._streams: dict[asyncio.Queue[bytes | None], tuple[int, asyncio.AbstractEventLoop]] = {}
        self._closed = False

    def shown(self) -> set[int]:
        """The photos that pages show."""
        return {shown for shown, _ in list(self._streams.values())}

    def publish(self, event: str, data: Any, photo_id: int | None = None) -> None:
        """Tell the pages that show the photo (None: all pages). From any thread."""
        if not self._streams:
            return
        text = json.dumps(self.told(data), separators=(",", ":"), allow_nan=False)
        message = f"event: {event}\ndata: {text}\n\n".encode()
        for queue, (shown, loop) in list(self._streams.items()):
            if photo_id in (None, shown) and not loop.is_closed():
                loop.call_soon_threadsafe(self._put, queue, message)

    async def stream(self, photo_id: int) -> AsyncGenerator[bytes]:
        """The events of a photo from now on, as text/event-stream. Ends when the hub closes."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(LAG)
        self._streams[queue] = (photo_id, asyncio.get_running_loop())
        try:
            yield b": here are the events\n\n"
            while not self._closed:
                try:
                    message = await asyncio.wait_for(queue.get(), PULSE_S)
                except TimeoutError:
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            self._streams.pop(queue, None)

    def require_room(self) -> None:
        """Raise Busy if there are too many streams."""
        if len(self._streams) >= STREAMS:
            raise Busy("too many pages are open; close some")

    def close(self) -> None:
        """End all streams. From the event loop."""
        self._closed = True
        for queue in self._streams:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    def _put(self, queue: asyncio.Queue[bytes | None], message: bytes) -> None:
        if queue not in self._streams:
            return
        if queue.full():
            del self._streams[queue]
            queue.get_nowait()
            queue.put_nowait(None)
        else:
            queue.put_nowait(message)
