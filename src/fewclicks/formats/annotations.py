"""What was annotated: labels, objects with their masks, photos with their objects. What exports write and readers give.

The raster is the truth: an object is its mask, and polygons are views of it. Objects lie on one another in the order of
`AnnotatedPhoto.objects`, the last on top; each keeps its whole mask, also what lies under others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, overload

from fewclicks.types import Mask, Prob

PhotoState: TypeAlias = Literal["untouched", "begun", "done", "accepted", "returned"]
"""How far the annotation of a photo is; the last two are what its review said."""


@dataclass(frozen=True, slots=True)
class Label:
    """A class of objects: "cat", and the colour (RGB, 0..255) that its masks are drawn in."""

    name: str
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Annotation:
    """One object of a photo. `mask` has the size of the photo as it is displayed (EXIF orientation applied).

    `name`: the object's own, as "the left cat"; `score`: a model's confidence in [0, 1]; `prob`: HxW, for soft edges of
    cut-outs; `id`: what it is known by where it is stored; `person`: who worked on it last; `attributes`: what is said
    of it, text, number or truth value by name.
    """

    mask: Mask
    label: str
    name: str = ""
    score: float | None = None
    prob: Prob | None = None
    id: str = ""
    person: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedPhoto:
    """A photo and its objects, bottom to top: where masks overlap, the later object is the visible one.

    `file`: relative to the folder of the photos, with forward slashes; `hw`: height and width as displayed. `objects`
    may be lazy (`LazyObjects`): who reads it holds one mask at a time. `notes`: what a reader could not take over, and
    `left_out`: how many annotations of the source those are. `path`: the file itself, for exports that cut out or copy
    photos. `problem`: why its pixels cannot be read, if they cannot. `said`: what is said of it where something is,
    as plain data: assignee, tags, note, and comments with their text, place, object, person and whether resolved.
    """

    file: str
    hw: tuple[int, int]
    objects: Sequence[Annotation] = ()
    state: PhotoState = "untouched"
    notes: tuple[str, ...] = ()
    path: Path | None = None
    left_out: int = 0
    problem: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> dict[str, Any]:
        """How far it is, and what is said of it: for formats that have room for it. Empty where nothing was done."""
        state = {} if self.state == "untouched" else {"state": self.state}
        return {**state, **self.said}


class LazyObjects(Sequence[Annotation]):
    """Objects that are made when they are asked for, so that 500 masks of a big photo are never in memory at once."""

    def __init__(self, makers: Sequence[Callable[[], Annotation]]) -> None:
        self._makers = tuple(makers)

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, index: int) -> Annotation: ...
    @overload
    def __getitem__(self, index: slice) -> LazyObjects: ...
    def __getitem__(self, index: int | slice) -> Annotation | LazyObjects:
        if isinstance(index, slice):
            return LazyObjects(self._makers[index])
        return self._makers[index]()


class AnnotatedFolder(Protocol):
    """Annotated photos in a fixed order, read one at a time, and the labels of their objects."""

    @property
    def labels(self) -> Sequence[Label]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> AnnotatedPhoto: ...

    def __iter__(self) -> Iterator[AnnotatedPhoto]: ...


@dataclass(frozen=True, slots=True)
class Exported:
    """Holds what an export wrote: files (absolute), and in `notes` what the format lost, one sentence each."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
