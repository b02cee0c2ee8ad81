"""What the user says: clicks in pixels of the original image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError

SAME_PLACE_PX = 1.0
"""Clicks no farther apart than this mean one place: half the disk that `ClickConsistency` holds around a click."""


@dataclass(frozen=True, slots=True)
class Click:
    """One click. `(x, y)` = (column, row); whole numbers are pixel centres, so (0, 0) is the top left pixel."""

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise InputError(f"a click needs finite coordinates, got ({self.x}, {self.y}); pass pixels of the image")

    def pixel(self, hw: tuple[int, int]) -> tuple[int, int]:
        """The (row, column) of the pixel under the click in an image of size `hw`."""
        return min(math.floor(self.y + 0.5), hw[0] - 1), min(math.floor(self.x + 0.5), hw[1] - 1)


@dataclass(frozen=True, slots=True)
class Clicks:
    """Immutable sequence of clicks, oldest first. `clicks + click` is a new, longer sequence."""

    items: tuple[Click, ...] = ()

    def __add__(self, click: Click) -> Clicks:
        return Clicks((*self.items, click))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Click]:
        return iter(self.items)

    def __getitem__(self, index: int) -> Click:
        return self.items[index]

    @property
    def has_positive(self) -> bool:
        """Tell whether any click is on the object."""
        return any(click.positive for click in self.items)

    def counting(self, hw: tuple[int, int], reach_px: float = SAME_PLACE_PX) -> Clicks:
        """Keep the clicks that count in an image of size `hw`, oldest first.

        A click takes the place of earlier ones of the other meaning on its pixel and within `reach_px` of it: the user
        has corrected himself. Said twice on one pixel is said once.
        """
        kept: dict[tuple[int, int], Click] = {}
        for click in self.items:
            row, column = here = click.pixel(hw)
            if here in kept and kept[here].positive == click.positive:
                continue
            for place in [place for place, other in kept.items() if other.positive != click.positive]:
                if math.hypot(place[0] - row, place[1] - column) <= reach_px:
                    del kept[place]
            kept[here] = click
        return self if len(kept) == len(self.items) else Clicks(tuple(kept.values()))

    def require_inside(self, hw: tuple[int, int]) -> None:
        """Raise InputError unless 0 <= x < W and 0 <= y < H for every click."""
        height, width = hw
        for click in self.items:
            if not (0 <= click.x < width and 0 <= click.y < height):
                raise InputError(
                    f"the click at ({click.x:g}, {click.y:g}) lies outside the image of {width}x{height} pixels; "
                    f"pass 0 <= x < {width} and 0 <= y < {height}"
                )

    def to_array(self) -> NDArray[np.float32]:
        """Nx3 float32 rows (x, y, label), label 1 = object, 0 = background: what the networks read."""
        rows = [(click.x, click.y, float(click.positive)) for click in self.items]
        return np.array(rows, np.float32).reshape(-1, 3)
