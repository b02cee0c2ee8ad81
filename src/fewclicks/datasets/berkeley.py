"""Berkeley: 100 objects in 96 photos of BSDS300 (McGuinness and O'Connor, Pattern Recognition 2010).

Berkeley/
  images/STEM.jpg          photos, one file per object
  masks/STEM.png           masks: 255 object, 128 not counted, 0 background
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets.pairs import Pairs, open_pairs, tree_of, trimap_truth

FOLDER = "Berkeley"
TERMS = "photos of BSDS300: non-commercial research and education"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (100, 100)}
"""Split -> photos and objects: one set without splits; 100 photo files, of 96 photos."""


def photo_of(stem: str) -> str:
    """Return the number of the photo; the files of one with two objects are named NUMBERa and NUMBERb."""
    return stem.rstrip("abcdefgh")


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The dataset in the folder `root`, which is Berkeley/ itself; DatasetError when it is laid out otherwise."""
    root = Path(root)
    return open_pairs(FOLDER, root / "images", root / "masks", trimap_truth, tree_of(__doc__), split, photo_of)
