"""`fewclicks table4`: the paper's Table 4, measured here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from fewclicks.errors import InputError, counted


def table4(
    data: Annotated[
        str, typer.Option("--data", metavar="NAMES", help="Datasets, with commas between them.")
    ] = "grabcut,berkeley,davis",
    methods: Annotated[
        str, typer.Option("--methods", metavar="NAMES", help="Only these methods, with commas between them.")
    ] = "",
    weights_dir: Annotated[
        Path | None,
        typer.Option("--weights-dir", metavar="DIR", help="Published files (.pth), and checkpoint folders."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="The folder of GrabCut/, Berkeley/ ...")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="Only N objects of each dataset, evenly spread.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, metavar="N", help="Rows at a time; one per core if unset.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where table4.json, .md and .html are written.")
    ] = Path("results"),
    show: Annotated[bool, typer.Option("--show", help="Measure nothing: write the table of what is measured.")] = False,
) -> None:
    """Measure every row of Table 4 for which there are weights; called again, it goes on where it was stopped.

    Rows of the table in --out that are of the same objects, and are not asked for now, stay in it.

    fewclicks table4 --methods grabcut,eiseg --limit 10

    fewclicks table4 --weights-dir published/ --processes 8
    """
    from fewclicks.cli.options import require_extra
    from fewclicks.datasets import open_benchmark
    from fewclicks.evaluation import table4 as table
    from fewclicks.evaluation import table4_page
    from fewclicks.files.replace import replace_file

    require_extra("plot", "matplotlib")
    datasets = [name for name in (part.strip() for part in data.split(",")) if name]
    if not datasets:
        raise InputError("--data names no dataset; write grabcut,berkeley,davis")
    opened = [open_benchmark(name, data_root, trusted=True) for name in datasets]
    objects = sum(min(len(one), limit or len(one)) for one in opened)
    before = table.read_table(out / "table4.json")
    folder = out / "table4"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in (part.strip() for part in methods.split(",")) if name]
    entries = table.planned(chosen, weights_dir, folder)
    more = [*(["--data-root", str(data_root)] if data_root else []), *(["--limit", str(limit)] if limit else [])]
    count = processes or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if show:
        states = table.measured_so_far(entries, datasets, folder, more)
    else:
        states = watched(entries, datasets, folder, count, more, objects)
    found = table.summary(entries, states, datasets, folder, more, before)
    texts = {
        "json": json.dumps(found, indent=1, allow_nan=False) + "\n",
        "md": table4_page.markdown(found),
        "html": table4_page.page(found),
    }
    for ending, text in texts.items():
        replace_file(out / f"table4.{ending}", lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
    told = [f"{entry.title}: {state}" for entry in entries if (state := states[entry.title]).startswith("failed")]
    for line in told:
        typer.echo(line, err=True)
    done = sum(state == table.MEASURED for state in states.values())
    rows = {row["name"]: row["state"] for row in found["rows"]}
    without = sum(rows[title] in (table.NO_WEIGHTS, table.NO_METHOD) for title in states)
    failed = f", {len(told)} failed" if told else ""
    later = sum(state == table.NOT_YET for state in rows.values())
    failed += f", {later} not measured yet" if later else ""
    stay = sum(state == table.MEASURED for state in rows.values()) - done
    failed += f", {stay} kept from before" if stay else ""
    print(
        f"{out / 'table4.html'} (.md, .json): {counted(done, 'row')} measured, {without} without weights here{failed}"
    )


def watched(
    entries: Any, datasets: list[str], folder: Path, count: int, more: list[str], objects: int
) -> dict[str, str]:
    """Measure under progress bars on stderr: one for all rows, one for each that is measured now."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from fewclicks.evaluation import table4 as table

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        able = [entry for entry in entries if not entry.state]
        whole, tasks = progress.add_task("all rows", total=len(able) * objects), dict[str, Any]()
        finished = dict[str, int]()

        def on_progress(entry: table.Entry, done: int, state: str) -> None:
            if entry.title not in tasks:
                tasks[entry.title] = progress.add_task(entry.title, total=objects)
            finished[entry.title] = objects if state else done
            progress.update(tasks[entry.title], completed=done, visible=not state)
            progress.update(whole, completed=sum(finished.values()))

        return table.measure(entries, datasets, folder, processes=count, more=more, on_progress=on_progress)
