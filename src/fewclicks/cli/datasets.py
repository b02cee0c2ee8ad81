"""`fewclicks datasets`: which there are and which are here, and `fewclicks datasets get`: fetch one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.errors import InputError, UnknownName

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

    from fewclicks.datasets.survey import Finding, Split

datasets = typer.Typer(help="List the datasets, check those that are here, and fetch others.", add_completion=False)


@datasets.callback(invoke_without_command=True)
def listing(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="The folder of GrabCut/, SBD/ ...")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Count objects too where masks must be read for it.")] = False,
) -> None:
    """List the datasets: expected tree, terms of use, whether found, counts against the published ones.

    fewclicks datasets --count
    """
    if context.invoked_subcommand:
        return
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"there is no folder '{data_root}'; pass the folder of GrabCut/, SBD/ ... as --data-root")
    from rich.progress import MofNCompleteColumn

    from fewclicks.datasets.survey import survey

    with _bars(MofNCompleteColumn()) as bars:
        found = survey(data_root, count, _Report(bars))
    if as_json:
        print(json.dumps([finding.to_json() for finding in found], indent=1))
    else:
        show(found)


def show(found: list[Finding]) -> None:
    """Print what a survey found: a table of counts, then of each dataset its terms, its place and its tree."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True, markup=False)
    table = Table("dataset", "split", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("photos", "objects"):
        table.add_column(title, justify="right")
    table.add_column("here")
    for finding in found:
        for split in finding.splits:
            published = (split.published_photos, split.published_objects)
            numbers = ["?" if number is None else f"{number:,}" for number in published]
            table.add_row(finding.name, split.split or "", *numbers, _here(split))
    console.print(table)
    for finding in found:
        console.print(f"\n{finding.name}: {finding.summary}\n  terms: {finding.terms}")
        if finding.found:
            console.print(f"  found: {finding.found}")
        elif finding.looked_in:
            console.print(f"  not found; looked for {', '.join(str(place) for place in finding.looked_in)}")
            if finding.download_bytes is not None:
                console.print(f"  fetch it: fewclicks datasets get {finding.name}")
        console.print("\n".join(f"  {line}" for line in finding.tree.splitlines()))


def _here(split: Split) -> str:
    """Tell whether a split is here, and how it compares."""
    uncounted = split.photos is not None and split.objects is None
    return (split.state or "-") + (" (objects: --count)" if uncounted else "")


@datasets.command("get")
def get(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name, as `fewclicks datasets` lists it.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="The data root to unpack under; that of FEWCLICKS_DATA.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the archives: COCO, LVIS, COCO+LVIS share photos.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the terms and what would be fetched.")] = False,
) -> None:
    """Fetch a dataset from where it is published; Ctrl-C stops, the same command goes on.

    fewclicks datasets get sbd --to data/benchmarks
    """
    from rich.console import Console
    from rich.progress import DownloadColumn

    from fewclicks.datasets import download
    from fewclicks.datasets.sources import CATALOGUE
    from fewclicks.plugins import find

    module = find("datasets", name)
    key = module.__name__.rpartition(".")[2]
    if key not in CATALOGUE:
        raise UnknownName(f"no address of '{name}' is known; those of: {', '.join(sorted(CATALOGUE))}")
    root = to or _data_root()
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    console.print(f"{name}: terms of use: {module.TERMS}")
    for source in CATALOGUE[key]:
        size = f"{source.size / 1e6:,.0f} MB" if source.size else "size unknown"
        console.print(f"  {source.url} ({size}, {source.digest.partition(':')[0] or 'no checksum'} published)")
    if dry_run:
        return
    with _bars(DownloadColumn()) as bars:
        report = _Report(bars)
        download.get(
            CATALOGUE[key],
            root,
            lambda source, phase, done, total: report(f"{phase} {source.file}", done, total),
            keep_archives=keep,
        )
    print(root / module.FOLDER)


class _Report:
    """A bar for each thing that is done, when it begins."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, title: str, done: int, total: int | None) -> None:
        if title not in self.tasks:
            self.tasks[title] = self.bars.add_task(title, total=total)
        self.bars.update(self.tasks[title], completed=done, total=total)


def _bars(amount: ProgressColumn) -> Progress:
    """Progress bars on stderr, with a column that tells how much is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), amount, TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _data_root() -> Path:
    """Tell where datasets lie; InputError where nobody has said so."""
    from fewclicks.datasets import benchmark_root

    root = benchmark_root()
    if not os.environ.get("FEWCLICKS_DATA") and not root.is_dir():
        raise InputError("where shall it go? pass --to DIR, or set FEWCLICKS_DATA to the folder of your data")
    return root
