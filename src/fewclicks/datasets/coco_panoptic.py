"""COCO panoptic: every thing of a photo, none overlapping (Lin et al., ECCV 2014; Kirillov et al., CVPR 2019).

COCO/
  annotations/panoptic_SPLIT2017.json        segments and classes; SPLIT is train or val
  annotations/panoptic_SPLIT2017/STEM.png    segments: id = R + 256 G + 65536 B
  images/SPLIT2017/STEM.jpg                  photos; SPLIT2017/STEM.jpg is read as well

Things are objects, regions of a crowd are not counted (255), unlabelled pixels are background.
Stuff (sky, road) is background, or with `stuff=True` objects that the scene names in `Scene.stuff`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets.coco_files import (
    Arrays,
    Ids,
    Rows,
    elements,
    indexed,
    object_ids,
    photo_folder,
    require_files,
    rows_of,
)
from fewclicks.datasets.id_masks import Objects, known_split, objects_of
from fewclicks.datasets.pairs import read_mask, read_photo, require_same_size, tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import IGNORE_ID, Scene

FOLDER = "COCO"
TERMS = "annotations: CC BY 4.0 (COCO Consortium); photos: Flickr terms of use, rights with their owners"
COUNTS: dict[str | None, tuple[int, int | None]] = {"train": (118287, None), "val": (5000, None)}
"""Split -> photos and objects; of the things no count is published."""

STUFF, THING, CROWD = range(3)


@dataclass(frozen=True, slots=True)
class PanopticScenes:
    """One Scene per photo, sorted by name. `segments`: rows (id in the PNG, kind) of each photo."""

    name: str
    photos: Path
    masks: Path
    stems: tuple[str, ...]
    segments: Rows
    stuff: bool = False

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> Scene:
        stem = self.stems[index]
        image, labels = read_photo(self.photos / f"{stem}.jpg"), self.labels(index)
        require_same_size(image, labels, self.masks / f"{stem}.png")
        kept = self._kept(index)
        numbers = object_ids(len(kept))
        crowds = self.segments_of(index, CROWD)
        new = np.concatenate((numbers, np.full(len(crowds), IGNORE_ID, numbers.dtype)))
        sky = numbers[np.isin(kept, self.segments_of(index, STUFF))]
        return Scene(image, relabel(labels, np.concatenate((kept, crowds)), new), stem, {}, frozenset(sky.tolist()))

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return self.stems[index]

    def ids(self, index: int) -> list[int]:
        """The ids of the objects of a photo, without reading its mask."""
        return [int(i) for i in object_ids(len(self._kept(index)))]

    def segments_of(self, index: int, *kinds: int) -> NDArray[np.int64]:
        """The ids in the PNG of the segments of these kinds, in the order of the annotation."""
        rows = self.segments[index]
        return np.asarray(rows[np.isin(rows[:, 1], kinds), 0], np.int64)

    def labels(self, index: int) -> NDArray[np.int32]:
        """HxW ids as the PNG of a photo holds them."""
        rgb = read_mask(self.masks / f"{self.stems[index]}.png", "RGB").astype(np.int32)
        return np.asarray(rgb @ np.array([1, 256, 65536], np.int32), np.int32)

    def _kept(self, index: int) -> NDArray[np.int64]:
        return self.segments_of(index, THING, *([STUFF] if self.stuff else []))


def scenes(root: str | Path, split: str | None = None, *, stuff: bool = False) -> PanopticScenes:
    """The photos with their things (and stuff) of a split, "train" unless told. Indexes the annotation file once."""
    root, split, tree = Path(root), known_split(FOLDER, split, "train", COUNTS), tree_of(__doc__)
    masks = root / "annotations" / f"panoptic_{split}2017"
    file = masks.with_suffix(".json")
    if not file.is_file() or not masks.is_dir():
        raise DatasetError(f"{file if masks.is_dir() else masks} does not exist; expected this layout:\n{tree}")
    index = indexed(file, "coco-panoptic", _index)
    stems = tuple(index["stems"].tolist())
    photos = photo_folder(root, f"{split}2017", tree)
    require_files(photos, [f"{stem}.jpg" for stem in stems])
    require_files(masks, [f"{stem}.png" for stem in stems])
    return PanopticScenes(f"{FOLDER} {split}", photos, masks, stems, Rows(index["values"], index["start"]), stuff)


def open(root: str | Path, split: str | None = None, *, stuff: bool = False) -> Objects:  # noqa: A001
    """Every thing (and stuff) of a split, "val" unless told, as one sample."""
    found = scenes(root, split or "val", stuff=stuff)
    return objects_of(found, [found.ids(i) for i in range(len(found))], found.masks)


def relabel(labels: NDArray[np.int32], old: NDArray[np.int64], new: Ids) -> Ids:
    """HxW labels with each id of `old` replaced by that of `new`, all others by 0."""
    if not len(old):
        return np.zeros(labels.shape, new.dtype)
    order = np.argsort(old)
    place = np.searchsorted(old[order], labels).clip(max=len(old) - 1)
    return np.where(old[order][place] == labels, new[order][place], new.dtype.type(0))


def _index(file: Path) -> Arrays:
    """Stems and segments of the photos, sorted by stem."""
    things: dict[int, bool] = {}
    photos: dict[str, list[Any]] = {}
    try:
        for key, element, _, _ in elements(file):
            if key == "categories":
                things[element["id"]] = bool(element["isthing"])
            elif key == "annotations":
                photos[Path(element["file_name"]).stem] = [
                    (int(s["id"]), int(s["category_id"]), int(s.get("iscrowd", 0))) for s in element["segments_info"]
                ]
        rows = [
            [(i, (CROWD if crowd else THING) if things[category] else STUFF) for i, category, crowd in photos[stem]]
            for stem in sorted(photos)
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is no panoptic annotation ({error!r}); fetch it again") from None
    made = rows_of(rows, 2)
    return {"stems": np.array(sorted(photos), dtype=np.str_), "values": made.values, "start": made.start}
