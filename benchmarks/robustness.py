"""How much the default model suffers when the photos are worse than those it knows: NoC on changed photos.

    python benchmarks/robustness.py [--processes 2]       GrabCut, writes results/robustness.json
    python benchmarks/robustness.py --dataset validation --limit 10 --json -       a quick look; - is stdout
    python benchmarks/robustness.py --method runs/mine/model.onnx --changes none,grey --json mine.json    other weights

Each change is made to every object's photo, and to the truth too where it moves pixels: the robot clicks on the changed
photo. The figures are those of CFR-1, with bootstrap intervals over the objects; differences are object by object.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import PIL.Image
import tables

from fewclicks.config import resolve
from fewclicks.errors import FewClicksError
from fewclicks.evaluation.benchmark import Job, measure
from fewclicks.evaluation.metrics import interval
from fewclicks.evaluation.rollout import Result
from fewclicks.files.replace import replace_file, require_folder
from fewclicks.geometry import Box, Frame
from fewclicks.methods.default import OWN
from fewclicks.plugins import names
from fewclicks.types import Dataset, Image, Sample, Truth

RESULT = Path(__file__).resolve().parents[1] / "results" / "robustness.json"
LEVELS = ("0.90", "0.95")
SIGMA = 20
"""Of the noise, in grey levels of 256."""
QUALITY = 15
"""Of the JPEG file, of 100."""


def same(sample: Sample) -> Sample:
    """What the others are compared with."""
    return sample


def noise(sample: Sample) -> Sample:
    """Gaussian noise on every channel of every pixel, seeded by the object's name."""
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    noisy = sample.image + rng.normal(0, SIGMA, sample.image.shape)
    return replace(sample, image=np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def jpeg(sample: Sample) -> Sample:
    """Written as JPEG of low quality and read again."""
    file = io.BytesIO()
    PIL.Image.fromarray(sample.image).save(file, "JPEG", quality=QUALITY)
    return replace(sample, image=np.asarray(PIL.Image.open(file).convert("RGB")))


def half(sample: Sample) -> Sample:
    """Half of the height and width."""
    return scaled(sample, 0.5)


def double(sample: Sample) -> Sample:
    """Twice the height and width."""
    return scaled(sample, 2)


def grey(sample: Sample) -> Sample:
    """Brightness alone, in all three channels."""
    brightness = np.asarray(PIL.Image.fromarray(sample.image).convert("L"))
    return replace(sample, image=np.dstack([brightness] * 3))


def rotated(sample: Sample) -> Sample:
    """Lying on its side: turned by 90 degrees, against the clock."""
    image, truth = (np.ascontiguousarray(np.rot90(array)) for array in (sample.image, sample.truth))
    return replace(sample, image=image, truth=truth)


CHANGES: dict[str, tuple[Callable[[Sample], Sample], str]] = {
    "none": (same, "as it is"),
    "noise": (noise, f"Gaussian noise, sigma {SIGMA} of 255"),
    "jpeg": (jpeg, f"JPEG of quality {QUALITY}"),
    "half": (half, "half size"),
    "double": (double, "double size"),
    "grey": (grey, "grey"),
    "rotated": (rotated, "turned by 90 degrees"),
}


def scaled(sample: Sample, factor: float) -> Sample:
    """Photo and truth resized; the truth takes the label of the nearest pixel."""
    height, width = sample.truth.shape
    hw = max(1, round(factor * height)), max(1, round(factor * width))
    image: Image = Frame(Box.whole((height, width)), hw).image(sample.image)
    rows, columns = (((np.arange(to) + 0.5) * of / to).astype(int) for to, of in zip(hw, (height, width), strict=True))
    truth: Truth = sample.truth[rows][:, columns]
    return replace(sample, image=image, truth=truth)


@dataclass(frozen=True)
class Changed:
    """A dataset with every sample changed."""

    dataset: Dataset
    change: str = "none"

    @property
    def name(self) -> str:
        """The dataset's name and the change."""
        return f"{self.dataset.name}, {CHANGES[self.change][1]}"

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return CHANGES[self.change][0](self.dataset[index])


@dataclass(frozen=True)
class ChangedJob(Job):
    """A measurement on changed photos, which another process can be given."""

    change: str = "none"

    def open(self) -> Dataset:
        """The changed dataset, or `limit` objects of it."""
        return Changed(Job.open(self), self.change)


def figures(results: dict[str, Result]) -> dict[str, Any]:
    """Per change NoC and the IoU of the first click as [mean, low, high], and their differences to no change."""
    values = {change: per_object(result) for change, result in results.items()}
    found: dict[str, Any] = {}
    for change, own in values.items():
        found[change] = {"what": CHANGES[change][1], **{key: with_interval(value) for key, value in own.items()}}
        if change != "none":
            changes = {key: np.subtract(value, values["none"][key]).tolist() for key, value in own.items()}
            found[change]["difference"] = {key: with_interval(value) for key, value in changes.items()}
    return found


def per_object(result: Result) -> dict[str, list[float]]:
    """What is compared, for every object."""
    noc: dict[str, list[float]] = {f"noc_{level}": list(result.clicks_to(float(level))) for level in LEVELS}
    return {**noc, "iou_at_1": [trace.ious[0] for trace in result.traces]}


def with_interval(values: Sequence[float]) -> list[float]:
    """Mean, and the ends of its 95 % interval."""
    return [round(float(value), 4) for value in (fmean(values), *interval(values))]


def run(
    dataset: str, limit: int | None, processes: int, method: str = "default", changes: Sequence[str] = tuple(CHANGES)
) -> dict[str, Any]:
    """Measure these changes, of which "none" is the first. Weights of one's own are shown photos as the default is."""
    resolved = resolve(method, None if method in names("methods") else OWN, threads=1)
    jobs = [ChangedJob(resolved, dataset, None, limit, change=change) for change in changes]
    results = dict(zip(changes, measure(jobs, [job.open() for job in jobs], processes), strict=True))
    clean = results["none"]
    return {
        "command": "python benchmarks/robustness.py",
        "settings": {**resolved.describe(), "limit": limit, **clean.protocol()},
        "dataset": clean.dataset.partition(",")[0],
        "objects": len(clean.traces),
        "changes": figures(results),
    }


def positive(text: str) -> int:
    """A number of at least 1."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main() -> None:
    """Measure, write the figures, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="grabcut", help="as in `fewclicks bench` (default: %(default)s)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only N objects, evenly spread")
    parser.add_argument("--processes", type=positive, default=1, metavar="N")
    parser.add_argument("--method", default="default", help="as in `fewclicks bench` (default: %(default)s)")
    parser.add_argument("--changes", default=",".join(CHANGES), help="only these (default: %(default)s)")
    parser.add_argument("--json", default=str(RESULT), metavar="FILE", help="where the figures go; - is stdout")
    asked = parser.parse_args()
    changes = ["none", *(name for name in asked.changes.split(",") if name != "none")]
    if unknown := next((name for name in changes if name not in CHANGES), None):
        parser.error(f"no change '{unknown}'; there are: {', '.join(CHANGES)}")
    other = asked.limit or asked.dataset != "grabcut" or asked.method != "default" or len(changes) < len(CHANGES)
    if asked.json == str(RESULT) and other:
        parser.error("results/robustness.json is for all of GrabCut and the default; name another file with --json")
    try:
        if asked.json != "-":
            require_folder(Path(asked.json))
        found = run(asked.dataset, asked.limit, asked.processes, asked.method, changes)
        text = json.dumps(found, indent=1) + "\n"
        if asked.json == "-":
            print(text, end="")
        else:
            replace_file(Path(asked.json), lambda file: file.write(text.encode()))
            print(tables.robustness(found))
    except FewClicksError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
