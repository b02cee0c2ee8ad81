"""The types that cross borders: arrays outside the networks (inside they are tensors), and what datasets give.

A dataset gives one object of one photo (Sample), or a whole photo with its objects (Scene).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""HxWx3 uint8, RGB."""

Prob: TypeAlias = NDArray[np.float32]
"""HxW float32 in [0, 1]: how likely each pixel is to be the object."""

Mask: TypeAlias = NDArray[np.bool_]
"""HxW bool: `prob > threshold`."""

Truth: TypeAlias = NDArray[np.int8]
"""HxW int8: 1 object, 0 background, -1 not counted."""


IGNORE_ID = 255
"""The id in a Scene that belongs to no object and is not counted."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One object to segment: the unit of evaluation."""

    image: Image
    truth: Truth
    name: str
    group: str = ""
    """What it shares with samples that are not independent of it: its video, its photo. "": nothing."""
    initial: Mask | None = None
    """HxW: the mask to begin with, to be corrected by the first click; None: an empty one."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A photo and the ids of its objects: the unit of training.

    `ids`: HxW uint8 or uint16, 0 background, 255 ignore; where objects overlap HxWxL, L layers in each of which they do
    not: an object has one id and lives in one layer, and a pixel ignored in one layer is ignored in all.
    `parents`: child id -> parent id, where an object is a part of another; a parent's pixels include its children's.
    `stuff`: the ids that are no things but what surrounds them (sky, road), where a reader was asked to keep them.
    """

    image: Image
    ids: NDArray[np.uint8] | NDArray[np.uint16]
    name: str
    parents: Mapping[int, int] = field(default_factory=dict)
    stuff: frozenset[int] = frozenset()

    def objects(self) -> list[int]:
        """The object ids in the photo, ascending."""
        return [int(i) for i in np.flatnonzero(np.bincount(self.ids.ravel())) if i not in (0, IGNORE_ID)]

    def roots(self) -> list[int]:
        """The objects that are no part of another, ascending: all of them where nothing is said of parts."""
        return [i for i in self.objects() if i not in self.parents]

    def without(self, ids: Collection[int]) -> Scene:
        """The scene with these objects made background, and their children parts of nothing."""
        left = self.ids.copy()
        left[np.isin(left, list(ids))] = 0
        parents = {child: parent for child, parent in self.parents.items() if child not in ids and parent not in ids}
        return Scene(self.image, left, self.name, parents, self.stuff.difference(ids))

    def truth(self, *ids: int) -> Truth:
        """The union of the given objects over all layers as HxW truth; ignored pixels outside them as -1."""
        table = np.zeros(np.iinfo(self.ids.dtype).max + 1, np.int8)
        table[list(ids)] = 1
        table[IGNORE_ID] = -1
        labels: Truth = table[self.ids]  # HxW or HxWxL
        if labels.ndim == 2:
            return labels
        truth: Truth = labels.max(axis=2)
        truth[(truth != 1) & (labels == -1).any(axis=2)] = -1
        return truth


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
