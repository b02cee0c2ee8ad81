"""What an option of inference is worth: the mean IoU over the first six clicks on the validation split, no CFR.

    python benchmarks/levers.py LABEL=WEIGHTS [OPTION=VALUE ...] [--trained] [--json results/levers.json]

Cheaper than NoC, and known better: every object counts at every click. WEIGHTS: an .onnx file or a checkpoint folder;
the options are those of the default method, such as zoom=512. With --json the figures are added to those in the file.
--trained measures on objects of photos that are trained on, chosen as those of the split: what is learnt by heart.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import make_validation

import fewclicks
from fewclicks.cli.options import plain_values
from fewclicks.datasets import open_benchmark
from fewclicks.datasets.validation import Validation
from fewclicks.evaluation.rollout import rollout
from fewclicks.files.replace import write_json

CLICKS = 6


def figures(weights: str, options: dict[str, Any], trained: bool) -> dict[str, Any]:
    """Mean IoU and share of objects at 0.90 after each click; a finished object keeps its IoU."""
    predictor = fewclicks.load(Path(weights), threads=1, **options)
    dataset = objects(trained)
    curves = []
    for i in range(len(dataset)):
        ious = list(rollout(predictor, dataset[i], max_clicks=CLICKS).ious)
        curves.append(ious + [ious[-1]] * (CLICKS - len(ious)))
    return summary(curves, options)


def objects(trained: bool) -> Validation:
    """The objects of the split, or others of photos that are trained on."""
    dataset: Validation = open_benchmark("validation")  # type: ignore[assignment]
    if not trained:
        return dataset
    lines = (make_validation.chosen(name, *plan, held=False) for name, plan in make_validation.PLAN.items())
    return replace(dataset, lines=tuple(chain.from_iterable(lines)))


def summary(curves: list[list[float]], options: dict[str, Any]) -> dict[str, Any]:
    """The means over objects whose curves are all six clicks long."""
    columns = list(zip(*curves, strict=True))
    iou = [round(fmean(column), 4) for column in columns]
    reached = [round(fmean(value >= 0.9 for value in column), 4) for column in columns]
    return {"options": options, "mean_iou": round(fmean(iou), 4), "iou": iou, "reached_90": reached}


def main() -> None:
    """Measure, print, and add to the file if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", metavar="LABEL=WEIGHTS")
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE")
    parser.add_argument("--trained", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    label, _, weights = asked.weights.partition("=")
    found = {label: figures(weights, plain_values(asked.options), asked.trained)}
    print(json.dumps(found))
    if asked.json:
        known = json.loads(asked.json.read_text("utf-8")) if asked.json.is_file() else {}
        write_json(asked.json, known | found)


if __name__ == "__main__":
    main()
