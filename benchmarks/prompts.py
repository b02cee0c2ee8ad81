"""How well the default model answers what is not a click on a whole: a box alone, and one click on a part.

    python benchmarks/prompts.py [--method default] [--limit N] [--json results/prompts.json]

Box: the truth's own box, and one drawn loosely (each edge off by up to a quarter of the box's side, by a draw that
hangs on the object's name), of every object of both validation splits; IoU of the mask without any click. Parts: of
the sets whose objects are parts (faces, garments, wheels ...), one click on the deepest pixel; IoU of the mask that it
gives, and of the best of the up to three that it can mean (`session.candidates`), as an annotator would choose by eye.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np

import fewclicks
from fewclicks.clicks import Clicks
from fewclicks.config import resolve
from fewclicks.datasets import open_benchmark
from fewclicks.evaluation.metrics import interval, iou
from fewclicks.evaluation.robot import deepest_error
from fewclicks.files.replace import write_json
from fewclicks.geometry import Box
from fewclicks.predictor import Predictor
from fewclicks.types import Sample

SPLITS = ("validation", "validation_broad")
PARTS = ("fasseg_faceparts", "ccp_garments", "voc_components", "figaro_hair")
"""Sets of the validation splits whose objects are parts of things."""
LOOSE = 0.25
RIGHT = (0.5, 0.7, 0.8)
"""A mask counts as the one that was meant from such an IoU on."""


def boxes(sample: Sample) -> Iterator[tuple[str, Box]]:
    """The truth's box, tight and loose; nothing for an object without pixels."""
    tight = Box.around(sample.truth == 1)
    if tight is None:
        return
    yield "tight", tight
    height, width = sample.truth.shape
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    dx, dy = LOOSE * (tight.x1 - tight.x0), LOOSE * (tight.y1 - tight.y0)
    left, top, right, bottom = rng.uniform(-1, 1, 4) * (dx, dy, dx, dy)
    loose = Box(
        round(max(0, tight.x0 + left)), round(max(0, tight.y0 + top)),
        round(min(width, tight.x1 + right)), round(min(height, tight.y1 + bottom)),
    )  # fmt: skip
    yield "loose", loose if loose.x0 < loose.x1 and loose.y0 < loose.y1 else tight


def box_ious(predictor: Predictor, sample: Sample) -> dict[str, float]:
    """IoU of the mask that each kind of box gives without a click."""
    found = {}
    for kind, box in boxes(sample):
        session = fewclicks.open(sample.image, predictor)
        found[kind] = iou(session.box(box.x0, box.y0, box.x1, box.y1), sample.truth)
    return found


def part_ious(predictor: Predictor, sample: Sample) -> tuple[float, float]:
    """IoU of the first click's mask, and of the best of what it can mean."""
    session = fewclicks.open(sample.image, predictor)
    click = deepest_error(sample.truth, session.mask, Clicks())
    first = iou(session.click(click.x, click.y, click.positive), sample.truth)
    return first, max([first, *(iou(mask, sample.truth) for mask in session.candidates())])


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="default")
    parser.add_argument("--limit", type=int, help="objects of each split, evenly spread")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    resolved = resolve(asked.method, threads=1)
    predictor = resolved.build()
    alone: dict[str, list[float]] = defaultdict(list)
    parts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for split in SPLITS:
        dataset = open_benchmark(split)
        step = max(1, len(dataset) // asked.limit) if asked.limit else 1
        for index in range(0, len(dataset), step):
            sample = dataset[index]
            for kind, value in box_ious(predictor, sample).items():
                alone[f"{kind}, {split}"].append(value)
            place = sample.name.partition("/")[0]
            if place in PARTS:
                parts[place].append(part_ious(predictor, sample))
    parts["all"] = [pair for pairs in list(parts.values()) for pair in pairs]
    found = {
        "settings": {**resolved.describe(), "limit": asked.limit},
        "box_alone_iou": {
            name: {"objects": len(values), "iou": [round(one, 4) for one in (fmean(values), *interval(values))]}
            for name, values in alone.items()
        },
        "one_click_on_a_part": {
            name: {
                "objects": len(pairs),
                "first_iou": round(fmean(first for first, _ in pairs), 4),
                "best_of_three_iou": round(fmean(best for _, best in pairs), 4),
                "right": {f"{at:.2f}": round(fmean(best >= at for _, best in pairs), 4) for at in RIGHT},
            }
            for name, pairs in parts.items()
        },
    }
    print(json.dumps(found, indent=1))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
