"""Validation: objects of the training photos that no run trains on, to choose models and options by.

train/
  SET/images/STEM.webp     photos
  SET/masks/STEM.png       8-bit masks of object ids

Which objects: `validation.txt` beside this file, a line each, `SET/STEM#ID` or `SET/STEM#ID+ID` for several that
together are the object. `python benchmarks/make_validation.py` made it from the photos that `Recipe.holdout` keeps out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fewclicks.datasets import folder
from fewclicks.datasets.id_masks import IdScenes
from fewclicks.datasets.pairs import tree_of
from fewclicks.errors import DatasetError
from fewclicks.types import Sample, Scene

FOLDER = "train"
TERMS = "those of the training sets, see the model card"
COUNTS: dict[str | None, tuple[int, int | None]] = {None: (200, 256)}
"""Split -> photos and objects: one set without splits."""

LIST = Path(__file__).with_suffix(".txt")


@dataclass(frozen=True, slots=True)
class Validation:
    """One Sample a line of the list. Reads lazily; names are the lines."""

    sets: dict[str, IdScenes]
    lines: tuple[str, ...]
    name: str = "Validation"

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: int) -> Sample:
        scene, ids = self.scene(index)
        line = self.lines[index]
        return Sample(scene.image, scene.truth(*ids), line, photo_of(line))

    @property
    def photo_count(self) -> int:
        """How many photos the objects are of."""
        return len(set(map(photo_of, self.lines)))

    def scene(self, index: int) -> tuple[Scene, list[int]]:
        """The whole photo, and the ids that together are the object."""
        place, _, ids = self.lines[index].partition("#")
        name, _, stem = place.partition("/")
        found = self.sets[name]
        scene = next((found[i] for i, (_, mask) in enumerate(found.files) if mask.stem == stem), None)
        if scene is None:
            raise DatasetError(f"the set {name} has no mask {stem}.png, which the list names; fetch it again")
        return scene, [int(one) for one in ids.split("+")]


def photo_of(line: str) -> str:
    """Return SET/PHOTO of a line SET/STEM#IDS; partitions of one photo, STEM@0 and STEM@1, have one photo."""
    return line.partition("#")[0].partition("@")[0]


def open(root: str | Path, split: str | None = None) -> Validation:  # noqa: A001
    """The listed objects of the sets in the folder `root`, which is train/ itself; DatasetError if a set is absent."""
    return listed(root, split, LIST, "Validation")


def listed(root: str | Path, split: str | None, names_file: Path, title: str) -> Validation:
    """The objects that a list names, a line each, of the sets in the folder `root`; DatasetError if a set is absent."""
    if split is not None:
        raise DatasetError(f"{title} has no split named '{split}': it is one set; leave the split out")
    lines = tuple(names_file.read_text("utf-8").split())
    names = dict.fromkeys(line.partition("/")[0] for line in lines)
    absent = next((name for name in names if not (Path(root) / name).is_dir()), None)
    if absent:
        raise DatasetError(f"{Path(root) / absent} does not exist; expected this layout:\n{tree_of(__doc__)}")
    return Validation({name: folder.scenes(Path(root) / name) for name in names}, lines, title)
