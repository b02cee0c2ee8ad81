"""`fewclicks bench`: how many clicks a method needs on the datasets of the field."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from rich.console import Console

    from fewclicks.evaluation.rollout import Report
    from fewclicks.types import Dataset

SHOWN_CLICKS = (1, 2, 3, 5, 10)
"""The clicks after which the table shows further measures; and the last."""

DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", metavar="DIR", help="The folder of GrabCut/, Berkeley/ ...; for `folder` the set itself."
    ),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Only N objects of each dataset, evenly spread.")
]
HeldOut = Annotated[
    int | None,
    typer.Option(
        "--held-out",
        min=1,
        metavar="N",
        help="Only photos that `train holdout=N` keeps out: one of N.",
    ),
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
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="A measure of your own after each click: my_lab.metrics:FUNCTION; may be repeated.",
    ),
]
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
    datasets: Annotated[
        list[str], typer.Argument(metavar="DATASET...", help="grabcut, davis, sbd/train: NAME, or NAME/SPLIT ...")
    ],
    data_root: DataRoot = None,
    limit: Limit = None,
    held_out: HeldOut = None,
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
    metric: Metrics = None,
    json_file: JsonFile = None,
    full: Full = False,
    resume: Resume = False,
    csv_file: CsvFile = None,
    plot_file: PlotFile = None,
    gallery_folder: GalleryFolder = None,
) -> None:  # a parameter per option: how typer reads them
    """Let a robot click on every object of the datasets and count its clicks (NoC)."""
    from fewclicks.config import resolve
    from fewclicks.evaluation.benchmark import Job, measure, settings_of
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
    metrics = tuple(dict.fromkeys(metric or ()))
    jobs = [Job(resolved, name, data_root, limit, robot, rules, metrics, held_out) for name in datasets]
    _ = jobs[0].named_robot(), jobs[0].chosen_metrics()  # an unknown name is told at once
    opened = [job.open() for job in jobs]  # all of them before the first is measured
    common, own = settings_of(jobs)
    journal = None
    if json_file is not None and str(json_file) != "-" and torchrun_ranks()[1] == 1:
        said = {key: value for key, value in common.items() if key != "threads"}  # how many work on it may change
        said |= {"datasets": datasets, "own": own, "limit": limit, "robot": robot, "held_out": held_out, **rules}
        said |= {"metrics": list(metrics)} if metrics else {}
        journal = RunJournal(json_file, said, resume)
    try:
        results = measure(jobs, opened, processes, journal)
    except BaseException:
        if journal is not None:
            journal.close()
        raise
    if len(results) < len(jobs):
        return  # one of the processes that torchrun started: that of rank 0 has the figures
    opened_as = {result.dataset: job.dataset for result, job in zip(results, jobs, strict=True)}
    about = {**common, "limit": limit, "held_out": held_out, "processes": several, "opened_as": opened_as}
    report = Report(about, tuple(results), own)
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
        reached = row["noc"]  # not at levels above --stop-iou: the clicking stopped before
        noc = [f"{reached[level]:.2f}" if level in reached else "-" for level in ("0.80", "0.85", "0.90", "0.95")]
        cells = [
            str(row["failures"].get("0.90", "-")),
            f"{row['iou_at_click'][0]:.3f}",
            f"{1000 * row['seconds_per_click']:.0f}",
        ]
        table.add_row(name, str(row["objects"]), *noc, *cells)
    console = Console()
    console.print(table)
    print_more(console, figures)
    shares = ", ".join(f"{name} {row['share_outside_predictor']:.0%}" for name, row in figures["datasets"].items())
    for name, row in figures["datasets"].items():
        if own := row.get("settings"):
            console.print(f"{name} with {', '.join(f'{key}={value}' for key, value in own.items())}")
    effects = {name: row["click_effect"] for name, row in figures["datasets"].items() if row["click_effect"]["clicks"]}
    lowered = ", ".join(f"{name} {effect['share_lowered']:.1%}" for name, effect in effects.items())
    console.print(f"Clicks after the first that cost more than 5 points of IoU: {lowered or 'none'}")
    console.print(f"Time that went to robot and metric, not to the method: {shares}")


def print_more(console: Console, figures: dict[str, Any]) -> None:
    """Add a table of what was measured beside the IoU: the boundary IoU, metrics of the user's own, initial masks."""
    from rich.box import SIMPLE
    from rich.table import Table

    rows: list[tuple[str, str, list[float | None]]] = []
    for name, row in figures["datasets"].items():
        if (edges := row.get("boundary_iou_at_click")) is not None:
            rows.append((name, "boundary IoU", edges))
        rows += [(name, metric, curve) for metric, curve in row.get("metrics_at_click", {}).items()]
    if rows:
        most = max(len(curve) for *_, curve in rows)
        shown = [click for click in SHOWN_CLICKS if click < most] + [most]
        table = Table(title="mean after click", box=SIMPLE, collapse_padding=True)
        for heading in ("dataset", "measure", *map(str, shown)):
            table.add_column(heading, justify="left" if heading in ("dataset", "measure") else "right", overflow="fold")
        for name, measure, curve in rows:
            cells = ["-" if (value := curve[click - 1]) is None else f"{value:.3f}" for click in shown]
            table.add_row(name, measure, *cells)
        console.print(table)
    begun = {name: row["initial_iou"] for name, row in figures["datasets"].items() if "initial_iou" in row}
    if begun:
        told = ", ".join(f"{name} {value:.3f}" for name, value in begun.items())
        console.print(f"IoU of the masks to begin with: {told}")


def draw(report: Report, datasets: list[Dataset], plot_file: Path | None, folder: Path | None) -> None:
    """The pictures that were asked for."""
    from fewclicks.evaluation.report import gallery, title

    if plot_file is not None:
        from fewclicks.evaluation.plots import plot

        figures = report.to_json()
        plot({title(figures["settings"]): figures}, plot_file)
    if folder is not None:
        for dataset, result in zip(datasets, report.results, strict=True):
            gallery(result, dataset, folder)
