"""HQSeg-44K: fine masks of seven sets, put together for HQ-SAM (Ke et al., NeurIPS 2023); its 1,537 for validation.

HQSeg44K/
  DIS5K/DIS-VD/im/STEM.jpg                                  photos of 2 megapixels and more; DIS-TR to train on
  DIS5K/DIS-VD/gt/STEM.png                                  masks, 0 and 255
  thin_object_detection/ThinObject5K/images_test/STEM.jpg   with masks_test/; images_train/, masks_train/ to train on
  thin_object_detection/COIFT/images/STEM.jpg               with masks/
  thin_object_detection/HRSOD/images/STEM.jpg               with masks_max255/
  cascade_psp/DUTS-TR/STEM.jpg                              to train on, each with STEM.png beside it; DUTS-TE, ecssd,
                                                            fss_all and MSRA_10K alike

The splits: "val" (all four; the default), "dis", "thin", "coift", "hrsod" (one of them), "train". Where to get it is
told by github.com/SysCV/sam-hq (train/README.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets.id_masks import IdScenes, known_split
from fewclicks.datasets.image_pairs import light_truth, pairs_in
from fewclicks.datasets.pairs import Pairs, tree_of

FOLDER = "HQSeg44K"
TERMS = "those of DIS5K, ThinObject-5K, COIFT, HRSOD, FSS-1000, DUTS, ECSSD and MSRA-10K: research use"
COUNTS: dict[str | None, tuple[int | None, int | None]] = {
    "val": (1537, 1537), "dis": (470, 470), "thin": (500, 500), "coift": (280, 280), "hrsod": (287, 287),
    "train": (44320, 44320),
}  # fmt: skip
"""Split -> photos and objects: one each."""

Part = tuple[str, tuple[str, str] | None]
"""A folder, and the names of the folders in it where they are not the usual ones."""

VAL: dict[str, Part] = {
    "dis": ("DIS5K/DIS-VD", ("im", "gt")),
    "thin": ("thin_object_detection/ThinObject5K", ("images_test", "masks_test")),
    "coift": ("thin_object_detection/COIFT", ("images", "masks")),
    "hrsod": ("thin_object_detection/HRSOD", ("images", "masks_max255")),
}
TRAIN: tuple[Part, ...] = (
    ("DIS5K/DIS-TR", ("im", "gt")),
    ("thin_object_detection/ThinObject5K", ("images_train", "masks_train")),
    *((f"cascade_psp/{name}", None) for name in ("fss_all", "DUTS-TR", "DUTS-TE", "ecssd", "MSRA_10K")),
)


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The photos of a split, set by set; DatasetError when one of its sets is missing or laid out otherwise."""
    split = known_split("HQSeg-44K", split, "val", COUNTS)
    parts = TRAIN if split == "train" else [VAL[split]] if split in VAL else tuple(VAL.values())
    files: list[tuple[Path, Path]] = []
    for folder, inner in parts:
        files += pairs_in(FOLDER, Path(root) / folder, tree_of(__doc__), inner).files
    return Pairs(FOLDER if split == "val" else f"{FOLDER}/{split}", tuple(files), light_truth)


def scenes(root: str | Path, split: str | None = None) -> IdScenes:
    """The same to train on: one object, of id 1, in each photo."""
    found = open(root, split or "train")
    return IdScenes(found.name, found.files, _ids)


def _ids(path: Path) -> NDArray[np.uint8]:
    return light_truth(path).astype(np.uint8)
