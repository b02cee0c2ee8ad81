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
    begun: float = field(default_factory=perf_counter)


class Worker:
    """Does jobs one after another in its own thread.

    - `submit`: jobs of one key keep their order and none is lost; keys take turns, so that who clicks fast does not
      make the others wait.
    - `preview`: after those; of one key only the newest counts, the one that it replaces is cancelled.
    - `idle`: when there is nothing else to do; of one key only the newest.
    """

    def __init__(self) -> None:
        self._queues: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._previews: OrderedDict[str, _Job] = OrderedDict()
        self._idle: OrderedDict[str, _Job] = OrderedDict()
        self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fewclicks-worker", daemon=True)
        self._thread.start()

    def submit(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """Do it after the other jobs of the key. Busy if too many wait."""
        job = _Job(work, Future())
        with self._changed:
            queue = self._queues.setdefault(key, deque())
            if len(queue) >= QUEUE_LIMIT or self._waiting >= TOTAL_LIMIT:
                raise Busy("the model has more clicks to answer than it can soon; wait until it has caught up")
            queue.append(job)
            self._waiting += 1
            self._wake()
        return job.future

    def preview(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """Do it when no submitted job waits. A newer preview of the key takes its place: then it is cancelled."""
        return self._replace(self._previews, key, work)

    def idle(self, key: str, work: Callable[[], Result]) -> Future[Timed[Result]]:
        """Do it when there is nothing else to do."""
        return self._replace(self._idle, key, work)

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
                jobs.pop(key).future.cancel()
            if len(jobs) >= TOTAL_LIMIT:
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
                    key, queue = self._queues.popitem(last=False)
                    job = queue.popleft()
                    if queue:
                        self._queues[key] = queue  # behind the others
                    self._waiting -= 1
                    return job
                if self._closed:
                    return None
                for jobs in (self._previews, self._idle):
                    if jobs:
                        return jobs.popitem(last=False)[1]
                self._changed.wait()
