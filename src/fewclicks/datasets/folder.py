"""Any folder of photos and index masks: to measure on (`open`) and to train on (`scenes`).

    ROOT/
      images/STEM.jpg      photos (jpg, png, webp, bmp, tif)
      masks/STEM.png       8-bit grey or palette: 0 background, 1..254 object ids, 255 not counted
      masks/STEM@0.png     or several partitions of one photo: STEM@0.png, STEM@1.png ...
      initial/STEM.png     if you like, masks to begin with, of the same names and ids as in masks/

With `split`, the tree starts at ROOT/SPLIT. For evaluation every object id of every mask is one sample.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fewclicks.datasets.id_masks import IdScenes, Objects, read_index_mask
from fewclicks.datasets.pairs import list_files, read_photo, require_same_size, tree_of
from fewclicks.errors import DatasetError, FewClicksError, counted, one_line
from fewclicks.types import IGNORE_ID

TERMS = "those of your own photos and masks"
COUNTS: dict[str | None, tuple[int, int | None]] = {}
"""Nothing is published of a folder of your own."""
NAMED = 5
"""Files that a warning names."""

log = logging.getLogger(__name__)


def scenes(root: str | Path, split: str | None = None) -> IdScenes:
    """The photos with all their objects, one per mask file. Lists the folders, reads no picture yet."""
    base = _base(root, split)
    tree = tree_of(__doc__)
    photos = _by_name(list_files(base / "images", tree))
    pairs = [(_photo_of(mask, photos), mask) for mask in list_files(base / "masks", tree)]
    lonely = [mask.name for photo, mask in pairs if photo is None]
    if len(lonely) == len(pairs):
        raise DatasetError(
            f"{counted(len(lonely), 'mask', 'has')} no photo in images/, first {base / 'masks' / lonely[0]}"
        )
    if lonely:
        names = ", ".join(lonely[:NAMED])
        log.warning("%d of %d masks left out, without a photo in images/: %s", len(lonely), len(pairs), names)
    files = tuple((photo, mask) for photo, mask in pairs if photo is not None)
    return IdScenes(base.name, files, read_index_mask)


def open(root: str | Path, split: str | None = None, *, min_area_px: int = 1) -> Objects:  # noqa: A001
    """Every object of at least `min_area_px` pixels as one sample. Reads all files once, to count.

    Photos and masks that cannot be used are left out and named in a warning; DatasetError where none is left.
    """
    found = scenes(root, split)
    index: list[tuple[int, int]] = []
    faults: list[str] = []
    white: list[str] = []
    for i, (photo, mask) in enumerate(found.files):
        try:
            ids = read_index_mask(mask)
            require_same_size(read_photo(photo), ids, mask)
        except FewClicksError as error:
            faults.append(one_line(error, None))
            continue
        areas_px = np.bincount(ids.ravel(), minlength=IGNORE_ID + 1)
        if areas_px[IGNORE_ID] and areas_px[1:IGNORE_ID].sum() == 0:
            white.append(mask.name)
        index += [(i, int(k)) for k in np.flatnonzero(areas_px >= max(1, min_area_px)) if k not in (0, IGNORE_ID)]
    if faults and len(faults) == len(found.files):
        raise DatasetError(f"no mask of the {len(faults)} in {root} can be used; the first: {faults[0]}")
    if faults:
        log.warning("%d of %d masks left out: %s", len(faults), len(found.files), "; ".join(faults[:NAMED]))
    if white:
        cure = "255 is 'not counted' here; give objects the ids 1 to 254"
        names = ", ".join(white[:NAMED])
        log.warning("%d of %d masks with nothing but 0 and 255 (%s): %s", len(white), len(found.files), cure, names)
    if not index:
        raise DatasetError(
            f"no object of at least {counted(min_area_px, 'pixel')} in {root}; lower min_area_px or check masks/"
        )
    return Objects(found.name, found, tuple(index), _initials(found, _base(root, split)))


def _initials(found: IdScenes, base: Path) -> tuple[Path | None, ...]:
    """The file of the masks to begin with of each scene; nothing where there is no such folder."""
    folder = base / "initial"
    if not folder.is_dir():
        return ()
    files = _by_name(list_files(folder, tree_of(__doc__)))
    each = tuple(files.get(_composed(mask.stem)) for _, mask in found.files)
    if not any(each):
        raise DatasetError(f"no file in {folder} has the name of one in masks/; name them alike, or remove the folder")
    lacking = [mask.name for (_, mask), initial in zip(found.files, each, strict=True) if initial is None]
    if lacking:
        names = ", ".join(lacking[:NAMED])
        log.warning("%d of %d masks without one to begin with in initial/: %s", len(lacking), len(each), names)
    return each


def _base(root: str | Path, split: str | None) -> Path:
    return Path(root) / split if split else Path(root)


def _photo_of(mask: Path, photos: dict[str, Path]) -> Path | None:
    """The photo of a mask: of its own stem, or of what stands before the last @ (partitions of one photo)."""
    stems = [_composed(stem) for stem in (mask.stem, mask.stem.rpartition("@")[0])]
    return next((photos[name] for name in (*stems, *map(str.casefold, stems)) if name in photos), None)


def _by_name(files: Sequence[Path]) -> dict[str, Path]:
    """Photos by their stems, letters composed, and in small letters where that means one photo."""
    exact = {_composed(file.stem): file for file in files}
    times = Counter(stem.casefold() for stem in exact)
    return {stem.casefold(): file for stem, file in exact.items() if times[stem.casefold()] == 1} | exact


def _composed(stem: str) -> str:
    return unicodedata.normalize("NFC", stem)
