"""What the readers of masks with object ids share: photos as scenes, and each of their objects as a sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewclicks.datasets.object_index import ReadIds
from fewclicks.datasets.pairs import read_mask, read_photo, require_same_size
from fewclicks.errors import DatasetError
from fewclicks.types import IGNORE_ID, Sample, Scene, Scenes


@dataclass(frozen=True, slots=True)
class IdScenes:
    """One Scene per (photo, mask), in the order of the files. Reads lazily."""

    name: str
    files: tuple[tuple[Path, Path], ...]
    read_ids: ReadIds

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Scene:
        photo, mask = self.files[index]
        image, ids = read_photo(photo), self.read_ids(mask)
        require_same_size(image, ids, mask)
        return Scene(image, ids, mask.stem)

    def photo(self, index: int) -> str:
        """The stem of the photo file."""
        return self.files[index][0].stem


@dataclass(frozen=True, slots=True)
class Objects:
    """One Sample per object of some scenes. `index` holds (scene, object id); names are `SCENE#ID`."""

    name: str
    scenes: Scenes
    index: tuple[tuple[int, int], ...]
    initial: tuple[Path | None, ...] = ()
    """For each scene the index mask whose objects are those to begin with; empty where there is none at all."""

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        scene_index, object_id = self.index[index]
        scene = self.scenes[scene_index]
        photo = self.scenes.photo(scene_index)
        file = self.initial[scene_index] if self.initial else None
        initial = None
        if file is not None:
            ids = read_index_mask(file)
            require_same_size(scene.image, ids, file)
            initial = ids == object_id
        return Sample(scene.image, scene.truth(object_id), f"{scene.name}#{object_id}", photo, initial)


def objects_of(scenes: Scenes, ids: Sequence[Sequence[int]], where: Path) -> Objects:
    """The objects with these ids of each scene; DatasetError when there are none."""
    index = tuple((i, k) for i, present in enumerate(ids) for k in present)
    if not index:
        raise DatasetError(f"no mask in {where} has an object; check that they are those of {scenes.name}")
    return Objects(scenes.name, scenes, index)


def read_index_mask(path: Path) -> NDArray[np.uint8]:
    """HxW uint8 object ids of a mask of one channel, palette or grey; DatasetError for another."""
    ids = read_mask(path)
    if ids.ndim != 2:
        raise DatasetError(f"{path} is a colour picture; an index mask has one channel (8-bit grey or palette)")
    if ids.dtype != np.uint8 and ids.max(initial=0) > IGNORE_ID:
        raise DatasetError(f"{path} holds the id {ids.max()}; ids are 1..254, with 255 for pixels not counted")
    return ids.astype(np.uint8, copy=False)


def read_list(file: Path, tree: str) -> list[str]:
    """The names in a list file, one a line; DatasetError that prints the `tree` when it is absent or unfit."""
    try:
        names = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DatasetError(f"{file} {what}; expected this layout:\n{tree}") from None
    odd = next((name for name in names if Path(name).name != name or name in (".", "..")), None)
    if odd is not None:
        raise DatasetError(f"{file} names '{odd}', which is a path; it lists bare names, one a line")
    if not names:
        raise DatasetError(f"{file} is empty; fetch it again. Expected this layout:\n{tree}")
    return names


def listed_pairs(names: Sequence[str], photos: Path, masks: Path, suffix: str, tree: str) -> list[tuple[Path, Path]]:
    """(photo NAME.jpg, mask NAME + suffix) of every listed name; DatasetError names the files that are absent."""
    for folder, ending in ((photos, ".jpg"), (masks, suffix)):
        if not folder.is_dir():
            raise DatasetError(f"{folder} does not exist; expected this layout:\n{tree}")
        there = {file.name for file in folder.iterdir()}
        absent = [name for name in names if name + ending not in there]
        if absent:
            raise DatasetError(
                f"listed files are not in {folder}, {len(absent)} of {len(names)}, "
                f"the first is {absent[0]}{ending}; fetch them, or a list that fits"
            )
    return [(photos / f"{name}.jpg", masks / f"{name}{suffix}") for name in names]


def known_split(name: str, split: str | None, default: str, splits: Iterable[str | None]) -> str:
    """`split`, or the default for None; DatasetError when the dataset has no such split."""
    known = [other for other in splits if other]
    if split is not None and split not in known:
        raise DatasetError(f"{name} has no split named '{split}'; there are: {', '.join(known)}")
    return split or default
