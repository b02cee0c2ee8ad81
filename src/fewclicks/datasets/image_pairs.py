"""Any folder of photos and black and white masks, one object each, as DIS5K, ThinObject-5K, COIFT and HRSOD have it.

ROOT/
  im/STEM.jpg              photos, or in images/, img/, images_test/
  gt/STEM.png              masks: what is nearer to white than to black is the object; or in masks/, masks_max255/,
                           masks_test/

Photos and masks may also lie side by side in ROOT: STEM.jpg and STEM.png. With `split`, the tree starts at ROOT/SPLIT.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fewclicks.datasets.pairs import PHOTO_SUFFIXES, Pairs, list_files, open_pairs, read_mask, tree_of
from fewclicks.errors import DatasetError, counted
from fewclicks.types import Truth

TERMS = "those of your own photos and masks"
COUNTS: dict[str | None, tuple[int | None, int | None]] = {}
"""Nothing is published of a folder of your own."""

FOLDERS = (
    ("im", "gt"), ("img", "gt"), ("images", "gt"), ("images", "masks"), ("images", "masks_max255"),
    ("images_test", "masks_test"),
)  # fmt: skip
"""Names that photos and masks go by; the first pair that is there counts."""


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """Every photo with its mask, in the order of the stems; DatasetError where they are laid out otherwise."""
    base = Path(root) / split if split else Path(root)
    return pairs_in(base.name, base, tree_of(__doc__))


def pairs_in(name: str, base: Path, tree: str, folders: tuple[str, str] | None = None) -> Pairs:
    """The pairs of a folder, in two folders within it (`FOLDERS`, or those that are given) or side by side."""
    if folders is None:
        folders = next((pair for pair in FOLDERS if all((base / folder).is_dir() for folder in pair)), None)
    if folders is not None:
        return open_pairs(name, base / folders[0], base / folders[1], light_truth, tree, None)
    files = list_files(base, tree)
    masks = {file.stem: file for file in files if file.suffix.lower() == ".png"}
    photos = [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES - {".png"}]
    alone = [photo.name for photo in photos if photo.stem not in masks]
    if alone or not photos:
        what = f"no mask beside {counted(len(alone), 'photo')} in {base}, first {alone[0]}" if alone else (
            f"{base} holds no photos with masks"
        )  # fmt: skip
        raise DatasetError(f"{what}; expected this layout:\n{tree}")
    return Pairs(name, tuple((photo, masks[photo.stem]) for photo in photos), light_truth)


def light_truth(path: Path) -> Truth:
    """A mask in grey levels or in colours, with soft edges or without: the lighter half is the object. 0 and 1 too."""
    values = read_mask(path, "L")
    if values.max(initial=0) <= 1:
        values = read_mask(path)
        return np.asarray(values.reshape(*values.shape[:2], -1)[..., 0] > 0, np.int8)
    return np.asarray(values > 127, np.int8)
