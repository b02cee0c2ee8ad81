"""DAVIS: 345 frames of the DAVIS 2016 videos (Perazzi et al., CVPR 2016), one object each.

DAVIS/
  img/STEM.jpg             frames of 480x854 pixels
  gt/STEM.png              masks: every colour but black is the object
"""

from __future__ import annotations

import bisect
from pathlib import Path

from fewclicks.datasets.pairs import Pairs, any_colour_truth, open_pairs, tree_of

FOLDER = "DAVIS"
TERMS = "DAVIS 2016: research use"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (345, 345)}
"""Split -> photos and objects: one set without splits."""


VIDEOS = (0, 8, 16, 24, 31, 39, 47, 53, 55, 61, 69, 77, 85, 93, 99, 107, 114, 121, 129, 135, 139, 146, 155, 159, 167,
          172, 181, 187, 193, 200, 208, 213, 221, 229, 238, 246, 250, 260, 269, 275, 280, 285, 294, 299, 304, 309, 313,
          321, 331, 335)  # fmt: skip
"""The first frame of each of the 50 videos, in the numbering of the published 345 frames (000 ... 344)."""


def video_of(stem: str) -> str:
    """Return the video of a frame: by its number in the published set, else what stands before the last _ or -."""
    if stem.isascii() and stem.isdecimal():
        return f"video {bisect.bisect_right(VIDEOS, int(stem))}"
    return stem.replace("-", "_").rpartition("_")[0] or stem


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The dataset in the folder `root`, which is DAVIS/ itself; DatasetError when it is laid out otherwise."""
    root = Path(root)
    return open_pairs(FOLDER, root / "img", root / "gt", any_colour_truth, tree_of(__doc__), split, video_of)
