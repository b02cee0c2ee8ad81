"""Several workers side by side, each with a thread and a model of its own: what is of one object stays with one."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from fewclicks.annotator.editing.windows import first_state
from fewclicks.annotator.services.editing import Editing
from fewclicks.annotator.services.photos import Stamp
from fewclicks.annotator.services.worker import Timed, Worker
from fewclicks.predictor import Predictor, State
from fewclicks.types import Image

Result = TypeVar("Result")

STARTS_BYTES = 40 * 2**20
"""Photos whose first states are kept: one of 12 megapixels, always the present one."""


class Lanes:
    """Does what a `Worker` does, in as many threads as there are lanes; jobs of one key keep their order.

    The last word of a key says the lane: "look ID" and "candidates ID" go where the actions on ID go.
    """

    def __init__(self, count: int = 1) -> None:
        self._workers = [Worker() for _ in range(count)]

    def submit(
        self, key: str, work: Callable[[], Result], asker: str | None = None, of: object = None
    ) -> Future[Timed[Result]]:
        """See `Worker.submit`."""
        return self._of(key).submit(key, work, asker, of)

    def preview(
        self, key: str, work: Callable[[], Result], shared: bool = False, of: object = None
    ) -> Future[Timed[Result]]:
        """See `Worker.preview`."""
        return self._of(key).preview(key, work, shared, of)

    def idle(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """See `Worker.idle`."""
        return self._of(key).idle(key, work)

    def each(self, key: str, work: Callable[[], Result]) -> list[Future[Timed[Result]]]:
        """Have every lane do it."""
        return [worker.submit(key, work) for worker in self._workers]

    def close(self) -> None:
        """Do what was submitted, leave the rest, and end the threads."""
        for worker in self._workers:
            worker.close()

    def _of(self, key: str) -> Worker:
        return self._workers[zlib.crc32(key.rpartition(" ")[2].encode()) % len(self._workers)]


class Desk(threading.local):
    """What a lane works with; each thread sees its own."""

    def __init__(self) -> None:
        self.predictor: Predictor | None = None
        self.editing: Editing | None = None
        self.started: dict[int, Stamp] = {}
        """The files that the live histories began with."""
        self._starts: dict[Stamp, State] = {}

    def take(self, predictor: Predictor, editing: Editing) -> None:
        """Work with another model from now on, and forget what the one before has left."""
        self.predictor, self.editing = predictor, editing
        self.started.clear()
        self._starts.clear()

    def start_of(self, predictor: Predictor, image: Image, stamp: Stamp) -> State:
        """The state before the first click, shared by the objects of a photo."""
        state = self._starts.pop(stamp, None) or first_state(predictor, image)
        self._starts[stamp] = state
        while len(self._starts) > 1 and sum(kept.image.nbytes for kept in self._starts.values()) > STARTS_BYTES:
            del self._starts[next(iter(self._starts))]
        return state
