"""Measure `fewclicks refine` on spoiled masks of the validation split: IoU before and after, and what the order finds.

Writes a COCO file of spoiled masks and its photos into a folder, runs the command on it, and compares with the truth.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL.Image

from fewclicks.cli import main
from fewclicks.datasets import open_benchmark
from fewclicks.datasets.validation import Validation
from fewclicks.files.replace import write_json
from fewclicks.formats import rle
from fewclicks.formats.coco import mask_of_segmentation
from fewclicks.training.corruption import corrupt_mask
from fewclicks.types import Mask, Truth

WORST = 0.1
"""The share of the masks that counts as the worst."""


def spoil(folder: Path, objects: int | None, seed: int = 0) -> list[Truth]:
    """Write FOLDER/spoiled.json and FOLDER/images/, a photo for each object; the truths, in the order of the ids."""
    dataset = cast(Validation, open_benchmark("validation"))
    rng = np.random.default_rng(seed)
    chosen = range(0, len(dataset), max(1, len(dataset) // objects) if objects else 1)
    images: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    truths = []
    for number, index in enumerate(chosen, start=1):
        scene, ids = dataset.scene(index)
        truth = scene.truth(*ids)
        others = np.asarray((scene.ids if scene.ids.ndim == 2 else scene.ids.max(axis=2)) > 0) & (truth == 0)
        mask = corrupt_mask(truth, others, rng) > 0.5
        if not mask.any():
            continue
        height, width = mask.shape
        name = f"{number:04}.webp"
        PIL.Image.fromarray(scene.image).save(folder / "images" / name, lossless=True, method=0)
        images.append({"id": len(truths) + 1, "file_name": name, "width": width, "height": height})
        rows.append(
            {
                "id": len(truths) + 1,
                "image_id": len(truths) + 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [0, 0, width, height],
                "area": int(mask.sum()),
                "segmentation": {"size": [height, width], "counts": rle.text(rle.runs(mask))},
            }
        )
        truths.append(truth)
    write_json(
        folder / "spoiled.json",
        {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "object"}]},
    )
    return truths


def iou(mask: Mask, truth: Truth) -> float:
    """Intersection over union, ignored pixels left out."""
    counted, object_ = truth != -1, truth == 1
    return float((mask & object_ & counted).sum() / max(1, ((mask | object_) & counted).sum()))


def _ious(file: Path, truths: list[Truth]) -> np.ndarray:
    rows = json.loads(file.read_text())["annotations"]
    return np.array(
        [iou(mask_of_segmentation(r["segmentation"], t.shape), t) for r, t in zip(rows, truths, strict=True)]
    )


def auc(scores: np.ndarray, bad: np.ndarray) -> float:
    """How likely a bad mask has a higher score than a good one."""
    ranks = np.argsort(np.argsort(scores))
    count = int(bad.sum())
    return float((ranks[bad].sum() - count * (count - 1) / 2) / (count * (~bad).sum()))


def measure(folder: Path, objects: int | None, seed: int = 0) -> dict[str, float]:
    """Spoil, refine, compare; files of earlier measurements in the folder are replaced."""
    truths = spoil(folder, objects, seed)
    source, out = folder / "spoiled.json", folder / "refined.json"
    arguments = ["refine", str(source), "-o", str(out), "--review", str(folder / "review.html"), "--threads", "1"]
    try:
        main([*arguments, "--overwrite"])
    except SystemExit as end:
        if end.code:
            raise
    before, after = (_ious(file, truths) for file in (source, out))
    report = json.loads((folder / "refined.refine.json").read_text())["masks"]
    changed = np.array([row["changed"] for row in report])
    bad = before <= np.quantile(before, WORST)
    return {
        "masks": len(truths),
        "iou_before": round(float(before.mean()), 4),
        "iou_after": round(float(after.mean()), 4),
        "exchanged": int(sum(row["taken"] for row in report)),
        "better": int((after > before + 0.01).sum()),
        "worse": int((after < before - 0.01).sum()),
        "auc_of_the_worst_tenth": round(auc(changed, bad), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("out/refine"))
    parser.add_argument("--objects", type=int, help="all 256 if unset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    figures = measure(chosen.folder, chosen.objects, chosen.seed)
    print(json.dumps(figures, indent=1))
    if chosen.json:
        write_json(chosen.json, figures)
