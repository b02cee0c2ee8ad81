"""DAVIS-585: 585 objects of DAVIS 2017 with masks to begin with (FocalClick, Chen et al., CVPR 2022).

DAVIS585/
  SEQUENCE/STEM.jpg                      photos
  SEQUENCE/OBJECT_STEM.png               truth of an object: above 128
  SEQUENCE/init_sp_OBJECT_STEM.png       a mask to begin with: simulated faults, of superpixels
  SEQUENCE/init_stm_OBJECT_STEM.png      another: that of a network which tracks the object through the video

The split says which masks to begin with: "sp" (the default), "stm", or "zero" for empty ones. Where to get it is told
by github.com/XavierCHEN34/ClickSEG.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fewclicks.datasets.id_masks import known_split
from fewclicks.datasets.pairs import list_files, read_mask, read_photo, require_same_size, tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import Mask, Sample

FOLDER = "DAVIS585"
TERMS = "DAVIS 2017: research use"
COUNTS: dict[str | None, tuple[int | None, int | None]] = {"sp": (None, 585), "stm": (None, 585), "zero": (None, 585)}
"""Split -> photos (not published) and objects, one in a frame each."""


@dataclass(frozen=True, slots=True)
class Davis585:
    """A Dataset whose objects come with a mask to begin with."""

    name: str
    files: tuple[tuple[Path, Path, Path | None], ...]
    """Photo, truth, initial mask."""

    @property
    def photo_count(self) -> int:
        """How many photos there are: some hold several objects."""
        return len({photo for photo, *_ in self.files})

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        photo, truth_file, initial_file = self.files[index]
        image, truth = read_photo(photo), _above_half(truth_file)
        require_same_size(image, truth, truth_file)
        initial = None
        if initial_file is not None:
            initial = _above_half(initial_file)
            require_same_size(image, initial, initial_file)
        video = photo.parent.name
        return Sample(image, truth.astype("int8"), f"{video}/{truth_file.stem}", video, initial)


def open(root: str | Path, split: str | None = None) -> Davis585:  # noqa: A001
    """The objects, video by video; DatasetError when it is laid out otherwise, or an initial mask is missing."""
    split = known_split("DAVIS-585", split, "sp", COUNTS)
    root, tree = Path(root), tree_of(__doc__)
    inside = root.iterdir() if root.is_dir() else ()
    videos = sorted(place for place in inside if place.is_dir() and not place.name.startswith("."))
    files = [file for video in videos for file in _objects(video, split, tree)]
    if not files:
        raise DatasetError(f"{root} holds no objects; expected this layout:\n{tree}")
    return Davis585(f"{FOLDER}/{split}", tuple(files))


def _objects(video: Path, split: str, tree: str) -> list[tuple[Path, Path, Path | None]]:
    """The files of each object of a video."""
    found: list[tuple[Path, Path, Path | None]] = []
    pictures = list_files(video, tree)
    photos = {file.stem: file for file in pictures if file.suffix.lower() in (".jpg", ".jpeg")}
    for truth in (file for file in pictures if file.suffix.lower() == ".png" and not file.name.startswith("init")):
        photo = photos.get(truth.stem.rpartition("_")[2])
        if photo is None:
            raise DatasetError(f"{truth} has no photo {truth.stem.rpartition('_')[2]}.jpg beside it; fetch it again")
        initial = None if split == "zero" else truth.with_name(f"init_{split}_{truth.name}")
        if initial is not None and not initial.is_file():
            raise DatasetError(
                f"{truth} has no mask to begin with, {initial.name}; fetch it again, or begin with none: davis585/zero"
            )
        found.append((photo, truth, initial))
    return found


def _above_half(path: Path) -> Mask:
    """First channel above 128, as the authors read their masks."""
    values = read_mask(path)
    return (values if values.ndim == 2 else values[..., 0]) > 128
