"""Any folder of photos and index masks: to measure on (`open`) and to train on (`scenes`).

    ROOT/
      images/STEM.jpg      photos (jpg, png, webp, bmp, tif)
      masks/STEM.png       8-bit grey or palette: 0 background, 1..254 object ids, 255 not counted
      masks/STEM@0.png     or several partitions of one photo: STEM@0.png, STEM@1.png ...

With `split`, the tree starts at ROOT/SPLIT. For evaluation every object id of every mask is one sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets._pairs import list_files, read_mask, read_photo, require_same_size, tree_of
from fewclicks.errors import DatasetError
from fewclicks.sample import IGNORE_ID, Sample, Scene


@dataclass(frozen=True, slots=True)
class FolderScenes:
    """One Scene per mask file, sorted by mask name (see `scenes`)."""

    name: str
    files: tuple[tuple[Path, Path], ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Scene:
        photo, mask = self.files[index]
        image, ids = read_photo(photo), _read_ids(mask)
        require_same_size(image, ids, mask)
        return Scene(image, ids, mask.stem)

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return self.files[index][0].stem


@dataclass(frozen=True, slots=True)
class FolderObjects:
    """One Sample per object (see `open`). `index` holds (scene, object id)."""

    name: str
    scenes: FolderScenes
    index: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        scene_index, object_id = self.index[index]
        scene = self.scenes[scene_index]
        return Sample(scene.image, scene.truth(object_id), f"{scene.name}#{object_id}")


def scenes(root: str | Path, split: str | None = None) -> FolderScenes:
    """The photos with all their objects, one per mask file. Lists the folders, reads no picture yet."""
    base = Path(root) / split if split else Path(root)
    tree = tree_of(__doc__)
    photos = {photo.stem: photo for photo in list_files(base / "images", tree)}
    pairs = [(_photo_of(mask, photos), mask) for mask in list_files(base / "masks", tree)]
    lonely = [mask.name for photo, mask in pairs if photo is None]
    if lonely:
        raise DatasetError(f"{len(lonely)} masks in {base / 'masks'} have no photo in images/, first {lonely[0]}")
    return FolderScenes(base.name, tuple((photo, mask) for photo, mask in pairs if photo is not None))


def open(root: str | Path, split: str | None = None, *, min_area_px: int = 1) -> FolderObjects:  # noqa: A001
    """Every object of at least `min_area_px` pixels as one sample. Reads all masks once, to count."""
    found = scenes(root, split)
    index: list[tuple[int, int]] = []
    for i, (_, mask) in enumerate(found.files):
        areas_px = np.bincount(_read_ids(mask).ravel(), minlength=IGNORE_ID + 1)
        index += [(i, int(k)) for k in np.flatnonzero(areas_px >= max(1, min_area_px)) if k not in (0, IGNORE_ID)]
    if not index:
        raise DatasetError(f"no object of at least {min_area_px} pixels in {root}; lower min_area_px or check masks/")
    return FolderObjects(found.name, found, tuple(index))


def _photo_of(mask: Path, photos: dict[str, Path]) -> Path | None:
    """The photo of a mask: of its own stem, or of what stands before the last @ (partitions of one photo)."""
    return photos.get(mask.stem) or photos.get(mask.stem.rpartition("@")[0])


def _read_ids(path: Path) -> NDArray[np.uint8]:
    """HxW uint8 object ids."""
    ids = read_mask(path)
    if ids.ndim != 2:
        raise DatasetError(f"{path} is a colour picture; an index mask has one channel (8-bit grey or palette)")
    if ids.dtype != np.uint8 and ids.max(initial=0) > IGNORE_ID:
        raise DatasetError(f"{path} holds the id {ids.max()}; ids are 1..254, with 255 for pixels not counted")
    return ids.astype(np.uint8, copy=False)
