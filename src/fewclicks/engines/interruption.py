"""Work that gives way: what computes in one thread is stopped from another, in the middle of a forward if need be.

A network cannot be told to hurry. Who looks for what may not be wanted any more, such as a mask under the pointer, does
so within `interruptible`, and whoever has something more urgent for the same thread calls `Interruption.request`. So
does a command that is told to stop: `stoppable` has Ctrl-C and SIGTERM end what it computes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

GRACE_S = 2.0
"""So long is waited for work that was told to end: a network that is not of ONNX Runtime ends its forward first."""
LOOK_S = 0.5
"""So often is looked for signals where waiting for a thread does not end by one, as on Windows."""


class Interrupted(BaseException):
    """The work was stopped because something else goes first; it may be done again from its beginning.

    No Exception, as those of asyncio: who bears a model's errors must not take it for one.
    """


class Interruption:
    """The wish that the work of a thread, or of several, ends soon. Any thread may utter it, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._stops: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Tell whether the work is to end."""
        return self._requested

    def request(self) -> None:
        """End the work: the forwards that run now, or else the next ones, raise Interrupted."""
        with self._lock:
            self._requested = True
            for stop in self._stops:
                stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have `stop` called if the work is to end while this block runs; its error is then Interrupted."""
        with self._lock:
            self.check()
            self._stops.append(stop)
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._stops.remove(stop)

    def check(self) -> None:
        """Raise Interrupted if the work is to end."""
        if self._requested:
            raise Interrupted


class _Here(threading.local):
    interruption: Interruption | None = None


_here = _Here()


def current() -> Interruption | None:
    """Give what may stop this thread; None where its work runs to its end."""
    return _here.interruption


def check() -> None:
    """Raise Interrupted if the work of this thread is to end: for what computes long between two forwards."""
    if _here.interruption is not None:
        _here.interruption.check()


@contextmanager
def interruptible(interruption: Interruption | None) -> Iterator[None]:
    """Let forwards of this thread be stopped by `interruption` within the block; None: by nobody."""
    before, _here.interruption = _here.interruption, interruption
    try:
        yield
    finally:
        _here.interruption = before


def stoppable(work: Callable[[], Result]) -> Result:
    """Do `work` in a thread of its own, so that a signal ends it in the middle of a forward; its result.

    Python calls the handler of a signal in the main thread only, and not before a call of a library returns there: this
    one waits meanwhile. What the handler raises (KeyboardInterrupt, SystemExit) is raised here once the work has ended.
    """
    future: Future[Result] = Future()
    interruption = Interruption()

    def run() -> None:
        try:
            with interruptible(interruption):
                future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=run, name="fewclicks-work", daemon=True)
    try:
        thread.start()
        while not future.done():
            wait([future], LOOK_S)  # Thread.join takes the thread for ended where a signal ends the waiting
    except BaseException:
        interruption.request()
        wait([future], GRACE_S)
        raise
    return future.result()
