"""DAVIS: 345 frames of the DAVIS 2016 videos (Perazzi et al., CVPR 2016), one object each.

DAVIS/
  img/STEM.jpg             frames of 480x854 pixels
  gt/STEM.png              masks: every colour but black is the object
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets._pairs import Pairs, any_colour_truth, open_pairs, tree_of

FOLDER = "DAVIS"
TERMS = "DAVIS 2016: research use"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (345, 345)}
"""Split -> photos and objects: one set without splits."""


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The dataset in the folder `root`, which is DAVIS/ itself; DatasetError when it is laid out otherwise."""
    root = Path(root)
    return open_pairs(FOLDER, root / "img", root / "gt", any_colour_truth, tree_of(__doc__), split)
