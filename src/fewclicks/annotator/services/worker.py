"""The worker: one thread that computes, so that the server never waits for the model and the model never for a lock."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, TypeVar

from fewclicks.errors import FewClicksError

Result = TypeVar("Result")

log = logging.getLogger(__name__)

QUEUE_LIMIT = 64
"""Jobs of one object that wait: a minute of clicks on a slow machine."""
TOTAL_LIMIT = 1024
REMEMBERED = 4096
"""Keys and askers whose last turns are remembered."""


class Busy(FewClicksError):
    """More work waits than can be done soon."""


@dataclass(frozen=True, slots=True)
class Timed(Generic[Result]):
    """A result, and how long it waited and took."""

    result: Result
    queue_ms: float
    work_ms: float


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    future: Future[Any]
    asker: str = ""
    begun: float = field(default_factory=perf_counter)


class Turns:
    """Counts turns: who waits gets as many as the others who wait, and nobody saves them up for later."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._now = 0

    def of(self, name: str) -> int:
        """The number of somebody's next turn; the lowest goes first."""
        return max(self._now, self._next.get(name, 0))

    def take(self, name: str) -> None:
        """It is somebody's turn now."""
        self._now = self.of(name)
        self._next[name] = self._now + 1
        if len(self._next) > REMEMBERED:
            self._next = {name: turn for name, turn in self._next.items() if turn > self._now}


class Worker:
    """Does jobs one after another in its own thread.

    - `submit`: jobs of one key keep their order and none is lost. Askers take turns, and so do the keys of one asker:
      who clicks fast, or works at many objects at once, does not make the others wait.
    - `preview`: after those; of one key only the newest counts, in the place of the one that it cancels.
    - `idle`: when there is nothing else to do; of one key only the newest.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[_Job]] = {}
        self._previews: OrderedDict[str, _Job] = OrderedDict()
        self._idle: OrderedDict[str, _Job] = OrderedDict()
        self._askers, self._keys = Turns(), Turns()
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fewclicks-worker", daemon=True)
        self._thread.start()

    def submit(self, key: str, work: Callable[[], Result], asker: str | None = None) -> Future[Timed[Result]]:
        """Do it after the other jobs of the key. Busy if too many wait. `asker` None: the key asks for itself."""
        job = _Job(work, Future(), key if asker is None else asker)
        with self._changed:
            queue = self._queues.get(key, deque())
            if len(queue) >= QUEUE_LIMIT or self._waiting >= TOTAL_LIMIT:
                raise Busy("the model has more clicks to answer than it can soon; wait until it has caught up")
            queue.append(job)
            self._queues[key] = queue
            self._waiting += 1
            self._wake()
        return job.future

    def preview(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """Do it when no submitted job waits. A newer preview of the key takes its place: then it is cancelled."""
        return self._replace(self._previews, key, work)

    def idle(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """Do it when there is nothing else to do."""
        return self._replace(self._idle, key, work)

    def each(self, key: str, work: Callable[[], Result]) -> list[Future[Timed[Result]]]:
        """Do it in each thread that there is: in the only one."""
        return [self.submit(key, work)]

    def close(self) -> None:
        """Do what was submitted, leave the rest, and end the thread."""
        with self._changed:
            self._closed = True
            self._wake()
        self._thread.join()
        for job in (*self._previews.values(), *self._idle.values()):
            job.future.cancel()

    def _replace(self, jobs: OrderedDict[str, _Job], key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        job = _Job(work, Future())
        with self._changed:
            if key in jobs:
                jobs[key].future.cancel()
            elif len(jobs) >= TOTAL_LIMIT:
                jobs.popitem(last=False)[1].future.cancel()
            jobs[key] = job
            self._wake()
        return job.future

    def _wake(self) -> None:
        if self._closed and not self._thread.is_alive():
            raise Busy("the annotator is stopping; start it again")
        self._changed.notify()

    def _run(self) -> None:
        while job := self._next():
            if not job.future.set_running_or_notify_cancel():
                continue
            start = perf_counter()
            try:
                result = job.work()
            except BaseException as error:
                job.future.set_exception(error)
            else:
                job.future.set_result(Timed(result, 1000 * (start - job.begun), 1000 * (perf_counter() - start)))
            del job

    def _next(self) -> _Job | None:
        """The job whose turn it is; None at the end."""
        with self._changed:
            while True:
                if self._queues:
                    return self._pop()
                if self._closed:
                    return None
                for jobs in (self._previews, self._idle):
                    if jobs:
                        return jobs.popitem(last=False)[1]
                self._changed.wait()

    def _pop(self) -> _Job:
        """Take the job whose asker's, and then whose key's, turn it is; of several the one that waits for longest."""

        def turn(key: str) -> tuple[int, int, float]:
            job = self._queues[key][0]
            return self._askers.of(job.asker), self._keys.of(key), job.begun

        key = min(self._queues, key=turn)
        job = self._queues[key].popleft()
        if not self._queues[key]:
            del self._queues[key]
        self._askers.take(job.asker)
        self._keys.take(key)
        self._waiting -= 1
        return job
