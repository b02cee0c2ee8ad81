"""Work that gives way: what computes in one thread is stopped from another, in the middle of a forward if need be.

A network cannot be told to hurry. Who looks for what may not be wanted any more, such as a mask under the pointer, does
so within `interruptible`, and whoever has something more urgent for the same thread calls `Interruption.request`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """The work was stopped because something else goes first; it may be done again from its beginning.

    No Exception, as those of asyncio: who bears a model's errors must not take it for one.
    """


class Interruption:
    """The wish that the work of one thread ends soon. Any thread may utter it, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._stop: Callable[[], None] | None = None

    @property
    def requested(self) -> bool:
        """Tell whether the work is to end."""
        return self._requested

    def request(self) -> None:
        """End the work: the forward that runs now, or else the next one, raises Interrupted."""
        with self._lock:
            self._requested = True
            if self._stop:
                self._stop()

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have `stop` called if the work is to end while this block runs; its error is then Interrupted."""
        with self._lock:
            self.check()
            self._stop = stop
        try:
            yield
        except Exception:
            self.check()
            raise
        finally:
            with self._lock:
                self._stop = None

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


@contextmanager
def interruptible(interruption: Interruption | None) -> Iterator[None]:
    """Let forwards of this thread be stopped by `interruption` within the block; None: by nobody."""
    before, _here.interruption = _here.interruption, interruption
    try:
        yield
    finally:
        _here.interruption = before
