"""Pascal VOC 2012: the objects of its 1,449 photos for validation (Everingham et al., IJCV 2010).

VOCdevkit/VOC2012/
  JPEGImages/STEM.jpg                              photos
  SegmentationObject/STEM.png                      palette: 0 background, 255 not counted, every other index an object
  ImageSets/Segmentation/{train,val,trainval}.txt  the names of each split, one a line

SegmentationClass/ and Annotations/ may lie beside them and are not read. The published scripts of the field reduce the
palette to grey, where colours can meet; RITM's list has 3,417 of the 3,427 objects. Here the indices count: all 3,427.
"""

from __future__ import annotations

from pathlib import Path

from fewclicks.datasets.id_masks import (
    IdScenes,
    Objects,
    known_split,
    listed_pairs,
    objects_of,
    read_index_mask,
    read_list,
)
from fewclicks.datasets.object_index import Progress, object_ids
from fewclicks.datasets.pairs import tree_of

FOLDER = "VOCdevkit/VOC2012"
TERMS = "Flickr photos under Flickr's terms of use; annotations for research, cite Everingham et al., IJCV 2010"
COUNTS: dict[str | None, tuple[int, int | None]] = {
    "val": (1449, 3427),
    "train": (1464, None),
    "trainval": (2913, None),
}
"""Split -> photos and objects; of the masks of train no count is published."""


def scenes(root: str | Path, split: str | None = None) -> IdScenes:
    """The photos of a split (None: "train") with all their objects. Reads the list, no picture yet."""
    return _scenes(Path(root), known_split("PascalVOC", split, "train", COUNTS))


def open(root: str | Path, split: str | None = None, *, progress: Progress | None = None) -> Objects:  # noqa: A001
    """Every object of a split (None: "val"), in the order of the list, then of the ids.

    `root` is VOC2012/ itself. All masks are read once, under `progress`, and what they hold is kept in the user's
    cache folder. DatasetError when a listed photo or mask is absent.
    """
    found = _scenes(Path(root), known_split("PascalVOC", split, "val", COUNTS))
    masks = [mask for _, mask in found.files]
    return objects_of(found, object_ids("pascal_voc", masks, read_index_mask, progress), masks[0].parent)


def _scenes(root: Path, split: str) -> IdScenes:
    tree = tree_of(__doc__)
    names = read_list(root / "ImageSets" / "Segmentation" / f"{split}.txt", tree)
    files = listed_pairs(names, root / "JPEGImages", root / "SegmentationObject", ".png", tree)
    return IdScenes("PascalVOC", tuple(files), read_index_mask)
