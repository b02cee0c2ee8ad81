"""The benchmark over several processes: each takes every N-th object, and the figures are those of one process.

evaluate_in_processes(prepare, 4)      four processes on this machine
evaluate_under_torchrun(prepare)       the processes that torchrun started, on one node or several
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

from fewclicks.child_process import end_with_parent
from fewclicks.errors import FewClicksError
from fewclicks.evaluation.robot import Robot
from fewclicks.evaluation.rollout import ObjectResult, OnTrace, Result, evaluate, merged
from fewclicks.predictor import Predictor
from fewclicks.types import Dataset, Sample

Prepare = Callable[[], tuple[Predictor, Dataset, Robot, Mapping[str, Any]]]
"""Makes what a process evaluates: the arguments of `evaluate`, the last ones by name. It is pickled: a function of a
module, or `functools.partial` of one."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th object of a dataset, from `index` on."""

    dataset: Dataset
    index: int
    count: int

    @property
    def name(self) -> str:
        """The name of the whole dataset."""
        return self.dataset.name

    def __len__(self) -> int:
        return len(range(self.index, len(self.dataset), self.count))

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[range(self.index, len(self.dataset), self.count)[index]]


def evaluate_in_processes(prepare: Prepare, count: int, on_trace: OnTrace | None = None) -> Result:
    """`evaluate` over `count` processes. What one process raises is raised here, after all have been ended.

    Traces reach `on_trace` in the order in which they are finished.
    """
    context = multiprocessing.get_context("spawn")
    workers: list[tuple[Any, Connection]] = []
    try:
        for index in range(count):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, prepare, index, count), daemon=True)
            process.start()
            theirs.close()  # the process has its own: when it dies, ours reads the end of the file
            workers.append((process, ours))
        return merged(_collect(workers, on_trace))
    finally:
        for process, ours in workers:
            ours.close()
            process.terminate()
            process.join()


def _collect(workers: list[tuple[Any, Connection]], on_trace: OnTrace | None) -> list[Result]:
    """The result of every process that had objects, in the order of the processes."""
    results: dict[int, Result | None] = {}
    index_of: dict[Any, int] = {pipe: index for index, (_, pipe) in enumerate(workers)}
    while len(results) < len(workers):
        for pipe in wait([pipe for index, (_, pipe) in enumerate(workers) if index not in results]):
            index = index_of[pipe]
            try:
                message = workers[index][1].recv()
            except EOFError:
                workers[index][0].join()
                code = workers[index][0].exitcode
                reason = f"signal {-code}" if code < 0 else f"exit code {code}"
                raise FewClicksError(
                    f"process {index + 1} of {len(workers)} ended with {reason}; "
                    "if the memory was short, take fewer --processes"
                ) from None
            if isinstance(message, FewClicksError):
                raise message
            if isinstance(message, tuple):
                if on_trace is not None:
                    on_trace(*message)
            else:
                results[index] = message
    return [result for _, result in sorted(results.items()) if result is not None]


def _work(pipe: Connection, prepare: Prepare, index: int, count: int) -> None:
    """Tell what each process does: sends traces, then its result (None if it had no object), or the error."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the parent answers it
    os.environ.setdefault("LOCAL_RANK", str(index))  # as under torchrun: which of several GPUs is this process's
    with suppress(BrokenPipeError):  # the parent is gone
        try:
            pipe.send(_evaluate(prepare, index, count, lambda *trace: pipe.send(trace)))
        except BrokenPipeError:
            raise
        except FewClicksError as error:
            pipe.send(error)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            pipe.send(FewClicksError(f"process {index + 1} of {count} failed ({reason}); --processes 1 shows where"))


def _evaluate(prepare: Prepare, index: int, count: int, on_trace: OnTrace | None) -> Result | None:
    """The result of one shard; None when it is empty. The dataset as a whole must not be."""
    predictor, dataset, robot, rules = prepare()
    shard = Shard(dataset, index, count)
    if len(shard) == 0 and len(dataset) > 0:
        return None

    def placed(position: int, trace: ObjectResult) -> None:
        if on_trace is not None:
            on_trace(index + position * count, trace)

    return evaluate(predictor, shard, robot, **rules, on_trace=placed)


def torchrun_ranks() -> tuple[int, int]:
    """(rank, number of processes) that torchrun gives in the environment; (0, 1) where it does not."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def evaluate_under_torchrun(prepare: Prepare, on_trace: OnTrace | None = None) -> Result | None:
    """`evaluate` over the processes that torchrun started: the result for rank 0, None for the others."""
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("gloo", timeout=timedelta(days=1))  # the quickest waits for the slowest
    rank, count = torchrun_ranks()
    own = _evaluate(prepare, rank, count, on_trace)
    results: list[Result | None] | None = [None] * count if rank == 0 else None
    distributed.gather_object(own, results)
    return merged([result for result in results if result is not None]) if results else None
