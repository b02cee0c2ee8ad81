"""How well networks correct a mask that another tool made: IoU before and after one to three clicks.

    python benchmarks/correction.py [LABEL=]WEIGHTS ... [--json results/correction.json]

Every second object of the validation split, its truth spoiled as in training (training/corruption.py), by a draw that
hangs on the object's name: a coarse, wide, narrow or shifted outline, a part missing, a part too many. Measured as
users meet it, where a correction changes what its click touches ("local"), and with that switched off ("everywhere").
WEIGHTS: an .onnx file, a checkpoint folder or a method's name; each refines as it does by itself. What the file has
of other labels stays; labels without "local" were measured without CFR, before there were local corrections.
"""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import fewclicks
from fewclicks.datasets import open_benchmark
from fewclicks.evaluation.metrics import interval, iou
from fewclicks.evaluation.robot import deepest_error
from fewclicks.files.replace import write_json
from fewclicks.predictor import Predictor
from fewclicks.training.corruption import corrupt_mask
from fewclicks.types import Sample

CLICKS = 3


def corrected(predictor: Predictor, sample: Sample, local: bool) -> list[float]:
    """IoU of the spoiled mask, then after each click."""
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    spoiled = corrupt_mask(sample.truth, np.zeros(sample.truth.shape, bool), rng) > 0.5
    session = fewclicks.open(sample.image, predictor, local=local)
    session.load_mask(spoiled)
    found = [iou(session.mask, sample.truth)]
    for _ in range(CLICKS):
        click = deepest_error(sample.truth, session.mask, session.clicks)
        found.append(iou(session.click(click.x, click.y, click.positive), sample.truth))
    return found


def figures(predictor: Predictor, local: bool) -> dict[str, Any]:
    """Means over the objects, and the change by the first click with its interval."""
    dataset = open_benchmark("validation")
    curves = [corrected(predictor, dataset[i], local) for i in range(0, len(dataset), 2)]
    first = [curve[1] - curve[0] for curve in curves]
    return {
        "iou": [round(fmean(column), 4) for column in zip(*curves, strict=True)],
        "first_click": [round(value, 4) for value in (fmean(first), *interval(first))],
        "made_worse": round(fmean(change < 0 for change in first), 4),
    }


def main() -> None:
    """Measure, print, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="+", metavar="[LABEL=]WEIGHTS")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    pairs = [one.partition("=")[::2] if "=" in one else (Path(one).stem, one) for one in asked.weights]
    found = {}
    for label, weights in pairs:
        predictor = fewclicks.load(Path(weights) if Path(weights).exists() else weights, threads=1)
        found[label] = {"local": figures(predictor, True), "everywhere": figures(predictor, False)}
    print(json.dumps(found, indent=1))
    if asked.json:
        earlier = json.loads(asked.json.read_text()) if asked.json.exists() else {}
        write_json(asked.json, {**earlier, **found})


if __name__ == "__main__":
    main()
