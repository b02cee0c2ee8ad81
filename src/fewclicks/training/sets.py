"""Where training photos come from: datasets by name, folders, or "toy" sets that are drawn, not read.

A set of a recipe is one of

    toy               coloured shapes, made as they are asked for
    NAME/SPLIT        a reader in datasets/ and one of its splits, such as sbd/train or coco_lvis/train
    SET               a folder of images/ and masks/ under the training root, which is train/ in the data folder
    PATH              such a folder anywhere

The data folder is FEWCLICKS_DATA, or ../shared/data seen from the current folder or the source checkout. A dataset's
own folder is looked for in benchmarks/, in train/ and in the data folder itself.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from fewclicks import datasets
from fewclicks.datasets import benchmark_root, folder
from fewclicks.errors import DatasetError, FewClicksError
from fewclicks.plugins import find, names
from fewclicks.types import Scene, Scenes


def train_root() -> Path:
    """The folder of the training sets: `train/` beside `benchmarks/`."""
    return benchmark_root().parent / "train"


def scenes(name: str, stuff: bool = False) -> Scenes:
    """The photos of the set `name`; with their stuff as objects where that is asked for and known.

    DatasetError if it is absent; that of a dataset shows the folder tree that its reader expects.
    """
    if name == "toy":
        return Toy()
    place = next((place for place in places(name) if place.is_dir()), None)
    reader, split = _reader(name)
    if place is None:
        if reader is None and name.partition("/")[0] in names("datasets"):
            raise DatasetError(f"'{name}' is there to measure on; train on another set, such as sbd/train")
        looked = ", ".join(str(place) for place in places(name))
        tree = f"\n{reader.__doc__}".rstrip() if reader else ""
        raise DatasetError(f"no training set '{name}'; looked for {looked}; set FEWCLICKS_DATA, or give a path{tree}")
    if reader is None:
        return folder.scenes(place)
    options = {"stuff": stuff} if "stuff" in inspect.signature(reader.scenes).parameters else {}
    found: Scenes = reader.scenes(place, split, **options)
    return found


def places(name: str) -> list[Path]:
    """Tell where a set is looked for, in this order; nowhere if it is drawn."""
    if name == "toy":
        return []
    reader, _ = _reader(name)
    if reader is None:
        return [train_root() / name, Path(name)]
    return datasets.places(reader.FOLDER)


@dataclass(frozen=True, slots=True)
class About:
    """Holds what can be said of a set without training on it."""

    name: str
    place: Path | None = None
    """Where it was found."""
    photos: int | None = None
    """Counted, or as published where the set is absent."""
    objects: int | None = None
    """As published; None where no count is."""
    title: str = ""
    terms: str = ""
    problem: str = ""
    """Why it cannot be read, in one line."""
    get: str = ""
    """The command that fetches it."""


def about(name: str) -> About:
    """Tell what is known of a set: found or not, how large, under which terms. An absent set raises nothing."""
    if name == "toy":
        return About(name, photos=Toy().count, title="shapes, drawn as they are asked for")
    reader, split = _reader(name)
    photos, objects = getattr(reader, "COUNTS", {}).get(split, (None, None))
    place = next((place for place in places(name) if place.is_dir()), None)
    problem = ""
    try:
        photos = len(scenes(name))
    except FewClicksError as error:
        problem = str(error).partition("\n")[0]
    title = (reader.__doc__ or "").partition("\n")[0].rstrip(".") if reader else "a folder of photos and masks"
    get = f"fewclicks datasets get {name.partition('/')[0]}" if reader and problem else ""
    return About(name, place, photos, objects, title, getattr(reader, "TERMS", ""), problem, get)


def _reader(name: str) -> tuple[ModuleType | None, str | None]:
    """The reader in datasets/ of NAME or NAME/SPLIT, and the split; (None, None) for a folder."""
    head, _, split = name.partition("/")
    if head not in names("datasets") or head == "folder":
        return None, None
    reader = find("datasets", head)
    return (reader, split or None) if hasattr(reader, "scenes") else (None, None)


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
