"""A network in a process of its own, so that several run on several cores. It is asked as an engine is (`Forward`).

What stands around the network (zoom, cascade, clicks that hold) stays here: only arrays go over the pipes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from fewclicks.annotator.services.child_pipe import ChildDied, ChildPipe
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
        self._child = ChildPipe("fewclicks.annotator.services.model_child", TIMEOUT_S)
        self._lock = threading.Lock()

    def __call__(self, image: Floats, clicks: Floats, prev: Floats) -> Floats:
        """image 1x3xHxW in [0, 1], clicks 1xNx3, prev 1x1xHxW -> logits 1x1xHxW."""
        arrays = [np.ascontiguousarray(array, np.float32) for array in (image, clicks, prev)]
        question = {**self._about, "shapes": [array.shape for array in arrays]}
        payload = b"".join(array.tobytes() for array in arrays)
        with self._lock:
            for _ in range(TRIES):
                self._child.start()
                with contextlib.suppress(ChildDied):
                    answer, logits = self._child.ask(question, payload)
                    if logits is None:
                        raise FewClicksError(str(answer["error"]))
                    return logits
        raise FewClicksError(
            "the process of the model died twice; see that there is memory enough, or use fewer --workers"
        )

    def close(self) -> None:
        """End the process; the next forward starts another."""
        with self._lock:
            self._child.close()


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


def close_process(predictor: Predictor) -> None:
    """End the process of a predictor's network, where it has one of its own."""
    network = network_of(predictor)
    if network is not None and isinstance(network.forward, ProcessForward):
        network.forward.close()


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
