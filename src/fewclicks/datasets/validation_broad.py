"""Validation, broad: objects, parts and thin things of the sets that came with version 0.2, beside `validation`.

train/
  SET/images/STEM.webp     photos
  SET/masks/STEM.png       8-bit masks of object ids

Which objects: `validation_broad.txt` beside this file, made as that of `validation` is.
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets import validation
from fewclicks.datasets.validation import TERMS, Validation

__all__ = ["COUNTS", "FOLDER", "LIST", "TERMS", "open"]

FOLDER = "train"
LIST = Path(__file__).with_suffix(".txt")
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (65, 85)}


def open(root: str | Path, split: str | None = None) -> Validation:  # noqa: A001
    """The listed objects of the sets in the folder `root`, as `validation.open` gives its own."""
    return validation.listed(root, split, LIST, "ValidationBroad")
