"""COCO+LVIS built from COCO and LVIS: one PNG per photo, each written whole, so that a build can be stopped any time.

OUT/
  SPLIT/masks/STEM.png     layers of ids, one below the other; its text says what they are
  SPLIT/images             a link to the photos of COCO
  SPLIT/source.json        the annotation files that the build was begun from
  SPLIT/objects.json       the number of objects of each photo; written last
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from fewclicks.child_process import end_with_parent
from fewclicks.datasets import coco_panoptic, lvis
from fewclicks.datasets.coco_files import layered, object_ids, read_layers_info, write_layers
from fewclicks.datasets.coco_lvis import BUILT
from fewclicks.datasets.coco_panoptic import CROWD, STUFF, THING, PanopticScenes
from fewclicks.datasets.merge import merge
from fewclicks.errors import DatasetError
from fewclicks.files.replace import replace_file

Progress: TypeAlias = Callable[[int, int], object]
"""Called with (photos done, photos in all)."""

CHUNK = 4
"""Photos that a worker process is given at a time."""


@dataclass(frozen=True, slots=True)
class Build:
    """Holds what is built from where: plain values, which worker processes are given."""

    coco: Path
    lvis: Path
    out: Path
    split: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts what a build, or one photo of it, has."""

    photos: int = 0
    objects: int = 0
    parts: int = 0
    stuff: int = 0
    empty: int = 0
    """Photos of both annotations that are left without an object, and so left out."""

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.photos + other.photos,
            self.objects + other.objects,
            self.parts + other.parts,
            self.stuff + other.stuff,
            self.empty + other.empty,
        )


def build(job: Build, workers: int = 1, progress: Progress | None = None) -> Counts:
    """Build a split, or go on where an earlier run stopped; the outcome is the same whatever the number of workers.

    DatasetError when COCO or LVIS is not as expected, or when OUT was begun from other annotation files.
    """
    base = job.out / job.split
    _, _, pairs = _sources(job)
    (base / "masks").mkdir(parents=True, exist_ok=True)
    _claim(job)
    total, numbers = Counts(), {}
    with _mapping(workers) as run:
        for k, counts in enumerate(run(partial(_photo, job), range(len(pairs)))):
            total += counts
            if counts.photos:
                numbers[pairs[k][0]] = counts.objects
            if progress:
                progress(k + 1, len(pairs))
    text = json.dumps({"photos": numbers}, indent=0, sort_keys=True)
    replace_file(base / BUILT, lambda out: out.write(text.encode()))
    return total


def link_photos(job: Build) -> bool:
    """Link OUT/SPLIT/images to the photos of COCO where nothing is there; False when the system does not let us."""
    images, photos = job.out / job.split / "images", _sources(job)[0].photos.resolve()
    try:
        if not images.is_dir():
            images.symlink_to(photos, target_is_directory=True)
    except OSError:
        return False
    return True


@lru_cache(maxsize=1)
def _sources(job: Build) -> tuple[PanopticScenes, lvis.Annotations, list[tuple[str, int, int]]]:
    """COCO, LVIS, and (stem, place in COCO, place in LVIS) of the photos in both, sorted. Once in each process."""
    coco, objects = coco_panoptic.scenes(job.coco, job.split), lvis.open_annotations(job.lvis, job.split)
    place = {PurePosixPath(photo).stem: k for k, photo in enumerate(objects.photos)}
    pairs = [(stem, k, place[stem]) for k, stem in enumerate(coco.stems) if stem in place]
    pairs = [pair for pair in pairs if len(objects.spans[pair[2]])]
    if not pairs:
        raise DatasetError(f"COCO in {job.coco} and LVIS in {job.lvis} have no photo in common; check the folders")
    return coco, objects, pairs


def _claim(job: Build) -> None:
    """Note the sizes of the annotation files; DatasetError when the folder was begun from others."""
    coco, objects, _ = _sources(job)
    files = (coco.masks.with_suffix(".json"), objects.file)
    text = json.dumps({file.name: file.stat().st_size for file in files}, indent=1, sort_keys=True)
    note = job.out / job.split / "source.json"
    if note.is_file() and note.read_text("utf-8") != text:
        raise DatasetError(f"{note.parent} was begun from other annotation files; choose another folder, or delete it")
    replace_file(note, lambda out: out.write(text.encode()))


def _photo(job: Build, k: int) -> Counts:
    """Build photo k, unless its file is there."""
    path = job.out / job.split / "masks" / f"{_sources(job)[2][k][0]}.png"
    info = read_layers_info(path) if path.is_file() else _write(job, k, path)
    if info is None:
        return Counts(empty=1)
    return Counts(1, len(info["objects"]), len(info["parents"]), len(info["stuff"]))


def _write(job: Build, k: int, path: Path) -> dict[str, Any] | None:
    """Merge a photo's masks and write them; None when no object is left."""
    coco, objects, pairs = _sources(job)
    _, in_coco, in_lvis = pairs[k]
    labels = coco.labels(in_coco)
    merged = merge(
        [labels == segment for segment in coco.segments_of(in_coco, THING, CROWD)],
        objects.masks(in_lvis, labels.shape),
        [labels == segment for segment in coco.segments_of(in_coco, STUFF)],
    )
    if merged is None:
        return None
    numbers = [int(i) for i in object_ids(len(merged.masks))]
    info = {
        "objects": numbers[: merged.objects],
        "stuff": numbers[merged.objects :],
        "parents": {str(numbers[part]): numbers[whole] for part, whole in sorted(merged.parents.items())},
    }
    write_layers(path, layered(merged.masks, labels.shape), info)
    return info


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[[Callable[[int], Counts], range], Iterator[Counts]]]:
    """`map`, in this process or over several; leaving early (Ctrl-C) lets each worker finish the photos at hand."""
    if workers == 1:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin)
    try:
        yield partial(pool.map, chunksize=CHUNK)
    except BrokenProcessPool:
        raise DatasetError("a worker process ended early (memory?); run the command again, it goes on") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Ctrl-C reaches all processes of a terminal, and the first decides; when that one is killed, all end."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
