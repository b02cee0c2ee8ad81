"""A network in a process of its own, so that several run on several cores. It is asked as an engine is (`Forward`).

What stands around the network (zoom, cascade, clicks that hold) stays here: only arrays go over the pipes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from fewclicks.annotator.services.decoder import exchange
from fewclicks.child_process import start_module
from fewclicks.config import ResolvedPredictor
from fewclicks.engines.network import Floats, Network
from fewclicks.errors import FewClicksError, InputError
from fewclicks.predictor import Predictor

TIMEOUT_S = 120.0
"""For one forward, or for loading the network: longer than any takes on a slow machine."""
TRIES = 2
"""A forward whose process dies is done once more, by another."""


class ProcessForward:
    """A Forward (see engines/network.py) of the method that `resolved` means. Threads take turns.

    A process that dies or hangs is replaced, and the forward done again; FewClicksError where that dies too.
    """

    def __init__(self, resolved: ResolvedPredictor, threads: int) -> None:
        self._about = {"method": resolved.method, "options": {**resolved.options, "threads": threads}}
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image 1x3xHxW in [0, 1], clicks 1xNx3, prev 1x1xHxW -> logits 1x1xHxW."""
        arrays = [np.ascontiguousarray(array, np.float32) for array in (image, clicks, prev)]
        question = {"shapes": [array.shape for array in arrays], "bytes": sum(array.nbytes for array in arrays)}
        payload = b"".join(array.tobytes() for array in arrays)
        with self._lock:
            for _ in range(TRIES):
                try:
                    return self._ask(question, payload)
                except (OSError, ValueError, EOFError):  # it died before, within or behind a line
                    self._stop()
        raise FewClicksError(
            "the process of the model died twice; see that there is memory enough, or use fewer --workers"
        )

    def close(self) -> None:
        """End the process; the next forward starts another."""
        with self._lock:
            self._stop()

    def _ask(self, question: Mapping[str, Any], payload: bytes) -> Floats:
        child = self._running()
        late = threading.Timer(TIMEOUT_S, child.kill)
        late.daemon = True
        late.start()
        try:
            answer, logits = exchange(child, {**self._about, **question}, payload)
        finally:
            late.cancel()
        if logits is None:
            raise FewClicksError(str(answer["error"]))
        return logits

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._stop()
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            module = "fewclicks.annotator.services.model_child"
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._child = start_module(module, environment=environment, stdin=pipe, stdout=pipe, stderr=nowhere)
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                with contextlib.suppress(OSError):  # what was not written yet goes nowhere
                    pipe.close()


def one_for_each(resolved: ResolvedPredictor, threads: int | None, workers: int) -> Callable[[], Predictor]:
    """What gives each of so many workers its predictor: the network is loaded here once, and in a process for each.

    `threads`: of each process; None: the cores are shared out. InputError where the method has no network.
    """
    each = threads or max(1, (os.cpu_count() or 1) // workers)
    first = cache(resolved.build)
    lock = threading.Lock()

    def build() -> Predictor:
        with lock:
            return in_process(first(), resolved, each)

    return build


def in_process(predictor: Predictor, resolved: ResolvedPredictor, threads: int) -> Predictor:
    """The predictor with its network in a process of its own. InputError where it has none."""
    found: Predictor = _exchanged(predictor, ProcessForward(resolved, threads))
    if found is predictor:
        raise InputError(f"the method '{resolved.method}' has no network for a process of its own; leave --workers out")
    return found


def network_of(predictor: Any) -> Network | None:
    """The network that a predictor stands around."""
    if isinstance(predictor, Network):
        return predictor
    inner = getattr(predictor, "inner", None)
    return network_of(inner) if inner is not None else None


def _exchanged(predictor: Any, forward: ProcessForward) -> Any:
    """The predictor with another forward; itself where it has no network."""
    if isinstance(predictor, Network):
        return replace(predictor, forward=forward)
    inner = getattr(predictor, "inner", None)
    changed = _exchanged(inner, forward) if inner is not None else None
    return predictor if changed is inner else replace(predictor, inner=changed)
