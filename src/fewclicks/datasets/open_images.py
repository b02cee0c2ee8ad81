"""Open Images V5 to V7: 24,730 objects for validation, 2.7 million for training (Benenson et al., CVPR 2019).

OpenImages/
  SPLIT/images/STEM.jpg                            photos of the splits train, validation, test
  SPLIT/masks/STEM_LABEL_BOX.png                   one object each, white on black, often of another size than the photo
  SPLIT/SPLIT-annotations-object-segmentation.csv  the published table: MaskPath,ImageID,LabelName,BoxID,...

Masks may also lie in subfolders of masks/. Without the table, the masks that are there count, their photos by the
names. A part of the set is enough: rows of which neither photo nor mask is there are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.datasets.id_masks import known_split
from fewclicks.datasets.pairs import PHOTO_SUFFIXES, list_files, read_mask, read_photo, tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import IGNORE_ID, Image, Mask, Sample, Scene

FOLDER = "OpenImages"
TERMS = "annotations CC BY 4.0 (Google); photos listed as CC BY 2.0, each with its own author: verify before use"
COUNTS: dict[str | None, tuple[int, int | None]] = {
    "validation": (13524, 24730),
    "test": (40386, 74102),
    "train": (944037, 2686666),
}
"""Split -> photos with masks, and masks (Open Images V7, table 3 of its description)."""

MAX_SKEW = 0.05
"""A mask whose sides are to each other otherwise than those of its photo, by more than this share, is not its mask."""


@dataclass(frozen=True, slots=True)
class MaskedPhotos:
    """One Scene per photo, from one mask file per object; objects that overlap lie in layers."""

    name: str
    photos: tuple[Path, ...]
    masks: tuple[tuple[Path, ...], ...]

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Scene:
        image = read_photo(self.photos[index])
        return Scene(image, _layers([_read(mask, image) for mask in self.masks[index]]), self.photos[index].stem)

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return self.photos[index].stem


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """One Sample per mask file, named like it."""

    name: str
    files: tuple[tuple[Path, Path], ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        photo, mask = self.files[index]
        image = read_photo(photo)
        return Sample(image, _read(mask, image).astype(np.int8), mask.stem, photo.stem)


def scenes(root: str | Path, split: str | None = None) -> MaskedPhotos:
    """The photos of a split (None: "train") that have masks. Reads the table and lists the folders."""
    files = _files(Path(root), known_split("OpenImages", split, "train", COUNTS))
    by_photo: dict[Path, list[Path]] = {}
    for photo, mask in files:
        by_photo.setdefault(photo, []).append(mask)
    return MaskedPhotos("OpenImages", tuple(by_photo), tuple(tuple(masks) for masks in by_photo.values()))


def open(root: str | Path, split: str | None = None) -> MaskFiles:  # noqa: A001
    """Every object of a split (None: "validation"), in the order of the masks' names. `root` is OpenImages/ itself.

    DatasetError when a photo or a mask is there without the other.
    """
    return MaskFiles("OpenImages", _files(Path(root), known_split("OpenImages", split, "validation", COUNTS)))


def _files(root: Path, split: str) -> tuple[tuple[Path, Path], ...]:
    """(photo, mask) of every object that is there, sorted by the names of the masks."""
    tree, masks_folder = tree_of(__doc__), root / split / "masks"
    photos = {photo.stem: photo for photo in list_files(root / split / "images", tree)}
    if not masks_folder.is_dir():
        raise DatasetError(f"{masks_folder} does not exist; expected this layout:\n{tree}")
    masks = {mask.name: mask for mask in masks_folder.rglob("*") if mask.suffix.lower() in PHOTO_SUFFIXES}
    table = root / split / f"{split}-annotations-object-segmentation.csv"
    rows = _rows(table) if table.is_file() else [(name, name.partition("_")[0]) for name in masks]
    _require_both(rows, photos, masks, root / split)
    files = [(photos[photo], masks[name]) for name, photo in sorted(rows) if name in masks]
    if not files:
        raise DatasetError(f"{masks_folder} holds no mask of the photos beside it; expected this layout:\n{tree}")
    return tuple(files)


def _rows(table: Path) -> list[tuple[str, str]]:
    """(name of the mask, id of the photo) of each row of the published table."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return [(row["MaskPath"], row["ImageID"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DatasetError(f"cannot read the columns MaskPath and ImageID of {table} ({error}); fetch it") from None


def _require_both(rows: Iterable[tuple[str, str]], photos: dict[str, Path], masks: dict[str, Path], at: Path) -> None:
    """DatasetError when one of photo and mask is there and the other is not."""
    no_mask = [name for name, photo in rows if name not in masks and photo in photos]
    no_photo = [name for name, photo in rows if name in masks and photo not in photos]
    for lonely, lacking in ((no_mask, "masks are missing of photos that are there"), (no_photo, "masks have no photo")):
        if lonely:
            raise DatasetError(
                f"{lacking} in {at}, {len(lonely)} in all, the first is {min(lonely)}; fetch what is missing"
            )


def _read(path: Path, image: Image) -> Mask:
    """HxW bool at the size of the photo (nearest neighbour); DatasetError for a mask of another shape."""
    mask = read_mask(path, "L") > 0
    (height, width), (photo_height, photo_width) = mask.shape, image.shape[:2]
    if abs(height * photo_width / (width * photo_height) - 1) > MAX_SKEW:
        raise DatasetError(f"{path} is {width}x{height}, its photo {photo_width}x{photo_height}: not the same view")
    if mask.shape != image.shape[:2]:
        picture = PIL.Image.fromarray(mask).resize((photo_width, photo_height), PIL.Image.Resampling.NEAREST)
        mask = np.array(picture)
    return mask


def _layers(masks: Sequence[Mask]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """HxW ids 1, 2, ... (255 is passed over), or HxWxL where masks overlap: each in the first layer with room."""
    ids = [i for i in range(1, len(masks) + 2) if i != IGNORE_ID][: len(masks)]
    layers: list[NDArray[np.uint16]] = []
    for i, mask in zip(ids, masks, strict=True):
        layer = next((layer for layer in layers if not layer[mask].any()), None)
        if layer is None:
            layer = np.zeros(mask.shape, np.uint16)
            layers.append(layer)
        layer[mask] = i
    stacked = layers[0] if len(layers) == 1 else np.dstack(layers)
    return stacked.astype(np.uint8) if ids[-1] < IGNORE_ID else stacked
