"""`fewclicks figures`: the paper's figures, from our own runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fewclicks.cli import options
from fewclicks.errors import InputError


def figures(
    dataset: Annotated[str, typer.Argument(metavar="[DATASET]", help="Whose objects are shown; see --data-root.")] = (
        "folder"
    ),
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", metavar="DIR", help="As in bench; for `folder` ./examples if unset."),
    ] = None,
    objects: Annotated[int, typer.Option("--objects", min=2, help="How many objects, evenly spread.")] = 3,
    reports: Annotated[
        list[str] | None,
        typer.Option("--report", metavar="LABEL=FILE", help="A result of `bench --json`, as a line of clicks.png."),
    ] = None,
    method: options.MethodName = "default",
    threads: options.Threads = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.")] = Path("figures"),
) -> None:
    """Draw the figures of the paper from photos whose objects are known.

    Without --report the robot clicks on all objects of the dataset for clicks.png.
    """
    from fewclicks import load
    from fewclicks.datasets import Subset, open_benchmark
    from fewclicks.evaluation.figures import curves, draw
    from fewclicks.evaluation.report import read_json
    from fewclicks.refinement import CFR

    measured = {label: read_json(path) for label, path in options.pairs(reports).items()}
    if dataset == "folder" and data_root is None:
        data_root = Path("examples")
        if not data_root.is_dir():
            raise InputError("no folder ./examples to draw; pass --data-root DIR with images/ and masks/, or a DATASET")
    opened = open_benchmark(dataset, data_root)
    chosen = Subset(opened, objects)
    predictor = load(method) if threads is None else load(method, threads=threads)
    if not measured:
        measured = curves({"no CFR": predictor, "CFR-1": CFR(predictor, 1)}, opened)
    for path in draw(predictor, [chosen[i] for i in range(len(chosen))], measured, out):
        print(path)
