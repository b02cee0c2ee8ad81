"""Measure masks that are taken over to the next photo: J (IoU with the truth) as they are, moved, and fitted.

    python benchmarks/propagation.py --train DIR --data DIR    -> results/propagation.json

Two kinds of sequences: photos of training sets whose object and ground are moved, turned and bent apart (the truth is
known to the pixel), and neighboring frames of DAVIS, some ten frames apart. What is set was chosen on the first kind.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

import fewclicks
from fewclicks.evaluation.metrics import iou
from fewclicks.propagation import carry

OUT = Path(__file__).parents[1] / "results" / "propagation.json"
SETS = ("coco_instances", "voc_components", "coco_person")
TRUSTED = 0.6
"""As `propagation.LEAST_AGREEMENT`."""
CUT = 22
"""Neighboring frames whose thumbnails differ by more gray levels are of different videos."""

Pair = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""A photo, a mask; the next photo, the truth."""


def warped(root: Path, count: int, seed: int = 1) -> Iterator[Pair]:
    """Give photos of the training sets and what a moving camera and a moving, bending object make of them."""
    rng = np.random.default_rng(seed)
    for name in SETS:
        files, left = sorted((root / name / "images").iterdir()), count // len(SETS)
        for place in rng.permutation(len(files)):
            ids = np.asarray(PIL.Image.open(root / name / "masks" / f"{files[place].stem}.png"))
            large = [one for one in np.unique(ids) if one not in (0, 255) and 0.01 < (ids == one).mean() < 0.4]
            if not large or not left:
                continue
            photo, mask = read(files[place]), ids == rng.choice(large)
            after, truth = moved_apart(photo, mask, rng)
            if truth.sum() >= 200:
                left -= 1
                yield photo, mask, after, truth


def moved_apart(photo: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Move the object by up to a fifth of its size, turn, scale and bend it; move the ground by itself; add noise."""
    height, width = mask.shape
    size, (y, x) = float(np.sqrt(mask.sum())), (float(v.mean()) for v in np.nonzero(mask))
    ground = cv2.inpaint(photo, cv2.dilate(mask.astype(np.uint8), np.ones((7, 7))), 5, cv2.INPAINT_TELEA)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-2, 2), 1 + rng.uniform(-0.03, 0.03))
    turn[:, 2] += rng.uniform(-0.03, 0.03, 2) * (width, height)
    ground = cv2.warpAffine(ground, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    turn = cv2.getRotationMatrix2D((x, y), rng.uniform(-8, 8), 1 + rng.uniform(-0.1, 0.1))
    turn[:, 2] += rng.uniform(-0.2, 0.2, 2) * size
    back = cv2.invertAffineTransform(turn)
    bent = rng.uniform(-1, 1, (2, 4, 4)).astype(np.float32) * 0.06 * size
    bent = np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in bent])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    at = [
        (line[0] * columns + line[1] * rows + line[2] + bend).astype(np.float32)
        for line, bend in zip(back, bent, strict=True)
    ]
    there = cv2.remap(mask.astype(np.float32), *at, cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(there, (3, 3), 0)[..., None]
    mixed = ground * (1 - soft) + cv2.remap(photo, *at, cv2.INTER_LINEAR) * soft
    noisy = mixed * rng.uniform(0.92, 1.08) + rng.normal(0, 3, mixed.shape)
    return noisy.clip(0, 255).astype(np.uint8), there > 0.5


def davis(root: Path) -> Iterator[Pair]:
    """Give neighboring frames of DAVIS that are of one video, as their thumbnails tell."""
    before: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    for file in sorted((root / "img").iterdir()):
        photo = read(file)
        mask = np.asarray(PIL.Image.open(next((root / "gt").glob(f"{file.stem}.*"))).convert("L")) > 0
        small = cv2.resize(photo, (16, 9), interpolation=cv2.INTER_AREA).astype(float)
        if before and before[0].shape == photo.shape and np.abs(small - before[2]).mean() < CUT:
            yield before[0], before[1], photo, mask
        before = photo, mask, small


def read(file: Path) -> np.ndarray:
    """Decode a photo."""
    return np.asarray(PIL.Image.open(file).convert("RGB"))


def measured(pairs: Iterator[Pair], method: str) -> dict[str, object]:
    """Tell the means of J, and how far `agreement` tells good masks from bad ones."""
    predictor = fewclicks.load(method, threads=1)
    rows = []
    for before, mask, after, truth in pairs:
        found = carry(predictor, before, mask, predictor.start(after))
        rows.append([iou(mask, truth), iou(found.moved, truth), iou(found.mask, truth), found.agreement])
    table = np.array(rows)
    trusted = table[:, 3] >= TRUSTED
    mean = lambda chosen, column: round(float(table[chosen, column].mean()), 4) if chosen.any() else None  # noqa: E731
    every = np.ones(len(table), bool)
    return {
        "pairs": len(table),
        "J_as_it_is": mean(every, 0),
        "J_moved": mean(every, 1),
        "J_fitted": mean(every, 2),
        "fitting_helped": round(float((table[:, 2] > table[:, 1]).mean()), 4),
        "trusted": round(float(trusted.mean()), 4),
        "J_of_trusted": mean(trusted, 2),
        "J_of_others": mean(~trusted, 2),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, help="folder of the training sets")
    parser.add_argument("--data", type=Path, help="folder with DAVIS/img and DAVIS/gt")
    parser.add_argument("--count", type=int, default=90, help="pairs made of training photos")
    parser.add_argument("--method", default="default")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    if given.train:
        found[f"{given.method}: warped photos"] = measured(warped(given.train, given.count), given.method)
    if given.data:
        found[f"{given.method}: DAVIS, neighboring frames"] = measured(davis(given.data / "DAVIS"), given.method)
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
