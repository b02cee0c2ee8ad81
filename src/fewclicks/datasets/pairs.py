"""What the readers share: a folder of photos beside a folder of masks, matched by file stem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import DatasetError, InputError, counted
from fewclicks.images.raster_formats import open_raster
from fewclicks.images.reading import MAX_PIXELS, read_image, read_picture
from fewclicks.types import Image, Sample, Truth

PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def tree_of(doc: str | None) -> str:
    """The folder tree in a reader's docstring: the paragraph whose first line ends in a slash."""
    paragraphs = (doc or "").strip().split("\n\n")
    return next((p for p in paragraphs if p.partition("\n")[0].endswith("/")), "")


def list_files(folder: Path, tree: str) -> list[Path]:
    """The picture files of a folder, sorted by stem; DatasetError that prints `tree` when there are none."""
    names = [f for f in folder.iterdir() if not f.name.startswith(".")] if folder.is_dir() else []
    files = [f for f in names if f.suffix.lower() in PHOTO_SUFFIXES]
    if not files:
        what = "holds no pictures" if folder.is_dir() else "does not exist"
        raise DatasetError(f"{folder} {what}; expected this layout:\n{tree}")
    return sorted(files, key=lambda f: (f.stem, f.suffix))


def read_photo(path: Path) -> Image:
    """HxWx3 uint8 RGB that may be written to (torch warns of arrays that may not)."""
    return np.array(read_image(path))


def read_mask(path: Path, mode: str | None = None) -> NDArray[Any]:
    """The values of a mask file as stored (palette indices, not colours), or converted to a Pillow `mode`."""
    try:
        with open_raster(path) as picture:
            return np.array(picture.convert(mode) if mode else picture)
    except (OSError, ValueError, SyntaxError) as error:
        try:  # its metadata may be damaged only
            stored = read_picture(path, "mask", MAX_PIXELS, [])
        except InputError:
            raise DatasetError(f"cannot read the mask {path} ({error}); fetch the file again") from None
        return np.array(stored.convert(mode) if mode else stored)


def require_same_size(image: Image, mask: NDArray[Any], path: Path) -> None:
    """DatasetError unless a mask has the size of its photo."""
    if image.shape[:2] != mask.shape[:2]:
        (height, width), (photo_height, photo_width) = mask.shape[:2], image.shape[:2]
        raise DatasetError(f"{path} is {width}x{height}, its photo {photo_width}x{photo_height}; make them equal")


@dataclass(frozen=True, slots=True)
class Pairs:
    """A Dataset of one object per photo."""

    name: str
    files: tuple[tuple[Path, Path], ...]
    read_truth: Callable[[Path], Truth]
    group_of: Callable[[str], str] = str
    """What the photo of a stem shares with others: its video, or the photo that it is a copy of."""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        photo, mask = self.files[index]
        image, truth = read_photo(photo), self.read_truth(mask)
        require_same_size(image, truth, mask)
        return Sample(image, truth, photo.stem, self.group_of(photo.stem))


def open_pairs(
    name: str,
    photos: Path,
    masks: Path,
    read_truth: Callable[[Path], Truth],
    tree: str,
    split: str | None,
    group_of: Callable[[str], str] = str,
) -> Pairs:
    """Match photos and masks by stem, in the order of the stems; DatasetError names what is missing."""
    if split is not None:
        raise DatasetError(f"{name} has no split named '{split}': it is one evaluation set; leave the split out")
    by_stem = {mask.stem: mask for mask in list_files(masks, tree)}
    photo_files = list_files(photos, tree)
    missing = [photo.name for photo in photo_files if photo.stem not in by_stem]
    if missing:
        raise DatasetError(
            f"no mask in {masks} for {counted(len(missing), 'photo')} of {photos}, the first is {missing[0]}"
        )
    return Pairs(name, tuple((photo, by_stem[photo.stem]) for photo in photo_files), read_truth, group_of)


def trimap_truth(path: Path) -> Truth:
    """GrabCut and Berkeley masks, first channel: above 128 object, exactly 128 not counted, below background."""
    values = read_mask(path)
    values = values if values.ndim == 2 else values[..., 0]
    truth = (values > 128).astype(np.int8)
    truth[values == 128] = -1
    return truth


def any_colour_truth(path: Path) -> Truth:
    """DAVIS and COCO_MVal masks: every pixel that is not black is the object."""
    return np.asarray(read_mask(path, "RGB").any(axis=-1), np.int8)
