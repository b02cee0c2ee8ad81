"""One file per dataset: `open(root, split) -> Dataset`, the expected folder tree in its docstring."""

from __future__ import annotations

import inspect
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fewclicks.errors import DatasetError, InputError, counted
from fewclicks.plugins import find
from fewclicks.types import Dataset, Sample, Scenes


def benchmark_root() -> Path:
    """The folder in which GrabCut/, Berkeley/ ... lie: `benchmarks/` under the environment variable
    FEWCLICKS_DATA, or under `../shared/data` seen from the current folder or from the source checkout."""
    if named := os.environ.get("FEWCLICKS_DATA"):
        return Path(named) / "benchmarks"
    checkout = Path(__file__).resolve().parents[3]
    places = [base.parent / "shared" / "data" / "benchmarks" for base in (Path.cwd(), checkout)]
    return next((place for place in places if place.is_dir()), places[0])


def places(folder: str, data_root: str | Path | None = None) -> list[Path]:
    """Tell where the folder of a dataset is looked for, in this order.

    Under `data_root`; where that is None under `benchmark_root()`, under `train/` beside it, and beside both.
    """
    if data_root is not None:
        return [Path(data_root) / folder]
    root = benchmark_root()
    return [root / folder, root.parent / "train" / folder, root.parent / folder]


def open_benchmark(
    name: str,
    data_root: str | Path | None = None,
    split: str | None = None,
    progress: Callable[[int, int], object] | None = None,
    *,
    trusted: bool = False,
) -> Dataset:
    """The dataset `name` ("grabcut", "sbd", ...: the files in datasets/) where `places` has its folder.

    `folder` has no folder of its own: there `data_root` is the root of its images/ and masks/.
    `trusted` says that the name is the user's own word, and may be the dotted one of a module (see `find`).
    `progress` is called with (masks read, masks in all) while a reader reads all masks, once, to find the objects.
    UnknownName for a dataset that no file in datasets/ reads, DatasetError when its folder is missing.
    """
    module = find("datasets", name, trusted=trusted)
    folder: str | None = getattr(module, "FOLDER", None)
    if folder is None and data_root is None:
        raise DatasetError(f"'{name}' has no default place; pass its folder as data_root (--data-root)")
    if folder is None:
        dataset: Dataset = module.open(data_root, split)
        return dataset
    looked = places(folder, data_root)
    root = next((place for place in looked if place.is_dir()), None)
    if root is None:
        where = str(looked[0].parent) if data_root is not None else ", ".join(str(place.parent) for place in looked)
        raise DatasetError(
            f"no folder {folder} in {where}; set FEWCLICKS_DATA or pass --data-root. {module.__doc__}".strip()
        )
    slow = "progress" in inspect.signature(module.open).parameters
    dataset = module.open(root, split, progress=progress) if slow else module.open(root, split)
    return dataset


def held_out(scenes: Scenes, index: int, holdout: int) -> bool:
    """Tell whether photo `index` belongs to the held-out part: one of `holdout`, by a hash of the photo's name,
    so that all partitions of a photo fall on one side. Of small sets see `held_out_photos`.
    """
    return bool(holdout) and zlib.crc32(scenes.photo(index).encode()) % holdout == 0


def held_out_photos(scenes: Scenes, holdout: int) -> frozenset[int]:
    """Return which photos of a set belong to its held-out part: those of `held_out`, and of two or more at least one.

    Chance may keep none of a dozen photos out, or all of two or three; then one is kept out, or trained on, all the
    same: that whose hash comes nearest.
    """
    names = [scenes.photo(i) for i in range(len(scenes))] if holdout else []
    hashes = {name: zlib.crc32(name.encode()) for name in names}
    order = sorted(hashes, key=lambda name: (hashes[name] % holdout, hashes[name]))
    count = sum(value % holdout == 0 for value in hashes.values())
    if len(order) > 1 and holdout > 1:
        count = min(max(count, 1), len(order) - 1)
    kept_out = set(order[:count])
    return frozenset(i for i, name in enumerate(names) if name in kept_out)


@dataclass(frozen=True, slots=True)
class Picked:
    """Some objects of a dataset, by their positions."""

    dataset: Dataset
    positions: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the whole dataset."""
        return self.dataset.name

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.positions[index]]


def held_out_of(dataset: Dataset, holdout: int) -> Picked:
    """The objects of the photos that a training with this `holdout` keeps out.

    InputError for a set that is there to measure on only, or of which no photo is kept out.
    """
    scenes, index = getattr(dataset, "scenes", None), getattr(dataset, "index", None)
    if scenes is None or index is None:
        raise InputError(f"'{dataset.name}' is there to measure on only: nothing of it is trained on or held out")
    photos = held_out_photos(scenes, holdout)
    positions = tuple(i for i, (scene, _) in enumerate(index) if scene in photos)
    if not positions:
        raise InputError(
            f"a holdout of {holdout} keeps out no object of {counted(len(scenes), 'photo')} here; add photos, or "
            "lower it"
        )
    return Picked(dataset, positions)


@dataclass(frozen=True, slots=True)
class Subset:
    """`count` objects of a dataset, evenly spread, so that videos and sorted sets are seen from end to end."""

    dataset: Dataset
    count: int

    @property
    def name(self) -> str:
        """The name of the whole dataset."""
        return self.dataset.name

    def __len__(self) -> int:
        return min(self.count, len(self.dataset))

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.dataset[index * len(self.dataset) // len(self)]
