"""ADE20K: the objects of 2,000 photos for validation and 20,210 for training (Zhou et al., CVPR 2017).

ADEChallengeData2016/
  images/{training,validation}/STEM.jpg                photos
  annotations_instance/{training,validation}/STEM.png  red: class, 0 none; green: object id, 0 none

The photos are those of the scene parsing challenge of 2016, the objects (100 classes) those of the Places challenge of
2017: the set that is published for instances and can be fetched by anyone. The full ADE20K (*_seg.png), which needs a
registration, is not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets.id_masks import IdScenes, Objects, known_split, listed_pairs, objects_of
from fewclicks.datasets.object_index import Progress, object_ids
from fewclicks.datasets.pairs import list_files, read_mask, tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import IGNORE_ID

FOLDER = "ADEChallengeData2016"
TERMS = "photos for non-commercial research and education only; annotations BSD-3-Clause (MIT CSAIL)"
COUNTS: dict[str | None, tuple[int, int | None]] = {"validation": (2000, None), "training": (20210, None)}
"""Split -> photos and objects; of the objects no count is published."""


def scenes(root: str | Path, split: str | None = None) -> IdScenes:
    """The photos of a split (None: "training") with all their objects. Lists the folders, reads no picture yet."""
    return _scenes(Path(root), known_split("ADE20K", split, "training", COUNTS))


def open(root: str | Path, split: str | None = None, *, progress: Progress | None = None) -> Objects:  # noqa: A001
    """Every object of a split (None: "validation"), in the order of the names, then of the ids.

    `root` is ADEChallengeData2016/ itself. All masks are read once, under `progress`, and what they hold is kept in
    the user's cache folder. DatasetError when a photo has no mask, or a mask is no instance mask.
    """
    found = _scenes(Path(root), known_split("ADE20K", split, "validation", COUNTS))
    masks = [mask for _, mask in found.files]
    return objects_of(found, object_ids("ade20k", masks, read_ids, progress), masks[0].parent)


def read_ids(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """HxW object ids: the green channel. Object 255 becomes 256 (uint16), for 255 says that a pixel is not counted."""
    pixels = read_mask(path)
    if pixels.ndim != 3 or pixels.shape[2] < 3 or pixels.dtype != np.uint8:
        raise DatasetError(f"{path} has no colour channels; instance masks lie in annotations_instance/")
    ids: NDArray[np.uint8] = np.ascontiguousarray(pixels[..., 1])
    if not (ids == IGNORE_ID).any():
        return ids
    wide = ids.astype(np.uint16)
    wide[wide == IGNORE_ID] = IGNORE_ID + 1
    return wide


def _scenes(root: Path, split: str) -> IdScenes:
    tree = tree_of(__doc__)
    photos, masks = root / "images" / split, root / "annotations_instance" / split
    names = [photo.stem for photo in list_files(photos, tree)]
    return IdScenes("ADE20K", tuple(listed_pairs(names, photos, masks, ".png", tree)), read_ids)
