"""LVIS v1: every object of 1,203 classes, overlapping, on photos of COCO (Gupta, Dollar and Girshick, CVPR 2019).

LVIS/
  lvis_v1_SPLIT.json               objects; SPLIT is train or val
  train2017/STEM.jpg               photos of COCO; images/train2017/ and train/images/ are read as well
  val2017/STEM.jpg                 photos of COCO: LVIS val has photos of both folders

Masks overlap (a hat and its wearer), so scenes have layers and keep every object. The readers of RITM and its
successors skip an object that shares more than half with those kept before, in random order; `max_overlap=0.5` skips
those of which more than half is covered by larger ones.
Masks need pycocotools: pip install 'fewclicks[datasets]'.
"""

from __future__ import annotations

import builtins
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from fewclicks.datasets.coco_files import (
    Arrays,
    Rows,
    elements,
    indexed,
    layered,
    object_ids,
    photo_folder,
    require_files,
    rows_of,
)
from fewclicks.datasets.id_masks import Objects, known_split, objects_of
from fewclicks.datasets.pairs import read_photo, tree_of
from fewclicks.errors import DatasetError, MissingExtra, counted
from fewclicks.files import bounded
from fewclicks.types import Mask, Scene

FOLDER = "LVIS"
TERMS = "annotations: CC BY 4.0 (LVIS); photos of COCO: Flickr terms of use, rights with their owners"
COUNTS: dict[str | None, tuple[int, int | None]] = {"train": (100170, 1270141), "val": (19809, 244707)}
"""Split -> photos and objects."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The objects of each photo. `spans`: rows (first byte, length) of the annotations of each photo in the file."""

    file: Path
    photos: tuple[str, ...]
    """"train2017/STEM.jpg" or "val2017/STEM.jpg", sorted by STEM."""
    spans: Rows

    def ids(self, index: int) -> list[int]:
        """The ids of the objects of a photo, without decoding them."""
        return [int(i) for i in object_ids(len(self.spans[index]))]

    def masks(self, index: int, hw: tuple[int, ...]) -> list[Mask]:
        """The HxW masks of the objects of a photo, in the order of the file."""
        with builtins.open(self.file, "rb") as file:
            annotations = [self._annotation(file, int(start), int(length)) for start, length in self.spans[index]]
        try:
            return _decode([annotation["segmentation"] for annotation in annotations], *hw[:2])
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"an object of {self.photos[index]} in {self.file} has no mask ({error!r})") from None

    def _annotation(self, file: BinaryIO, start: int, length: int) -> dict[str, Any]:
        file.seek(start)
        try:
            found: dict[str, Any] = bounded.parse_json(file.read(length))
        except ValueError:
            raise DatasetError(f"{self.file} changed since it was opened; open the dataset again") from None
        return found


@dataclass(frozen=True, slots=True)
class LvisScenes:
    """One Scene per photo, sorted by name."""

    name: str
    annotations: Annotations
    folders: dict[str, Path]
    max_overlap: float = 1.0

    def __len__(self) -> int:
        return len(self.annotations.photos)

    def __getitem__(self, index: int) -> Scene:
        folder, _, file = self.annotations.photos[index].partition("/")
        image = read_photo(self.folders[folder] / file)
        masks = self.annotations.masks(index, image.shape)
        for k in _overlapping(masks, self.max_overlap):
            masks[k] = np.zeros_like(masks[k])
        return Scene(image, layered(masks, image.shape[:2]), Path(file).stem)

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return PurePosixPath(self.annotations.photos[index]).stem


def open_annotations(root: str | Path, split: str | None = None) -> Annotations:
    """The objects of a split, "train" unless told, without the photos. Indexes the annotation file once."""
    split = known_split(FOLDER, split, "train", COUNTS)
    file = Path(root) / f"lvis_v1_{split}.json"
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; expected this layout:\n{tree_of(__doc__)}")
    _pycocotools()
    index = indexed(file, "lvis", _index)
    return Annotations(file, tuple(index["photos"].tolist()), Rows(index["values"], index["start"]))


def scenes(root: str | Path, split: str | None = None, *, max_overlap: float = 1.0) -> LvisScenes:
    """The photos with their objects of a split, "train" unless told. Indexes the annotation file once.

    An object of which more than `max_overlap` is covered by larger ones is left out; 1 keeps all.
    DatasetError when a photo is missing, MissingExtra without pycocotools.
    """
    found = open_annotations(root, split)
    names = [photo.partition("/") for photo in found.photos]
    folders = {name: photo_folder(Path(root), name, tree_of(__doc__)) for name in sorted({n for n, _, _ in names})}
    for name, folder in folders.items():
        require_files(folder, [file for other, _, file in names if other == name])
    return LvisScenes(f"{FOLDER} {split or 'train'}", found, folders, max_overlap)


def open(root: str | Path, split: str | None = None) -> Objects:  # noqa: A001
    """Every object of a split, "val" unless told, as one sample."""
    found = scenes(root, split or "val")
    ids = [found.annotations.ids(i) for i in range(len(found))]
    return objects_of(found, ids, found.annotations.file)


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ModuleNotFoundError:
        raise MissingExtra("the masks of LVIS need pycocotools; run: pip install 'fewclicks[datasets]'") from None
    return mask


def _decode(segmentations: list[Any], height: int, width: int) -> list[Mask]:
    """HxW masks of polygons (their union: COCO's polygons have no holes) or run lengths."""
    coco = _pycocotools()
    runs = [_runs(coco, shape, height, width) for shape in segmentations]
    with warnings.catch_warnings():  # pycocotools 2.0 warns of its own arrays under numpy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        return [np.zeros((height, width), bool) if run is None else coco.decode(run).astype(bool) for run in runs]


def _runs(coco: Any, shape: Any, height: int, width: int) -> Any:
    """A shape as run lengths of pycocotools; None when it has no area."""
    if isinstance(shape, list):
        parts = [polygon for polygon in shape if len(polygon) >= 6]  # pycocotools takes four numbers for a box
        return coco.merge(coco.frPyObjects(parts, height, width)) if parts else None
    if list(shape["size"]) != [height, width]:
        raise ValueError(f"its size is {shape['size']}, that of the photo {[height, width]}")
    return coco.frPyObjects(shape, height, width) if isinstance(shape["counts"], list) else shape


def _overlapping(masks: list[Mask], most: float) -> list[int]:
    """The masks of which more than `most` is covered by larger masks that are kept."""
    covered = np.zeros_like(masks[0]) if masks else np.zeros((0, 0), bool)
    left = []
    for k in sorted(range(len(masks)), key=lambda k: -int(masks[k].sum())):
        if (masks[k] & covered).sum() > most * masks[k].sum():
            left.append(k)
        else:
            covered |= masks[k]
    return left


def _index(file: Path) -> Arrays:
    """Photos ("train2017/STEM.jpg", sorted) and where in the file the annotations of each are."""
    names: dict[int, str] = {}
    spans: dict[int, list[tuple[int, int]]] = {}
    try:
        for key, element, start, length in elements(file):
            if key == "images":
                url = PurePosixPath(element["coco_url"])
                if url.parent.name not in ("train2017", "val2017"):
                    raise ValueError(f"a photo of {url.parent.name}")
                names[element["id"]] = f"{url.parent.name}/{url.name}"
            elif key == "annotations":
                spans.setdefault(element["image_id"], []).append((start, length))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is no annotation of LVIS v1 ({error!r}); fetch it again") from None
    if foreign := spans.keys() - names.keys():
        raise DatasetError(
            f"{file} has objects on {counted(len(foreign), 'photo')} that it does not list; fetch it again"
        )
    order = sorted(names, key=lambda i: PurePosixPath(names[i]).name)
    rows = rows_of([spans.get(i, []) for i in order], 2)
    return {"photos": np.array([names[i] for i in order], np.str_), "values": rows.values, "start": rows.start}
