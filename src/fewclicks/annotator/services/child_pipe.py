"""The parent's side of a child that answers questions (`child.py`): JSON and bytes to it, JSON and an array back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.child_process import start_module


class ChildDied(Exception):
    """The child died, hung or said what is no answer; it has been ended, and the next question gets another."""


class ChildPipe:
    """A child that runs `module`, from the first question on. One thread at a time uses it.

    A question that takes longer than `timeout_s` seconds ends the child.
    """

    def __init__(self, module: str, timeout_s: float) -> None:
        self._module = module
        self._timeout_s = timeout_s
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child ahead of its first question, or anew if it has died since the last."""
        if self.process is not None and self.process.poll() is not None:
            self.close()
        self._running()

    def ask(self, question: Mapping[str, Any], payload: bytes = b"") -> tuple[dict[str, Any], NDArray[Any] | None]:
        """What it says to a question and the bytes behind it, and its array if it has one.

        Raises ChildDied, also where it had died before: what was open in it is not in the next.
        """
        child = self._running()
        late = threading.Timer(self._timeout_s, child.kill)
        late.daemon = True
        late.start()
        try:
            return _exchange(child, {**question, "bytes": len(payload)}, payload)
        except (OSError, ValueError, EOFError):  # it died before, within or behind a line
            self.close()
            raise ChildDied from None
        finally:
            late.cancel()

    def close(self) -> None:
        """End the child."""
        child, self.process = self.process, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what was not written yet goes nowhere
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self.process = start_module(self._module, environment=environment, stdin=pipe, stdout=pipe, stderr=nowhere)
        return self.process


def _exchange(
    child: subprocess.Popen[bytes], question: Mapping[str, Any], payload: bytes
) -> tuple[dict[str, Any], NDArray[Any] | None]:
    """One question and its answer."""
    assert child.stdin
    assert child.stdout
    child.stdin.write(json.dumps(question).encode() + b"\n")
    child.stdin.write(payload)
    child.stdin.flush()
    answer = json.loads(child.stdout.readline())
    if "shape" not in answer:
        return answer, None
    array: NDArray[Any] = np.empty(answer["shape"], answer["dtype"])
    if array.size:
        _fill(array.data.cast("B"), child.stdout)
    return answer, array


def _fill(place: memoryview, stream: IO[bytes]) -> None:
    """Read into a place until it is full."""
    done = 0
    while done < len(place):
        count = stream.readinto(place[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
