"""`fewclicks annotate --pre`: the objects of all photos, proposed before anybody sits down to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from fewclicks.errors import counted

if TYPE_CHECKING:
    from fewclicks.annotator.services.photos import PhotoFolder
    from fewclicks.config import ResolvedPredictor
    from fewclicks.images.levels import Levels
    from fewclicks.integrations.pre_annotate import PreJob, Proposed

NAME = "proposals.json"
"""In the folder of the photos: the annotator begins with it."""


def pre_annotate(
    photos: PhotoFolder,
    resolved: ResolvedPredictor,
    levels: Levels | None,
    out: Path | None,
    shard: str | None,
    join: int | None,
    again: bool,
) -> None:
    """Propose the objects of the photos of a shard, or put shards together, and tell what became of them."""
    from fewclicks.errors import InputError
    from fewclicks.integrations import pre_annotate as before
    from fewclicks.integrations.shards import WHOLE, parse_shard

    if shard is not None and join:
        raise InputError("--join puts shards together that are done; leave --shard out")
    if out is None and photos.is_remote:
        raise InputError(f"nothing is written to '{photos.address}'; name a file for the proposals by -o")
    about = resolved.describe()
    about.pop("threads", None)
    job = before.PreJob(
        names=photos.names(),
        locate=lambda name: photos.locate(name).path,
        out=out or photos.root / NAME,
        shard=parse_shard(shard) if shard is not None else WHOLE,
        levels=levels,
        settings=about,
    )
    if again:
        job.forget()
    if join:
        rows, skipped = before.join(job, join), False
    else:
        done = job.finished()
        rows, skipped = (_proposed(resolved, job), False) if done is None else (done, True)
    objects = sum(row.objects for row in rows)
    told = f"{counted(objects, 'object')} on {counted(len(rows), 'photo')}"
    print(f"{job.target}: {'done before; skipped' if skipped else told}")
    for problem, count in Counter(row.problem for row in rows if row.problem).most_common(10):
        print(f"  {counted(count, 'photo')} left out: {problem}")


def _proposed(resolved: ResolvedPredictor, job: PreJob) -> list[Proposed]:
    """Tell what became of each photo; tells how far it is."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fewclicks.engines.interruption import stoppable
    from fewclicks.integrations import pre_annotate as before

    console = Console(stderr=True)
    columns = (MofNCompleteColumn(), TextColumn("photos {task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=sum(job.shard.holds(number) for number in range(len(job.names))))

        def tell(row: Proposed) -> None:
            bar.update(task, advance=1, description=row.photo[-40:])

        return stoppable(lambda: before.pre_annotate(resolved.build(), job, tell))
