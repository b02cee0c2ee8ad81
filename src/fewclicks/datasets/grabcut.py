"""GrabCut: 50 objects in 50 photos (Rother et al., SIGGRAPH 2004). Grey value 128 in a mask is not counted.

GrabCut/
  data_GT/STEM.jpg         photos (jpg, bmp)
  boundary_GT/STEM.bmp     masks: 255 object, 128 not counted, 0 background
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets.pairs import Pairs, open_pairs, tree_of, trimap_truth

FOLDER = "GrabCut"
TERMS = "Microsoft Research GrabCut database: research use"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (50, 50)}
"""Split -> photos and objects: one set without splits."""


def open(root: str | Path, split: str | None = None) -> Pairs:  # noqa: A001
    """The dataset in the folder `root`, which is GrabCut/ itself; DatasetError when it is laid out otherwise."""
    root = Path(root)
    return open_pairs(FOLDER, root / "data_GT", root / "boundary_GT", trimap_truth, tree_of(__doc__), split)
