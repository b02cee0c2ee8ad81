"""`fewclicks bench`: how many clicks a method needs on the datasets of the field."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli import options
from fewclicks.cli.options import Setup
from fewclicks.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from fewclicks.benchmark import Report, Result
    from fewclicks.predictor import Predictor
    from fewclicks.robot import Robot
    from fewclicks.sample import Dataset

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
    json_file: JsonFile = None,
    full: Full = False,
    plot_file: PlotFile = None,
    gallery_folder: GalleryFolder = None,
) -> None:  # a parameter per option: how typer reads them
    """Let a robot click on every object of the datasets and count its clicks (NoC)."""
    from fewclicks.benchmark import Report
    from fewclicks.report import write_json
    from fewclicks.shards import torchrun_ranks

    require_places(json_file, plot_file)
    several = processes * torchrun_ranks()[1]
    setup = Setup(
        method=method, preset=preset, cfr=cfr, adaptive=adaptive, until_click=until_click, flip=flip,
        threads=threads or (1 if several > 1 else None), options=options.plain_values(settings),
    )  # fmt: skip
    jobs = [Job(setup, name, data_root, limit) for name in datasets]
    opened = [job.open() for job in jobs]  # all of them before the first is measured
    results = measure(jobs, opened, processes)
    if len(results) < len(jobs):
        return  # one of the processes that torchrun started: that of rank 0 has the figures
    common, own = settings_of(jobs)
    report = Report({**common, "limit": limit, "processes": several}, tuple(results), own)
    if str(json_file) == "-":
        print(json.dumps(report.to_json(full), indent=1))
    else:
        print_table(report.to_json())
        if json_file is not None:
            write_json(report, json_file, full)
    draw(report, opened, plot_file, gallery_folder)


@dataclass(frozen=True, slots=True)
class Job:
    """A dataset to be measured, in plain values that another process can be given."""

    setup: Setup
    dataset: str
    data_root: Path | None
    limit: int | None

    def open(self) -> Dataset:
        """The dataset, or `limit` objects of it."""
        from fewclicks.datasets import Subset, open_benchmark

        dataset = open_benchmark(self.dataset, self.data_root, trusted=True)
        return Subset(dataset, self.limit) if self.limit else dataset

    def __call__(self) -> tuple[Predictor, Dataset, Robot]:
        """What a process evaluates."""
        from fewclicks.find import find, names
        from fewclicks.robot import deepest_error

        method = find("methods", self.setup.method) if self.setup.method in names("methods") else None
        return self.own_setup.build(), self.open(), getattr(method, "robot", deepest_error)

    @property
    def own_setup(self) -> Setup:
        """The setup on this dataset, on which a preset may say otherwise."""
        return replace(self.setup, dataset=self.dataset)


def require_places(json_file: Path | None, plot_file: Path | None) -> None:
    """Find out before the long run, not after it, that its result cannot be written."""
    for file in (json_file, plot_file):
        if file is not None and not file.parent.is_dir():
            raise InputError(f"there is no folder '{file.parent}' to write '{file.name}' into; create it first")
    if plot_file is not None and plot_file.suffix not in (".png", ".pdf", ".svg"):
        raise InputError(f"cannot draw to '{plot_file.name}'; name a .png, .pdf or .svg file")
    if plot_file is not None and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtra("--plot needs matplotlib; install it with: pip install 'fewclicks[plot]'")


def settings_of(jobs: list[Job]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The settings that all jobs share, and per job those that only it has (a preset's zoom for DAVIS)."""
    each = [job.own_setup.describe() for job in jobs]
    shared = {key: value for key, value in each[0].items() if all(one[key] == value for one in each)}
    return shared, [{key: value for key, value in one.items() if key not in shared} for one in each]


def measure(jobs: list[Job], datasets: list[Dataset], processes: int) -> list[Result]:
    """Evaluate under a progress bar on stderr. Under torchrun only rank 0 has results."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from fewclicks.benchmark import Trace, evaluate
    from fewclicks.shards import Shard, evaluate_in_processes, evaluate_under_torchrun, torchrun_ranks

    rank, ranks = torchrun_ranks()
    if ranks > 1 and processes > 1:
        raise InputError("torchrun starts the processes; leave --processes out")

    def evaluated(job: Job, on_trace: Callable[[Trace], None]) -> Result | None:
        if ranks > 1:
            return evaluate_under_torchrun(job, on_trace)
        if processes > 1:
            return evaluate_in_processes(job, processes, on_trace)
        return evaluate(*job(), on_trace=on_trace)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    results = []
    with Progress(*columns, console=Console(stderr=True), disable=rank > 0) as progress:
        for job, dataset in zip(jobs, datasets, strict=True):
            task = progress.add_task(dataset.name, total=len(Shard(dataset, rank, ranks)), note="")

            def on_trace(trace: Trace, task: Any = task) -> None:
                progress.update(task, advance=1, note=f"last IoU {trace.ious[-1]:.2f}, {len(trace.turns)} clicks")

            results.append(evaluated(job, on_trace))
            progress.update(task, note="")
    return [result for result in results if result is not None]


def print_table(figures: dict[str, Any]) -> None:
    """The figures as a table on stdout."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    settings = figures["settings"]
    refinement = f"{'A-' if settings['adaptive'] else ''}CFR-{settings['cfr']}" if settings["cfr"] else "no CFR"
    way = f"{settings['method']}, {settings['preset']}" if settings["preset"] else settings["method"]
    table = Table(
        title=f"{way}, {refinement}: mean number of clicks (NoC) to an IoU of .80, .85, .90, .95",
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
    from fewclicks.report import gallery

    if plot_file is not None:
        from fewclicks.plots import plot

        plot({str(report.settings["method"]): report.to_json()}, plot_file)
    if folder is not None:
        for dataset, result in zip(datasets, report.results, strict=True):
            gallery(result, dataset, folder)
