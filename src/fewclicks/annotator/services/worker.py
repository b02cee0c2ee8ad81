"""The worker: one thread that computes, so that the server never waits for the model and the model never for a lock."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, TypeVar

from fewclicks.engines.interruption import Interrupted, Interruption, interruptible
from fewclicks.errors import FewClicksError

Result = TypeVar("Result")


QUEUE_LIMIT = 64
"""Jobs of one object that wait: a minute of clicks on a slow machine."""
TOTAL_LIMIT = 1024
INTERRUPTIONS = 3
"""So often a job gives way; then it is done to its end, so that nobody waits for ever."""
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
    key: str = ""
    gives_way: OrderedDict[str, _Job] | None = None
    """Where it waits again after it was interrupted; None if it is done to its end."""
    interruption: Interruption | None = None
    """What stops it while it runs."""
    interruptions: int = 0
    of: object = None
    """What it computes, where that is what a submitted job may need too."""


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
    - `preview`: after those; of one key only the newest counts, in the place of the one that it cancels. A job that is
      submitted with its key cancels it too: the object changes.
    - `idle`: when there is nothing else to do; of one key only the newest.

    A preview, or what is idle, gives way to what is submitted (see `engines.interruption`), and is begun anew after it:
    work that cannot be begun twice runs within `interruptible(None)`. Only a preview `of` the very thing that is
    submitted goes on to its end, for what it keeps is then not computed twice.
    """

    def __init__(self) -> None:
        self._queues: dict[str, deque[_Job]] = {}
        self._previews: OrderedDict[str, _Job] = OrderedDict()
        self._idle: OrderedDict[str, _Job] = OrderedDict()
        self._askers, self._keys = Turns(), Turns()
        self._waiting = 0
        self._closed = False
        self._running: _Job | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fewclicks-worker", daemon=True)
        self._thread.start()

    def submit(
        self, key: str, work: Callable[[], Result], asker: str | None = None, of: object = None
    ) -> Future[Timed[Result]]:
        """Do it after the other jobs of the key. Busy if too many wait. `asker` None: the key asks for itself."""
        job = _Job(work, Future(), key if asker is None else asker)
        with self._changed:
            queue = self._queues.get(key, deque())
            if len(queue) >= QUEUE_LIMIT or self._waiting >= TOTAL_LIMIT:
                raise Busy("the model has more clicks to answer than it can soon; wait until it has caught up")
            queue.append(job)
            self._queues[key] = queue
            self._waiting += 1
            needed = of is not None and self._running is not None and self._running.of == of
            self._cancel(self._previews, key, interrupt=not needed)
            if not needed:
                self._interrupt()
            self._wake()
        return job.future

    def preview(
        self, key: str, work: Callable[[], Result], shared: bool = False, of: object = None
    ) -> Future[Timed[Result]]:
        """Do it when no submitted job waits. A newer preview of the key takes its place: then it is cancelled.

        `shared`: it is the same work for whoever asks, and one that waits or runs is enough.
        """
        return self._replace(self._previews, key, work, shared, of)

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
            self._interrupt()
            self._wake()
        self._thread.join()
        for job in (*self._previews.values(), *self._idle.values()):
            job.future.cancel()

    def _replace(
        self,
        jobs: OrderedDict[str, _Job],
        key: str,
        work: Callable[[], Result],
        shared: bool = False,
        of: object = None,
    ) -> Future[Timed[Result]]:
        job = _Job(work, Future(), key=key, gives_way=jobs, of=of)
        with self._changed:
            known = [one for one in self._jobs_of(jobs, key) if not one.future.done()]
            if shared and known:
                return known[0].future
            self._cancel(jobs, key)
            if key not in jobs and len(jobs) >= TOTAL_LIMIT:
                jobs.popitem(last=False)[1].future.cancel()
            jobs[key] = job
            self._wake()
        return job.future

    def _jobs_of(self, jobs: OrderedDict[str, _Job], key: str) -> Iterator[_Job]:
        """The job of a key that runs, and the one that waits."""
        if self._running is not None and self._running.gives_way is jobs and self._running.key == key:
            yield self._running
        if key in jobs:
            yield jobs[key]

    def _cancel(self, jobs: OrderedDict[str, _Job], key: str, interrupt: bool = True) -> None:
        """Cancel the jobs of a key."""
        for job in self._jobs_of(jobs, key):
            job.future.cancel()
            if job is self._running and interrupt:
                self._interrupt()

    def _interrupt(self) -> None:
        if self._running is not None and self._running.interruption is not None:
            self._running.interruption.request()

    def _wake(self) -> None:
        if self._closed and not self._thread.is_alive():
            raise Busy("the annotator is stopping; start it again")
        self._changed.notify()

    def _run(self) -> None:
        while job := self._next():
            # The future of one that gives way stays pending: it can be cancelled as long as there is no result.
            if job.future.cancelled() or (job.gives_way is None and not job.future.set_running_or_notify_cancel()):
                continue
            start = perf_counter()
            try:
                with interruptible(job.interruption):
                    result = job.work()
            except Interrupted:
                self._begin_anew(job)
            except BaseException as error:
                with suppress(InvalidStateError):
                    job.future.set_exception(error)
            else:
                with suppress(InvalidStateError):
                    job.future.set_result(Timed(result, 1000 * (start - job.begun), 1000 * (perf_counter() - start)))
            del job

    def _begin_anew(self, job: _Job) -> None:
        """Let a job that gave way wait as the first of its kind, unless a newer one took its place."""
        with self._changed:
            waiting = job.gives_way
            if waiting is not None and not job.future.cancelled():
                job.interruptions += 1
                waiting[job.key] = job
                waiting.move_to_end(job.key, last=False)

    def _next(self) -> _Job | None:
        """The job whose turn it is; None at the end."""
        with self._changed:
            self._running = None
            while True:
                if self._queues:
                    return self._pop()
                if self._closed:
                    return None
                for jobs in (self._previews, self._idle):
                    if jobs:
                        self._running = job = jobs.popitem(last=False)[1]
                        job.interruption = Interruption() if job.interruptions < INTERRUPTIONS else None
                        return job
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
