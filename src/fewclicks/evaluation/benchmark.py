"""The benchmark: datasets that a robot clicks through, in one process or several, with a bar that tells how far it is.

jobs = [Job(resolve("default"), "grabcut", None, None)]
(result,) = measure(jobs, [job.open() for job in jobs], processes=2)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewclicks.config import ResolvedPredictor
from fewclicks.datasets import Picked, Subset, held_out_of, open_benchmark
from fewclicks.errors import FewClicksError, InputError, counted
from fewclicks.evaluation.metrics import Metric, metric_named
from fewclicks.evaluation.robot import Robot, name_of, robot_named, robot_of
from fewclicks.evaluation.rollout import ObjectResult, OnTrace, Result, evaluate, forget_masks
from fewclicks.evaluation.run_journal import RunJournal
from fewclicks.evaluation.shards import Shard, evaluate_in_processes, evaluate_under_torchrun, torchrun_ranks
from fewclicks.predictor import Predictor
from fewclicks.types import Dataset

if TYPE_CHECKING:
    from rich.progress import Progress


@dataclass(frozen=True, slots=True)
class Job:
    """A dataset to be measured, in plain values that another process can be given."""

    resolved: ResolvedPredictor
    dataset: str
    """Its name, or NAME/SPLIT."""
    data_root: Path | None
    limit: int | None
    robot: str | None = None
    """None: the method's own, else `deepest_error`."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `evaluate`."""
    metrics: tuple[str, ...] = ()
    """Metrics of the user's own, by name."""
    held_out: int | None = None
    """Only photos that a training with this `holdout` keeps out."""
    positions: tuple[int, ...] | None = None
    """The objects that are left to measure; None: all."""

    def open(self) -> Dataset:
        """The dataset, or `limit` objects of it, or those that are left."""

        name, _, split = self.dataset.partition("/")
        dataset: Dataset = open_benchmark(name, self.data_root, split or None, trusted=True)
        if self.held_out is not None:
            dataset = held_out_of(dataset, self.held_out)
        if self.limit:
            dataset = Subset(dataset, self.limit)
        return dataset if self.positions is None else Picked(dataset, self.positions)

    def __call__(self) -> tuple[Predictor, Dataset, Robot, Mapping[str, Any]]:
        """Tell what a process evaluates."""
        rules = {**self.rules, "metrics": self.chosen_metrics()} if self.metrics else self.rules
        predictor = self.own.build()
        return predictor, self.open(), self.chosen_robot(predictor), rules

    def chosen_metrics(self) -> dict[str, Metric]:
        """The metrics that were named."""
        return {name: metric_named(name) for name in self.metrics}

    def chosen_robot(self, predictor: Predictor) -> Robot:
        """The robot that was named, or the method's own, wherever the method comes from, or `deepest_error`."""
        return self.known_robot() or robot_of(predictor)

    def clicker(self) -> str:
        """Name the robot that will click."""
        return name_of(self.known_robot() or robot_of(self.own.build()))

    def known_robot(self) -> Robot | None:
        """The robot that was named, or that of the method's module; None where only the predictor can tell."""
        own = getattr(self.resolved.module, "robot", None)
        return self.named_robot() or (own if callable(own) else None)

    def named_robot(self) -> Robot | None:
        """The robot that was named; None where nobody was."""
        return None if self.robot is None else robot_named(self.robot)

    @property
    def own(self) -> ResolvedPredictor:
        """The predictor on this dataset, on which a preset may say otherwise."""
        return self.resolved.on(self.dataset.partition("/")[0])


def settings_of(jobs: list[Job]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The settings that all jobs share, and per job those that only it has (a preset's zoom for DAVIS)."""
    each = [job.own.describe() for job in jobs]
    shared = {key: value for key, value in each[0].items() if all(one[key] == value for one in each)}
    return shared, [{key: value for key, value in one.items() if key not in shared} for one in each]


def measure(
    jobs: list[Job], datasets: list[Dataset], processes: int, journal: RunJournal | None = None
) -> list[Result]:
    """Evaluate under a progress bar on stderr, what `journal` has not yet. Under torchrun only rank 0 has results."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    rank, ranks = torchrun_ranks()
    if ranks > 1 and processes > 1:
        raise InputError("torchrun starts the processes; leave --processes out")

    def evaluated(job: Job, on_trace: OnTrace) -> Result | None:
        if ranks > 1:
            return evaluate_under_torchrun(job, on_trace)
        if processes > 1:
            return evaluate_in_processes(job, processes, on_trace)
        predictor, dataset, robot, rules = job()
        return evaluate(predictor, dataset, robot, **rules, on_trace=on_trace)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    results = []
    with Progress(*columns, console=Console(stderr=True), disable=rank > 0) as progress, _gone_with_an_error(progress):
        for job, dataset in zip(jobs, datasets, strict=True):
            done = journal.done.get(job.dataset, {}) if journal else {}
            left = tuple(i for i in range(len(dataset)) if i not in done)
            shard = Shard(dataset, rank, ranks)
            task = progress.add_task(dataset.name, total=len(shard), completed=len(done), note="")

            def on_trace(
                position: int,
                trace: ObjectResult,
                task: Any = task,
                name: str = job.dataset,
                left: tuple[int, ...] = left,
            ) -> None:
                progress.update(
                    task, advance=1, note=f"last IoU {trace.ious[-1]:.2f}, {counted(len(trace.turns), 'click')}"
                )
                if journal is not None:
                    journal.add(name, left[position], trace)

            if not done:
                results.append(evaluated(job, on_trace))
            else:
                fresh = evaluated(replace(job, positions=left), on_trace) if left else None
                results.append(completed(job, dataset, done, fresh))
            progress.update(task, note="")
    return [result for result in results if result is not None]


@contextmanager
def _gone_with_an_error(progress: Progress) -> Iterator[None]:
    """Leave no bar behind where the run ends with an error that the user can mend: that is all there is to say."""
    try:
        yield
    except FewClicksError:
        progress.live.transient = True
        progress.live.stop()
        progress.disable = True  # else it ends with an empty line
        raise


def completed(job: Job, dataset: Dataset, done: Mapping[int, ObjectResult], fresh: Result | None) -> Result:
    """The result of a dataset of which a part was measured before."""
    new = iter(fresh.traces if fresh else ())
    traces = [done[i] if i in done else next(new) for i in range(len(dataset))]
    forget_masks(traces)
    robot = fresh.robot if fresh else traces[0].robot
    return Result(dataset.name, tuple(traces), robot, job.rules["max_clicks"], job.rules["stop_iou"])
