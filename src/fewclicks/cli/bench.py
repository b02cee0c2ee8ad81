"""`fewclicks bench`: how many clicks a method needs on the datasets of the field."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError, MissingExtra, counted

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
    bool,
    typer.Option(
        "--resume",
        help="Go on with a run that was stopped, or show one that is finished; needs the same --json FILE and options.",
    ),
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
    from fewclicks.evaluation.report import write_json
    from fewclicks.evaluation.rollout import Report
    from fewclicks.evaluation.run_journal import RunJournal, finished
    from fewclicks.evaluation.shards import torchrun_ranks

    require_places(json_file, plot_file, csv_file)
    several = processes * torchrun_ranks()[1]
    kept = json_file if str(json_file) != "-" else None
    require_resumable(resume, kept, torchrun_ranks()[1])
    resolved = resolve(
        method, options.plain_values(settings), preset=preset, cfr=cfr, adaptive=adaptive, until_click=until_click,
        flip=flip, threads=threads or (1 if several > 1 else None),
    )  # fmt: skip
    rules = {"max_clicks": max_clicks, "stop_iou": level(stop_iou), "boundary": boundary_iou}
    metrics = tuple(dict.fromkeys(metric or ()))
    jobs = [Job(resolved, name, data_root, limit, robot, rules, metrics, held_out) for name in datasets]
    _ = jobs[0].named_robot(), jobs[0].chosen_metrics()  # an unknown name is told at once
    opened = [job.open() for job in jobs]  # all of them before the first is measured
    require_own_names(opened)
    common, own = settings_of(jobs)
    journal = None
    if kept is not None and torchrun_ranks()[1] == 1:
        said = {key: value for key, value in common.items() if key != "threads"}  # how many work on it may change
        said |= {"datasets": datasets, "names": [one.name for one in opened], "objects": [len(one) for one in opened]}
        said |= {"own": own, "limit": limit, "held_out": held_out, "metrics": list(metrics), **rules}
        if resume and (figures := finished(kept, {**said, "robot": jobs[0].clicker()}, full)):
            show_finished(figures, kept, csv_file, plot_file, gallery_folder)
            return
        journal = RunJournal(kept, {**said, "robot": robot, "data_root": data_root}, resume)
    try:
        results = measure(jobs, opened, processes, journal)
        if len(results) < len(jobs):
            return  # one of the processes that torchrun started: that of rank 0 has the figures
        opened_as = {result.dataset: job.dataset for result, job in zip(results, jobs, strict=True)}
        about = {**common, "limit": limit, "held_out": held_out, "processes": several, "opened_as": opened_as}
        report = Report(about, tuple(results), own)
        # Files first: a table whose reader has left costs none of them. The journal stays until all are there.
        if kept is not None:
            write_json(report, kept, full)
        draw(report, opened, csv_file, plot_file, gallery_folder)
    except BaseException:
        if journal is not None:
            journal.close()
            kept_so_far = counted(journal.count, "object", "is")
            typer.echo(f"{kept_so_far} kept in {journal.path}; --resume goes on", err=True)
        raise
    if journal is not None:
        journal.close(finished=True)
    if json_file is not None and kept is None:
        print(json.dumps(report.to_json(full), indent=1))
    else:
        print_table(report.to_json())


def require_resumable(resume: bool, json_file: Path | None, ranks: int) -> None:
    """InputError where no run could go on."""
    if resume and json_file is None:
        raise InputError("--resume goes on with the run of a --json FILE; name the file of that run")
    if resume and ranks > 1:
        raise InputError("--resume goes on with runs of one machine; leave it out under torchrun, or take --processes")


def require_own_names(opened: list[Dataset]) -> None:
    """InputError where two datasets have one name, by which the report knows them."""
    names = [dataset.name for dataset in opened]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"two of these datasets are called '{twice}'; measure each in a run of its own")


def show_finished(
    figures: dict[str, Any], json_file: Path, csv_file: Path | None, plot_file: Path | None, folder: Path | None
) -> None:
    """Show what a run found that is over. InputError where a file is asked for that only measuring can make."""
    from fewclicks.evaluation.plots import plot
    from fewclicks.evaluation.report import title

    for place, option in ((csv_file, "--csv"), (folder, "--gallery")):
        if place is not None and not place.exists():
            raise InputError(
                f"the run in '{json_file}' is finished, and {option} {place} was not asked for then; leave --resume "
                f"out to measure again, or {option}"
            )
    if plot_file is not None:
        plot({title(figures["settings"]): figures}, plot_file)
    typer.echo(f"the run in '{json_file}' is finished: nothing is left to measure", err=True)
    print_table(figures)


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


def require_places(json_file: Path | None, plot_file: Path | None, csv_file: Path | None) -> None:
    """Find out before the long run, not after it, that its result cannot be written."""
    from fewclicks.files.replace import require_folder

    for file in filter(None, (json_file, plot_file, csv_file)):
        require_folder(file)
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
    rows = figures["datasets"]
    levels = list(next(iter(rows.values()))["noc"])  # none above the IoU at which the clicking stops
    told = ", ".join(level.removeprefix("0") for level in levels)
    table = Table(
        title=title(settings) + (f": mean number of clicks (NoC) to an IoU of {told}" if told else ""),
        box=SIMPLE,
        collapse_padding=True,  # 80 columns are few
    )
    # never 90: on how many objects an IoU of .90 was not reached; IoU@1: the mean IoU after the first click
    never = "0.90" if "0.90" in levels else (levels or [""])[-1]
    names = [level.removeprefix("0.") for level in levels]
    heads = ("dataset", "objects", *names, *([f"never {never[2:]}"] if never else []), "IoU@1", "ms/click")
    for heading in heads:
        table.add_column(heading, justify="left" if heading == "dataset" else "right", no_wrap=True)
    for name, row in rows.items():
        cells = [f"{row['noc'][level]:.2f}" for level in levels]
        cells += [str(row["failures"][never])] if never else []
        cells += [f"{row['iou_at_click'][0]:.3f}", f"{1000 * row['seconds_per_click']:.0f}"]
        table.add_row(name, str(row["objects"]), *cells)
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


def draw(
    report: Report, datasets: list[Dataset], csv_file: Path | None, plot_file: Path | None, folder: Path | None
) -> None:
    """Write the further files that were asked for: a row per object, the curves, pictures of the worst cases."""
    from fewclicks.evaluation.report import gallery, title, write_csv

    if csv_file is not None:
        write_csv(report, csv_file)
    if plot_file is not None:
        from fewclicks.evaluation.plots import plot

        figures = report.to_json()
        plot({title(figures["settings"]): figures}, plot_file)
    if folder is not None:
        for dataset, result in zip(datasets, report.results, strict=True):
            gallery(result, dataset, folder)
