"""COCO MVal: 800 objects of COCO 2017 val, ten of each class (Sofiiuk et al., CVPR 2020).

COCO_MVal/
  img/STEM.jpg             photos
  gt/STEM.png              masks: every colour but black is the object
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets.pairs import Pairs, any_colour_truth, open_pairs, tree_of

FOLDER = "COCO_MVal"
TERMS = "annotations CC BY 4.0 (COCO Consortium); Flickr photos under Flickr's terms of use"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (800, 800)}
"""Split -> photos and objects: one set without splits."""


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The dataset in the folder `root`, which is COCO_MVal/ itself; DatasetError when it is laid out otherwise."""
    root = Path(root)
    return open_pairs(FOLDER, root / "img", root / "gt", any_colour_truth, tree_of(__doc__), split)
