"""`fewclicks bench`: how many clicks a method needs on the datasets of the field."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from fewclicks.config import ResolvedPredictor
    from fewclicks.evaluation.robot import Robot
    from fewclicks.evaluation.rollout import ObjectResult, Report, Result
    from fewclicks.evaluation.run_journal import RunJournal
    from fewclicks.predictor import Predictor
    from fewclicks.types import Dataset, Sample

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", metavar="DIR", help="The folder of GrabCut/, Berkeley/ ...; for `folder` the set itself."
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Only N objects of each dataset, evenly spread.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures; - writes to stdout.")]
Full = Annotated[
    bool, typer.Option("--full", help="Put every object's clicks and IoUs into the JSON too, for further statistics.")
]
Processes = Annotated[
    int, typer.Option("--processes", min=1, metavar="N", help="Share the objects among N processes, one thread each.")
]
MaxClicks = Annotated[
    int, typer.Option("--max-clicks", min=1, metavar="N", help="Clicks of an object at most; failures count as many.")
]
StopIou = Annotated[
    str, typer.Option("--stop-iou", metavar="IOU", help="Stop clicking at this IoU; none: make all the clicks.")
]
RobotName = Annotated[
    str | None,
    typer.Option(
        "--robot",
        metavar="NAME",
        help="Who clicks: deepest_error, random_error, boundary_error, noisy_human, or my_lab.robots:FUNCTION; "
        "the method's own, else deepest_error, if unset.",
    ),
]
Boundary = Annotated[bool, typer.Option("--boundary-iou", help="Measure the boundary IoU too; takes time.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a run that was stopped; needs the same --json FILE and options.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per object.")]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Draw IoU against clicks (png, pdf, svg).")
]
GalleryFolder = Annotated[
    Path | None, typer.Option("--gallery", metavar="DIR", help="Write the ten worst cases of each dataset as pictures.")
]


def bench(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET...", help="grabcut, berkeley, davis, ...")],
    data_root: DataRoot = None,
    limit: Limit = None,
    method: options.MethodName = "default",
    preset: options.Preset = None,
    cfr: options.Cfr = None,
    adaptive: options.Adaptive = False,
    until_click: options.UntilClick = None,
    flip: options.FlipOption = None,
    threads: options.Threads = None,
    settings: options.Settings = None,
    processes: Processes = 1,
    max_clicks: MaxClicks = 20,
    stop_iou: StopIou = "0.95",
    robot: RobotName = None,
    boundary_iou: Boundary = False,
    json_file: JsonFile = None,
    full: Full = False,
    resume: Resume = False,
    csv_file: CsvFile = None,
    plot_file: PlotFile = None,
    gallery_folder: GalleryFolder = None,
) -> None:  # a parameter per option: how typer reads them
    """Let a robot click on every object of the datasets and count its clicks (NoC)."""
    from fewclicks.config import resolve
    from fewclicks.evaluation.report import write_csv, write_json
    from fewclicks.evaluation.rollout import Report
    from fewclicks.evaluation.run_journal import RunJournal
    from fewclicks.evaluation.shards import torchrun_ranks

    require_places(json_file, plot_file, csv_file)
    if resume and (json_file is None or str(json_file) == "-"):
        raise InputError("--resume goes on with the run of a --json FILE; name the file of that run")
    several = processes * torchrun_ranks()[1]
    resolved = resolve(
        method, options.plain_values(settings), preset=preset, cfr=cfr, adaptive=adaptive, until_click=until_click,
        flip=flip, threads=threads or (1 if several > 1 else None),
    )  # fmt: skip
    rules = {"max_clicks": max_clicks, "stop_iou": level(stop_iou), "boundary": boundary_iou}
    jobs = [Job(resolved, name, data_root, limit, robot, rules) for name in datasets]
    _ = jobs[0].chosen_robot()  # an unknown name is told at once
    opened = [job.open() for job in jobs]  # all of them before the first is measured
    common, own = settings_of(jobs)
    journal = None
    if json_file is not None and str(json_file) != "-" and torchrun_ranks()[1] == 1:
        said = {key: value for key, value in common.items() if key != "threads"}  # how many work on it may change
        said |= {"datasets": datasets, "own": own, "limit": limit, "robot": robot, **rules}
        journal = RunJournal(json_file, said, resume)
    try:
        results = measure(jobs, opened, processes, journal)
    except BaseException:
        if journal is not None:
            journal.close()
        raise
    if len(results) < len(jobs):
        return  # one of the processes that torchrun started: that of rank 0 has the figures
    report = Report({**common, "limit": limit, "processes": several}, tuple(results), own)
    if str(json_file) == "-":
        print(json.dumps(report.to_json(full), indent=1))
    else:
        print_table(report.to_json())
        if json_file is not None:
            write_json(report, json_file, full)
    if journal is not None:
        journal.close(finished=True)
    if csv_file is not None:
        write_csv(report, csv_file)
    draw(report, opened, plot_file, gallery_folder)


@dataclass(frozen=True, slots=True)
class Job:
    """A dataset to be measured, in plain values that another process can be given."""

    resolved: ResolvedPredictor
    dataset: str
    data_root: Path | None
    limit: int | None
    robot: str | None = None
    """None: the method's own, else `deepest_error`."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `evaluate`."""
    positions: tuple[int, ...] | None = None
    """The objects that are left to measure; None: all."""

    def open(self) -> Dataset:
        """The dataset, or `limit` objects of it, or those that are left."""
        from fewclicks.datasets import Subset, open_benchmark

        dataset: Dataset = open_benchmark(self.dataset, self.data_root, trusted=True)
        if self.limit:
            dataset = Subset(dataset, self.limit)
        return dataset if self.positions is None else Picked(dataset, self.positions)

    def __call__(self) -> tuple[Predictor, Dataset, Robot, Mapping[str, Any]]:
        """What a process evaluates."""
        return self.own.build(), self.open(), self.chosen_robot(), self.rules

    def chosen_robot(self) -> Robot:
        """The robot that was named, or the method's own, wherever the method comes from, or `deepest_error`."""
        from fewclicks.evaluation.robot import deepest_error, robot_named

        if self.robot is not None:
            return robot_named(self.robot)
        own: Robot = getattr(self.resolved.module, "robot", deepest_error)
        return own

    @property
    def own(self) -> ResolvedPredictor:
        """The predictor on this dataset, on which a preset may say otherwise."""
        return self.resolved.on(self.dataset)


@dataclass(frozen=True, slots=True)
class Picked:
    """Some objects of a dataset, by their positions."""

    dataset: Dataset
    positions: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the whole dataset."""
        return self.dataset.name

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.positions[index]]


def level(text: str) -> float | None:
    """The IoU of `--stop-iou`; None for "none". InputError for anything else."""
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise InputError(f"--stop-iou is an IoU above 0 and up to 1, or none, got '{text}'")
    return value


def require_places(*files: Path | None) -> None:
    """Find out before the long run, not after it, that its result cannot be written."""
    json_file, plot_file, csv_file = files
    for file in (json_file, plot_file, csv_file):
        if file is not None and not file.parent.is_dir():
            raise InputError(f"there is no folder '{file.parent}' to write '{file.name}' into; create it first")
    if plot_file is not None and plot_file.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"cannot draw to '{plot_file.name}'; name a .png, .pdf or .svg file")
    if plot_file is not None and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("--plot needs matplotlib; install it with: pip install 'fewclicks[plot]'")


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

    from fewclicks.evaluation.rollout import OnTrace, evaluate
    from fewclicks.evaluation.shards import Shard, evaluate_in_processes, evaluate_under_torchrun, torchrun_ranks

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
    with Progress(*columns, console=Console(stderr=True), disable=rank > 0) as progress:
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
                progress.update(task, advance=1, note=f"last IoU {trace.ious[-1]:.2f}, {len(trace.turns)} clicks")
                if journal is not None:
                    journal.add(name, left[position], trace)

            if not done:
                results.append(evaluated(job, on_trace))
            else:
                fresh = evaluated(replace(job, positions=left), on_trace) if left else None
                results.append(completed(job, dataset, done, fresh))
            progress.update(task, note="")
    return [result for result in results if result is not None]


def completed(job: Job, dataset: Dataset, done: Mapping[int, ObjectResult], fresh: Result | None) -> Result:
    """The result of a dataset of which a part was measured before."""
    from fewclicks.evaluation.rollout import Result, forget_masks

    new = iter(fresh.traces if fresh else ())
    traces = [done[i] if i in done else next(new) for i in range(len(dataset))]
    forget_masks(traces)
    robot = job.chosen_robot()
    name = getattr(robot, "__name__", type(robot).__name__)
    return Result(dataset.name, tuple(traces), name, job.rules["max_clicks"], job.rules["stop_iou"])


def print_table(figures: dict[str, Any]) -> None:
    """The figures as a table on stdout."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from fewclicks.evaluation.report import title

    settings = figures["settings"]
    table = Table(
        title=f"{title(settings)}: mean number of clicks (NoC) to an IoU of .80, .85, .90, .95",
        box=SIMPLE,
        collapse_padding=True,  # 80 columns are few
    )
    # never 90: on how many objects an IoU of .90 was not reached; IoU@1: the mean IoU after the first click
    heads = ("dataset", "objects", "80", "85", "90", "95", "never 90", "IoU@1", "ms/click")
    for heading in heads:
        table.add_column(heading, justify="left" if heading == "dataset" else "right", no_wrap=True)
    for name, row in figures["datasets"].items():
        noc = [f"{row['noc'][level]:.2f}" for level in ("0.80", "0.85", "0.90", "0.95")]
        cells = [
            str(row["failures"]["0.90"]),
            f"{row['iou_at_click'][0]:.3f}",
            f"{1000 * row['seconds_per_click']:.0f}",
        ]
        table.add_row(name, str(row["objects"]), *noc, *cells)
    console = Console()
    console.print(table)
    shares = ", ".join(f"{name} {row['share_outside_predictor']:.0%}" for name, row in figures["datasets"].items())
    for name, row in figures["datasets"].items():
        if own := row.get("settings"):
            console.print(f"{name} with {', '.join(f'{key}={value}' for key, value in own.items())}")
    effects = {name: row["click_effect"] for name, row in figures["datasets"].items() if row["click_effect"]["clicks"]}
    lowered = ", ".join(f"{name} {effect['share_lowered']:.1%}" for name, effect in effects.items())
    console.print(f"Clicks after the first that cost more than 5 points of IoU: {lowered or 'none'}")
    console.print(f"Time that went to robot and metric, not to the method: {shares}")


def draw(report: Report, datasets: list[Dataset], plot_file: Path | None, folder: Path | None) -> None:
    """The pictures that were asked for."""
    from fewclicks.evaluation.report import gallery, title

    if plot_file is not None:
        from fewclicks.evaluation.plots import plot

        plot({title(report.settings): report.to_json()}, plot_file)
    if folder is not None:
        for dataset, result in zip(datasets, report.results, strict=True):
            gallery(result, dataset, folder)
