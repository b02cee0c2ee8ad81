"""What datasets give: one object of one photo (Sample), or a whole photo with its objects (Scene)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fewclicks.arrays import Image, Truth

IGNORE_ID = 255
"""The id in a Scene that belongs to no object and is not counted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One object to segment: the unit of evaluation."""

    image: Image
    truth: Truth
    name: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo and the ids of its objects: the unit of training. `ids`: HxW, 0 background, 255 ignore."""

    image: Image
    ids: NDArray[np.uint8]
    name: str

    def objects(self) -> list[int]:
        """The object ids in the photo, ascending."""
        return [int(i) for i in np.flatnonzero(np.bincount(self.ids.ravel())) if i not in (0, IGNORE_ID)]

    def truth(self, *ids: int) -> Truth:
        """The union of the given objects as HxW truth, ignored pixels as -1."""
        table = np.zeros(256, np.int8)
        table[list(ids)] = 1
        table[IGNORE_ID] = -1
        return table[self.ids]


class Dataset(Protocol):
    """Objects to evaluate on, in a fixed order. Reads lazily."""

    @property
    def name(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class Scenes(Protocol):
    """Photos to train on, in a fixed order. Reads lazily."""

    @property
    def name(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Scene: ...

    def photo(self, index: int) -> str:
        """The name of photo `index`, which its partitions share; known without decoding it."""
        ...
