"""COCO+LVIS: 1.5 million overlapping objects on 99,000 photos, made for training (Sofiiuk et al., RITM, 2021).

COCO_LVIS/
  SPLIT/images/STEM.jpg          photos of COCO; SPLIT is train or val
  SPLIT/hannotation.pickle       as published: objects, and which is a part of which
  SPLIT/masks/STEM.pickle        as published: layers of ids
  SPLIT/objects.json             or as `fewclicks build-coco-lvis` writes it, with
  SPLIT/masks/STEM.png           layers of ids, one below the other

Published files are pickles; they are read as plain data and nothing in them is run. Ids are 1, 2 ... (without 255) in
the order of the annotation, objects before stuff. Parts (`Scene.parents`) overlap what they are a part of.
Stuff (sky, road) is background, or with `stuff=True` objects that the scene names in `Scene.stuff`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets import plain_pickle
from fewclicks.datasets.coco_files import (
    Arrays,
    Rows,
    indexed,
    object_ids,
    read_layers,
    read_layers_info,
    require_files,
    rows_of,
)
from fewclicks.datasets.id_masks import Objects, known_split, objects_of
from fewclicks.datasets.pairs import read_photo, require_same_size, tree_of
from fewclicks.errors import DatasetError
from fewclicks.files import bounded
from fewclicks.images.raster_formats import open_raster
from fewclicks.types import Scene

FOLDER = "COCO_LVIS"
TERMS = "annotations: CC BY 4.0 (COCO, LVIS), combined by RITM (MIT); photos: Flickr terms of use, rights with owners"
COUNTS: dict[str | None, tuple[int | None, int | None]] = {"train": (None, None), "val": (None, None)}
"""Split -> photos and objects: published are 99 thousand and 1.5 million of train, but no exact count to check."""
BUILT, PUBLISHED = "objects.json", "hannotation.pickle"


@dataclass(frozen=True, slots=True)
class CocoLvisScenes:
    """One Scene per photo, sorted by name. `parents`: rows (index of a part, of what it is a part of); None: built."""

    name: str
    base: Path
    stems: tuple[str, ...]
    counts: NDArray[np.int64]
    parents: Rows | None
    stuff: bool = False

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> Scene:
        whole = self._built(index) if self.parents is None else self._published(index, self.parents)
        return whole if self.stuff else whole.without(whole.stuff)

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return self.stems[index]

    def ids(self, index: int) -> list[int]:
        """The ids of the objects of a photo, parts among them, without reading its masks."""
        return [int(i) for i in object_ids(int(self.counts[index]))]

    def _built(self, index: int) -> Scene:
        stem = self.stems[index]
        path = self.base / "masks" / f"{stem}.png"
        image, ids, info = read_photo(self.base / "images" / f"{stem}.jpg"), read_layers(path), read_layers_info(path)
        require_same_size(image, ids, path)
        try:
            parents = {int(part): int(whole) for part, whole in info["parents"].items()}
            return Scene(image, ids, stem, parents, frozenset(info["stuff"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise DatasetError(f"{path} does not say what its ids are; delete it and build it again") from None

    def _published(self, index: int, parents: Rows) -> Scene:
        stem = self.stems[index]
        path = self.base / "masks" / f"{stem}.pickle"
        image = read_photo(self.base / "images" / f"{stem}.jpg")
        layers, places = _read_masks(path, image.shape[:2])
        numbers = object_ids(len(places))
        objects = numbers[: self.counts[index]]
        try:
            tree = {int(objects[part]): int(objects[whole]) for part, whole in parents[index]}
        except IndexError:
            raise DatasetError(f"{path} has fewer objects than {PUBLISHED} says; fetch both again") from None
        tables = np.zeros((len(layers), 256), numbers.dtype)
        for number, (layer, value) in zip(numbers, places, strict=True):
            tables[layer, value] = number
        ids = [table[layer] for table, layer in zip(tables, layers, strict=True)]
        stuff = frozenset(int(i) for i in numbers[self.counts[index] :])
        return Scene(image, ids[0] if len(ids) == 1 else np.stack(ids, axis=2), stem, tree, stuff)


def scenes(root: str | Path, split: str | None = None, *, stuff: bool = False) -> CocoLvisScenes:
    """The photos with their objects (and stuff) of a split, "train" unless told. Indexes the annotation once."""
    split = known_split(FOLDER, split, "train", COUNTS)
    base, tree = Path(root) / split, tree_of(__doc__)
    built = (base / BUILT).is_file()
    file = base / (BUILT if built else PUBLISHED)
    for place in (base / "images", base / "masks"):
        if not place.is_dir():
            raise DatasetError(f"{place} does not exist; expected this layout:\n{tree}")
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; expected this layout:\n{tree}")
    index = indexed(file, "coco-lvis", _index_built if built else _index_published)
    stems = tuple(index["stems"].tolist())
    require_files(base / "images", [f"{stem}.jpg" for stem in stems])
    require_files(base / "masks", [f"{stem}.{'png' if built else 'pickle'}" for stem in stems])
    parents = None if built else Rows(index["values"], index["start"])
    return CocoLvisScenes(f"{FOLDER} {split}", base, stems, index["counts"], parents, stuff)


def open(root: str | Path, split: str | None = None) -> Objects:  # noqa: A001
    """Every object of a split, "val" unless told, parts among them, as one sample."""
    found = scenes(root, split or "val")
    return objects_of(found, [found.ids(i) for i in range(len(found))], found.base)


def _index_built(file: Path) -> Arrays:
    """Stems and numbers of objects, as `fewclicks build-coco-lvis` wrote them."""
    try:
        photos = bounded.read_json(file)["photos"]
        stems = sorted(photos)
        return {"stems": np.array(stems, np.str_), "counts": np.array([photos[stem] for stem in stems], np.int64)}
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is damaged ({error!r}); run fewclicks build-coco-lvis again") from None


def _index_published(file: Path) -> Arrays:
    """Stems, numbers of objects, and rows (part, whole) of the published annotation."""
    photos = plain_pickle.read(file)
    try:
        stems = sorted(photos)
        counts = [photos[stem]["num_instance_masks"] for stem in stems]
        rows = [[(part, node["parent"]) for part, node in _parts(photos[stem]["hierarchy"])] for stem in stems]
        parents = rows_of(rows, 2)
        if min(counts, default=0) < 0 or (parents.values < 0).any():
            raise ValueError("a negative index")
        names = np.array([Path(stem).name for stem in stems], np.str_)
        return {"stems": names, "counts": np.array(counts, np.int64), "values": parents.values, "start": parents.start}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise DatasetError(f"{file} is no annotation of COCO+LVIS ({error!r}); fetch it again") from None


def _parts(nodes: dict[int, dict[str, Any] | None]) -> list[tuple[int, dict[str, Any]]]:
    """The nodes of a hierarchy that have a parent; None stands for an object that has no relations."""
    return [(k, node) for k, node in nodes.items() if node is not None and node["parent"] is not None]


def _read_masks(path: Path, hw: tuple[int, ...]) -> tuple[list[NDArray[np.uint8]], list[tuple[int, int]]]:
    """The HxW layers of a published mask file, and (layer, value) of each object."""
    try:
        encoded, places = plain_pickle.read(path)
        layers = [_decode(layer, hw) for layer in encoded]
        if not layers:
            raise ValueError("no layers")
        places = [(int(layer), int(value)) for layer, value in places]
        if any(not (0 <= layer < len(layers) and 0 < value < 256) for layer, value in places):
            raise ValueError("an object outside the layers")
        return layers, places
    except (OSError, AttributeError, SyntaxError, TypeError, ValueError) as error:
        raise DatasetError(f"{path} holds no layers of masks ({error}); fetch it again") from None


def _decode(layer: NDArray[np.uint8], hw: tuple[int, ...]) -> NDArray[np.uint8]:
    """An encoded picture of the size of the photo; its size is checked before it is decoded."""
    with open_raster(io.BytesIO(layer.tobytes()), ["PNG"]) as picture:
        if picture.size != (hw[1], hw[0]) or picture.mode != "L":
            raise ValueError(f"a layer is {picture.size[0]}x{picture.size[1]} {picture.mode}, not {hw[1]}x{hw[0]} L")
        return np.array(picture)
