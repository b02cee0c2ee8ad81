"""SBD: 8,498 photos to train on, 6,671 objects in 2,857 to measure on (Hariharan et al., ICCV 2011).

SBD/
  img/STEM.jpg        photos of Pascal VOC 2011
  inst/STEM.mat       MATLAB 5: GTinst.Segmentation, 0 background, 1..n the objects
  train.txt, val.txt  the names of each split, one a line

It is the folder dataset/ of the authors' benchmark release. cls/ may lie beside them and is not read. train.txt shares
photos with Pascal VOC's val: do not train on the one and measure on the other; train_noval.txt is a split without them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets.id_masks import IdScenes, Objects, known_split, listed_pairs, objects_of, read_list
from fewclicks.datasets.mat import read_field
from fewclicks.datasets.object_index import Progress, ReadIds, object_ids
from fewclicks.datasets.pairs import tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import IGNORE_ID

FOLDER = "SBD"
TERMS = "Flickr photos under Flickr's terms of use; annotations for research, cite Hariharan et al., ICCV 2011"
COUNTS: dict[str | None, tuple[int, int | None]] = {
    "val": (2857, 6671),
    "train": (8498, 20172),
    "train_noval": (5623, None),
}
"""Split -> photos and objects."""

MIN_FILL = 0.08
"""Objects that fill less of their bounding box are left out of training, as RITM does: most are annotation errors."""


def scenes(root: str | Path, split: str | None = None) -> IdScenes:
    """The photos of a split (None: "train") to train on, objects below `MIN_FILL` as background. Reads no mask yet."""
    return _scenes(Path(root), split, "train", filled_ids)


def open(root: str | Path, split: str | None = None, *, progress: Progress | None = None) -> Objects:  # noqa: A001
    """Every object of a split (None: "val"), in the order of the list, then of the ids.

    `root` is SBD/ itself, the one with img/ and inst/. All annotations are read once, under `progress`, and what they
    hold is kept in the user's cache folder. DatasetError when a listed photo or annotation is absent or damaged.
    """
    found = _scenes(Path(root), split, "val", read_ids)
    masks = [mask for _, mask in found.files]
    return objects_of(found, object_ids("sbd", masks, read_ids, progress), masks[0].parent)


def read_ids(path: Path) -> NDArray[np.uint8]:
    """HxW uint8 object ids of an annotation."""
    ids = read_field(path, "GTinst", "Segmentation")
    if ids.ndim != 2 or ids.size == 0:
        raise DatasetError(f"GTinst.Segmentation of {path} has {ids.ndim} dimensions or is empty; fetch the file again")
    if ids.min() < 0 or ids.max() >= IGNORE_ID or (ids != np.floor(ids)).any():
        raise DatasetError(
            f"GTinst.Segmentation of {path} holds other values than the ids 0..254; fetch the file again"
        )
    return np.array(ids, np.uint8, order="C")


def filled_ids(path: Path) -> NDArray[np.uint8]:
    """`read_ids` without the objects that fill less than `MIN_FILL` of their bounding box."""
    ids = read_ids(path)
    for k in np.flatnonzero(np.bincount(ids.ravel())):
        rows, columns = np.nonzero(ids == k)
        box_px = (rows[-1] - rows[0] + 1) * (columns.max() - columns.min() + 1)
        if k and len(rows) / box_px < MIN_FILL:
            ids[rows, columns] = 0
    return ids


def _scenes(root: Path, split: str | None, default: str, read: ReadIds) -> IdScenes:
    tree = tree_of(__doc__)
    names = read_list(root / f"{known_split('SBD', split, default, COUNTS)}.txt", tree)
    return IdScenes("SBD", tuple(listed_pairs(names, root / "img", root / "inst", ".mat", tree)), read)
