"""`fewclicks compare`: what one run of the benchmark changes against another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.errors import FewClicksError, InputError, counted

if TYPE_CHECKING:
    from fewclicks.evaluation.comparison import Runs
    from fewclicks.types import Dataset


def compare(
    reports: Annotated[
        list[str],
        typer.Argument(metavar="[LABEL=]FILE...", help="Reports of `bench --full --json`; the first is the base."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write tables (.md, .tex), plots and pictures there."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="Where the datasets lie, for the pictures.")
    ] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, metavar="N", help="Objects a dataset to draw, those that differ most.")
    ] = 5,
) -> None:
    """Compare runs object by object: differences with intervals, curves, scatter, tables for a paper."""
    from fewclicks.evaluation import comparison
    from fewclicks.files.replace import replace_file

    named = [labeled(report) for report in reports]
    if len(dict(named)) < len(named):
        raise InputError("two reports have the same label; name them: LABEL=FILE")
    runs = comparison.Runs.read(dict(named))
    table = comparison.markdown(runs)
    print(table, end="")
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("comparison.md", table), ("comparison.tex", comparison.latex(runs))):
        replace_file(out / name, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
    comparison.draw_curves(runs, out / "curves.png")
    for label in runs.labels[1:]:
        comparison.draw_scatter(runs, label, out / f"scatter_{plain(label)}.png")
        for dataset in runs.datasets if pictures else ():
            try:
                draw_most_different(runs, dataset, label, data_root, pictures, out)
            except FewClicksError as error:
                typer.echo(f"note: no pictures of {dataset}: {str(error).partition(chr(10))[0]}", err=True)
    print(f"{out} holds comparison.md, comparison.tex, curves.png, scatter plots and pictures")


def labeled(argument: str) -> tuple[str, str]:
    """Split LABEL=FILE; a FILE alone is labeled by its stem."""
    label, equals, file = argument.partition("=")
    return (label, file) if equals and label else (Path(argument).stem, argument)


def plain(label: str) -> str:
    """Make a label fit for a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)


def draw_most_different(runs: Runs, dataset: str, label: str, data_root: Path | None, count: int, out: Path) -> None:
    """Draw the objects on which two runs differ most: the truth, and the clicks of each run on it, side by side."""
    from fewclicks import visualization
    from fewclicks.clicks import Click, Clicks
    from fewclicks.datasets import Subset, held_out_of, open_benchmark

    objects = runs.objects(dataset)
    names = objects[label]["name"]
    settings = runs.reports[label]["settings"]
    word, _, split = settings.get("opened_as", {}).get(dataset, dataset.lower()).partition("/")
    opened: Dataset = open_benchmark(word, data_root, split or None)
    if holdout := settings.get("held_out"):
        opened = held_out_of(opened, holdout)
    if limit := settings.get("limit"):
        opened = Subset(opened, limit)
    if len(opened) != len(names):
        raise InputError(
            f"the runs measured {counted(len(names), 'object')}, the dataset has {len(opened)}; name their --data-root"
        )
    for rank, (position, name, change) in enumerate(runs.most_different(dataset, label, count), start=1):
        sample = opened[position]
        if sample.name != name:
            raise InputError(
                f"object {position} is '{sample.name}' here and '{name}' in the runs; name their --data-root"
            )
        panels = []
        for run in (runs.labels[0], label):
            clicks = Clicks(tuple(Click(x, y, positive) for x, y, positive in objects[run]["clicks"][position]))
            said = f"{run}: {counted(len(clicks), 'click')}, IoU {objects[run]['ious'][position][-1]:.2f}"
            panels.append(visualization.captioned(visualization.overlay(sample.image, sample.truth == 1, clicks), said))
        counts_clicks = runs.main_measure(dataset).startswith("NoC")
        told = f"{change:+.0f}clicks" if counts_clicks else f"{100 * change:+.0f}points"
        file = f"{plain(dataset)}_{plain(label)}_{rank:02d}_{plain(name)}_{told}.png"
        visualization.save(visualization.side_by_side(*panels), out / file)
