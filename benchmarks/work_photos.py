"""The 30 jobs of the annotator's work test: photos that no model was trained on, each with the truth of its objects.

15 photos of the validation splits with one or two objects, 5 crowds, 5 photos whose masks came from elsewhere and are
bad (training/corruption.py, by a draw that hangs on the photo's name), 5 sequences of four frames: two of DAVIS, ten
frames of the film apart, and three made by moving an object and its ground apart, as in propagation.py.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from propagation import davis, moved_apart

from fewclicks.datasets import benchmark_root, held_out, open_benchmark
from fewclicks.datasets.validation import photo_of
from fewclicks.training import sets
from fewclicks.training.corruption import corrupt_mask
from fewclicks.types import Mask, Scene

KINDS = {"photo": 15, "crowd": 5, "bad masks": 5, "sequence": 5}
HOLDOUT = 20
"""Of the recipes: one photo in so many is not trained on."""
SPREAD = {"validation": 10, "validation_broad": 5}
"""Photos of each validation split."""
AN_OBJECT = 0.002
"""The least share of a photo that is worked on."""
IN_A_PHOTO, IN_A_CROWD, BAD = 2, 6, 3
"""The most objects that are worked on."""
FRAMES, FILMS = 4, 2
"""Of a sequence; of the sequences those that are films."""
LARGEST, WORST = 800, 0.9
"""Photos are no larger, in pixels; bad masks have a lower IoU than this."""


@dataclass(frozen=True, slots=True)
class Job:
    """A photo to be annotated."""

    kind: str
    name: str
    image: np.ndarray
    truths: tuple[Mask, ...]
    bad: tuple[Mask, ...] = ()
    """The masks that are there to begin with, one of each object."""
    goes_on: bool = False
    """It is the next frame of the sequence of the job before."""


def jobs(counts: dict[str, int] | None = None) -> list[Job]:
    """Choose the jobs; `counts` of each kind, for a quick look."""
    wanted = {**KINDS, **(counts or {})}
    single = list(photos())
    taken = {photo_of(job.name).rpartition("/")[2] for job, *_ in single}
    kinds = {"photo": iter(single), "crowd": crowds(taken), "bad masks": spoiled(), "sequence": sequences()}
    found = [list(islice(each, wanted[kind])) for kind, each in kinds.items()]
    return [job for each in found for several in each for job in several]


def photos() -> Iterator[list[Job]]:
    """Give photos of the validation splits, evenly spread, with the objects that the splits name."""
    for split, count in SPREAD.items():
        dataset = open_benchmark(split)
        lines = getattr(dataset, "lines")  # noqa: B009
        names = list(dict.fromkeys(photo_of(line) for line in lines))
        for k in range(count):
            name = names[(2 * k + 1) * len(names) // (2 * count)]
            indices = [i for i, line in enumerate(lines) if photo_of(line) == name][:IN_A_PHOTO]
            samples = [dataset[i] for i in indices]
            yield [Job("photo", name, samples[0].image, tuple(sample.truth == 1 for sample in samples))]


def crowds(taken: Collection[str] = ()) -> Iterator[list[Job]]:
    """Give the photos of COCO with the most objects that are large enough to be outlined, but for those `taken`."""
    found = sorted(_scenes("coco_instances"), key=lambda scene: (-len(objects_of(scene)), scene.name))
    for scene in (one for one in found if one.name not in taken):
        yield [Job("crowd", scene.name, scene.image, tuple(objects_of(scene)[:IN_A_CROWD]))]


def spoiled() -> Iterator[list[Job]]:
    """Give photos of COCO with a few objects, whose masks another tool has made, badly."""
    for scene in _scenes("coco_instances"):
        truths = objects_of(scene)[:BAD]
        if len(objects_of(scene)) not in range(2, BAD + 2):
            continue
        rng = np.random.default_rng(zlib.crc32(scene.name.encode()))
        bad = []
        for truth in truths:
            others = (scene.ids > 0) & (scene.ids < 255) & ~truth
            while True:
                mask = corrupt_mask(truth.astype(np.int8), others, rng) > 0.5
                if mask.any() and iou(mask, truth) < WORST:
                    break
            bad.append(mask)
        yield [Job("bad masks", scene.name, scene.image, tuple(truths), tuple(bad))]


def sequences() -> Iterator[list[Job]]:
    """Give films of DAVIS, then photos whose object moves."""
    film: list[Job] = []
    made = 0
    last: np.ndarray | None = None
    for before, mask, after, truth in davis(benchmark_root() / "DAVIS"):
        if made == FILMS:
            break
        if last is None or not np.array_equal(before, last):
            film = [_frame(before, mask, f"film {made}", False)]
        film.append(_frame(after, truth, f"film {made}", True))
        last = after
        if len(film) == FRAMES:
            made, last = made + 1, None
            yield film
    for scene in _scenes("voc_components"):
        large = [truth for truth in objects_of(scene) if 0.02 < truth.mean() < 0.3]
        if not large:
            continue
        rng = np.random.default_rng(zlib.crc32(scene.name.encode()))
        photo, truth = scene.image, large[0]
        moving = [_frame(photo, truth, scene.name, False)]
        while len(moving) < FRAMES:
            photo, truth = moved_apart(photo, truth, rng)
            moving.append(_frame(photo, truth, scene.name, True))
        if all(frame.truths[0].sum() > AN_OBJECT * truth.size for frame in moving):
            yield moving


def _frame(image: np.ndarray, mask: Mask, name: str, goes_on: bool) -> Job:
    """Make a frame no larger than is needed."""
    scale = min(1.0, LARGEST / max(mask.shape))
    size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return Job("sequence", name, image, (small,), goes_on=goes_on)


def _scenes(name: str) -> Iterator[Scene]:
    """Give the photos of a training set that no recipe trains on."""
    scenes = sets.scenes(name)
    for index in range(len(scenes)):
        if held_out(scenes, index, HOLDOUT):
            yield scenes[index]


def objects_of(scene: Scene) -> list[Mask]:
    """Find the objects of a photo that are large enough, the largest first."""
    ids, areas = np.unique(scene.ids[(scene.ids > 0) & (scene.ids < 255)], return_counts=True)
    large = [(-int(area), int(one)) for one, area in zip(ids, areas, strict=True) if area > AN_OBJECT * scene.ids.size]
    return [scene.ids == one for _, one in sorted(large)]


def iou(mask: Mask, truth: Mask) -> float:
    """Tell how far two masks agree."""
    union = int((mask | truth).sum())
    return int((mask & truth).sum()) / union if union else 1.0


def write_photos(found: Sequence[Job], folder: Path) -> Path:
    """Write the photos of the jobs into a folder, named by their order."""
    folder.mkdir()
    for number, job in enumerate(found, 1):
        PIL.Image.fromarray(job.image).save(folder / f"{number:03}.png")
    return folder
