"""`fewclicks build-coco-lvis`: the training set COCO+LVIS from COCO and LVIS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fewclicks.errors import counted


def build_coco_lvis(
    coco_root: Annotated[Path, typer.Argument(metavar="COCO_ROOT", help="The folder of COCO, with annotations/.")],
    lvis_root: Annotated[Path, typer.Argument(metavar="LVIS_ROOT", help="The folder of lvis_v1_train.json.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to build in, and to go on in.")],
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="train or val.")] = "train",
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that merge masks.")] = 1,
) -> None:
    """Build the training set COCO+LVIS by its published rules; Ctrl-C stops, the same command goes on.

    fewclicks build-coco-lvis data/COCO data/LVIS data/COCO_LVIS --workers 8
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fewclicks.datasets.build import Build, build, link_photos

    job = Build(coco_root, lvis_root, out, split)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading the annotations", total=None)
        done = build(job, workers, lambda k, n: bar.update(task, description="photos", completed=k, total=n))
    linked = link_photos(job)
    print(
        f"{out / split}: {counted(done.photos, 'photo')}, {counted(done.objects, 'object')}, {done.parts:,} of them "
        f"parts of others, {counted(done.stuff, 'region')} of stuff; {counted(done.empty, 'photo')} left out as empty"
    )
    if not linked:
        print(f"copy the photos of COCO {split} to {out / split / 'images'}")
