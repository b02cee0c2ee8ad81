"""Where training photos lie: `train/` under FEWCLICKS_DATA, or "toy" sets that are drawn, not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fewclicks.datasets import benchmark_root, folder
from fewclicks.errors import DatasetError
from fewclicks.sample import Scene, Scenes


def train_root() -> Path:
    """The folder of the training sets: `train/` beside `benchmarks/`."""
    return benchmark_root().parent / "train"


def scenes(name: str) -> Scenes:
    """The set "toy", a set under the training root, or a folder given by its path; DatasetError if there is none."""
    if name == "toy":
        return Toy()
    for root in (train_root() / name, Path(name)):
        if root.is_dir():
            return folder.scenes(root)
    raise DatasetError(f"no training set '{name}' in {train_root()}; set FEWCLICKS_DATA, or give a folder's path")


@dataclass(frozen=True, slots=True)
class Toy:
    """Coloured discs and boxes on noise: a set to learn in seconds, for tests and first steps."""

    name: str = "toy"
    count: int = 200
    side: int = 160

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Scene:
        rng = np.random.default_rng([7, index])
        image = rng.integers(60, 130, (self.side, self.side, 3), dtype=np.uint8)
        ids = np.zeros((self.side, self.side), np.uint8)
        for k in range(1, 4):
            x, y, r = (int(v) for v in rng.integers((20, 20, 12), (self.side - 20, self.side - 20, 36)))
            shape = np.zeros_like(ids)
            if k % 2:
                cv2.circle(shape, (x, y), r, 1, -1)
            else:
                cv2.rectangle(shape, (x - r, y - r), (x + r, y + r), 1, -1)
            image[shape > 0] = rng.integers(0, 256, 3)
            ids[shape > 0] = k
        return Scene(image, ids, f"toy{index}")

    def photo(self, index: int) -> str:
        """The photo's name."""
        return f"toy{index}"
