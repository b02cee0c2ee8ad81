"""`fewclicks refine`: correct the masks of a set of any tool, in the file format that it has."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.cli import options
from fewclicks.errors import counted

if TYPE_CHECKING:
    from fewclicks.config import ResolvedPredictor
    from fewclicks.integrations.refine import Job, Refined
    from fewclicks.integrations.refine_ray import Cluster

PROBLEMS = 10
"""So many reasons why masks stay as they were are printed; the report has all."""


def refine(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A COCO file, or a folder of LabelMe files.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="The corrected set: a file, or a folder.")],
    format_name: Annotated[str, typer.Option("--format", "-f", metavar="NAME", help="coco or labelme.")] = "coco",
    images: Annotated[
        str | None,
        typer.Option(
            "--images", metavar="DIR", help="The photos; images/ beside IN, or its folder. With Ray also URLs."
        ),
    ] = None,
    clicks: Annotated[
        str, typer.Option("--clicks", metavar="none|FILE", help='JSON, {"ID": [[x, y, 1], [x, y, 0]]}.')
    ] = "none",
    least: Annotated[float, typer.Option("--least", help="Keep masks of which a smaller share changes.")] = 0.1,
    most: Annotated[float, typer.Option("--most", help="Keep masks of which a larger share changes.")] = 0.7,
    review: Annotated[
        Path | None, typer.Option("--review", metavar="HTML", help="Write the masks, most changed first, as a page.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, metavar="N", help="Pictures in the page.")] = 100,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Every N-th photo from the I-th on, to OUT-I-of-N.")
    ] = None,
    join: Annotated[
        int | None, typer.Option("--join", min=1, metavar="N", help="Put N shards that are done together.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is done.")] = False,
    engine: Annotated[str, typer.Option("--engine", metavar="NAME", help="loop, or ray: a pool of actors.")] = "loop",
    address: Annotated[
        str | None, typer.Option("--address", metavar="HOST:PORT", help="Ray's cluster, or auto; else this machine.")
    ] = None,
    actors: Annotated[
        int | None, typer.Option("--actors", min=1, metavar="N", help="Of Ray; all cores but one if unset.")
    ] = None,
    shards: Annotated[
        int | None, typer.Option("--shards", min=1, metavar="N", help="Of Ray; one per 1,000 photos if unset.")
    ] = None,
    method: options.MethodName = "default",
    cfr: options.Cfr = 1,
    threads: options.Threads = None,
    settings: options.Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell what became of each mask as JSON.")] = False,
) -> None:  # a parameter per option: how typer reads them
    """Correct existing masks: each through the cascade, with clicks if given, written back in its own format.

    What the format holds besides masks stays as it is. Whole shards that are done are skipped.
    """
    from fewclicks.config import resolve
    from fewclicks.engines.interruption import stoppable
    from fewclicks.files.replace import write_text
    from fewclicks.integrations import refine as refining
    from fewclicks.integrations.photo_stores import is_elsewhere
    from fewclicks.integrations.refine_ray import Cluster
    from fewclicks.integrations.refine_review import review as page
    from fewclicks.integrations.shards import WHOLE, parse_shard

    _require_sense(shard, join, engine, address, actors, shards)
    on_ray = engine == "ray" and not join
    place = images if images is not None else str(images_beside(source))
    if review is not None:
        _require_page(review, place)
    threads = threads or (1 if on_ray else None)
    resolved = resolve(method, options.plain_values(settings), cfr=cfr, threads=threads)
    about = resolved.describe()
    about.pop("threads", None)
    job = refining.Job(
        source=source,
        out=out,
        format=format_name,
        images=place if is_elsewhere(place) else Path(place),
        shard=parse_shard(shard) if shard is not None else WHOLE,
        clicks={} if clicks == "none" else refining.read_clicks(Path(clicks)),
        least=least,
        most=most,
        settings=about,
    )
    if overwrite:
        job.forget()
    if join:
        rows, skipped = refining.join(job, join), False
    else:
        rows, skipped = _refined(resolved, job, (Cluster(address, actors), shards) if on_ray else None)
    if review is not None:
        write_text(review, stoppable(lambda: page(resolved.build(), job, rows, show)))
    if as_json:
        print(
            json.dumps({"out": str(job.target), "skipped": skipped, "masks": [asdict(row) for row in rows]}, indent=1)
        )
        return
    print(f"{job.target}: {'done before; skipped' if skipped else _summary(rows)}")
    if review is not None:
        print(f"  {review}: the masks, those first that changed most")
    problems = Counter(row.problem for row in rows if row.problem).most_common()
    for problem, count in problems[:PROBLEMS]:
        print(f"  {count:,} left as {'it was' if count == 1 else 'they were'}: {problem}")
    if problems[PROBLEMS:]:
        others = sum(count for _, count in problems[PROBLEMS:])
        print(f"  {others:,} more, for other reasons: {job.report}")


def _require_sense(
    shard: str | None, join: int | None, engine: str, address: str | None, actors: int | None, shards: int | None
) -> None:
    """InputError for options that exclude each other."""
    from fewclicks.errors import InputError

    if shard is not None and join:
        raise InputError("--join puts shards together that are done; leave --shard out")
    if engine not in ("loop", "ray"):
        raise InputError(f"there is no engine '{engine}'; choose loop or ray")
    if (engine != "ray" or join) and (address or actors or shards):
        raise InputError("--address, --actors and --shards are for Ray; add --engine ray, or leave them out")
    if shard is not None and shards:
        raise InputError("--shard does one shard, --shards all of them; leave one of them out")


def _require_page(review: Path, images: str) -> None:
    """InputError where a review cannot be written, or would take the place of a file of another kind."""
    from fewclicks.errors import InputError
    from fewclicks.files.replace import require_folder
    from fewclicks.integrations.photo_stores import is_elsewhere

    require_folder(review)
    if review.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a review is an HTML page, which would take the place of '{review}'; name it review.html")
    if is_elsewhere(images):
        raise InputError(f"a review draws photos of a folder, not of '{images}'; leave --review out")


def images_beside(source: Path) -> Path:
    """The folder of the photos where it is not named: images/ in or beside the folder of the masks, or that folder."""
    folder = source if source.is_dir() else source.parent
    places = [folder / "images", folder.parent / "images"]
    return next((place for place in places if place.is_dir()), folder)


def _refined(
    resolved: ResolvedPredictor, job: Job, ray: tuple[Cluster, int | None] | None
) -> tuple[list[Refined], bool]:
    """Tell what became of each mask, and whether it was done before; tells how far it is."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from fewclicks.engines.interruption import stoppable
    from fewclicks.integrations import refine as refining
    from fewclicks.integrations.refine_ray import refine_on_ray

    done = job.finished()
    if done is not None:
        return done, True
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.completed:,} masks"), TextColumn("{task.description}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def tell(name: str, masks: int) -> None:
            bar.update(task, advance=masks, description=name[-40:])

        if ray is not None:
            return refine_on_ray(resolved, job, *ray, tell), False
        done_now = stoppable(
            lambda: refining.refine(resolved.build(), job, lambda photo: tell(photo.name, len(photo.entries)))
        )
    return done_now, False


def _summary(rows: list[Refined]) -> str:
    taken = [row for row in rows if row.taken]
    kept = sum(not row.taken and not row.problem for row in rows)
    left = len(rows) - len(taken) - kept
    return f"{counted(len(rows), 'mask')}: {len(taken):,} exchanged, {kept:,} kept, {left:,} not readable"
