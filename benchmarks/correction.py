"""How well networks correct a mask that another tool made: IoU before and after one to three clicks, no CFR.

    python benchmarks/correction.py [LABEL=]WEIGHTS ... [--json results/correction.json]

Every second object of the validation split, its truth spoiled as in training (training/corruption.py), by a draw that
hangs on the object's name: a coarse, wide, narrow or shifted outline, a part missing, a part too many. WEIGHTS: an
.onnx file or a checkpoint folder.
"""

from __future__ import annotations

import argparse
import json
import zlib
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import fewclicks
from fewclicks.clicks import Clicks
from fewclicks.datasets import open_benchmark
from fewclicks.evaluation.metrics import interval, iou
from fewclicks.evaluation.robot import deepest_error
from fewclicks.files.replace import write_json
from fewclicks.training.corruption import corrupt_mask
from fewclicks.types import Sample

CLICKS = 3


def corrected(predictor: Any, sample: Sample) -> list[float]:
    """IoU of the spoiled mask, then after each click."""
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    state = replace(
        predictor.start(sample.image), prob=corrupt_mask(sample.truth, np.zeros(sample.truth.shape, bool), rng)
    )
    found, clicks = [iou(state.mask, sample.truth)], Clicks()
    for _ in range(CLICKS):
        clicks = clicks + deepest_error(sample.truth, state.mask, clicks)
        state = predictor.step(state, clicks)
        found.append(iou(state.mask, sample.truth))
    return found


def figures(weights: str) -> dict[str, Any]:
    """Means over the objects, and the change by the first click with its interval."""
    predictor, dataset = fewclicks.load(Path(weights), threads=1), open_benchmark("validation")
    curves = [corrected(predictor, dataset[i]) for i in range(0, len(dataset), 2)]
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
    found = {label: figures(file) for label, file in pairs}
    print(json.dumps(found, indent=1))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
