"""Changes of frame: crop, resize and mirror an image, its clicks and its prob, and the way back.

A pixel is a unit square whose centre has whole-numbered coordinates, so the resize from width w to w' maps
`x' = (x + 0.5 - x0) * w' / w - 0.5`, which is also where OpenCV samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.types import Image, Mask, Prob

Array = TypeVar("Array", bound=NDArray[Any])

STRIP_PX = 128
"""Rows that are looked at together: of a photo's width, they stay in a processor's cache."""

AREA_ABOVE = 1.5
"""Shrinking an axis by more than this averages over area: linear interpolation would skip pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """Half-open box of whole pixels: columns x0..x1-1, rows y0..y1-1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def whole(cls, hw: tuple[int, int]) -> Box:
        """The box of a whole image of size `hw`."""
        return cls(0, 0, hw[1], hw[0])

    @classmethod
    def around(cls, mask: Mask) -> Box | None:
        """The smallest box that holds every true pixel of an HxW mask; None when there is none."""
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        return cls(x, y, x + width, y + height) if width else None

    @classmethod
    def above(cls, prob: Prob, threshold: float) -> Box | None:
        """The smallest box that holds every pixel of an HxW prob above a threshold; None when there is none.

        In strips, since a mask of a whole large photo takes longer to make than to look through.
        """
        found: Box | None = None
        strip = np.empty((min(STRIP_PX, prob.shape[0]), prob.shape[1]), np.bool_)
        for top in range(0, prob.shape[0], STRIP_PX):
            rows = prob[top : top + STRIP_PX]
            part = cls.around(np.greater(rows, threshold, out=strip[: len(rows)]))
            if part:
                here = cls(part.x0, part.y0 + top, part.x1, part.y1 + top)
                found = found.union(here) if found else here
        return found

    @property
    def hw(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """`array[box.slices]` is the crop, without copying."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def beside(self, hw: tuple[int, ...]) -> list[tuple[slice, slice]]:
        """Slices of an image of size `hw` for all that the box leaves out: above it, below it, left and right of it."""
        rows, every = slice(self.y0, self.y1), slice(None)
        return [
            (slice(0, self.y0), every), (slice(self.y1, hw[0]), every),
            (rows, slice(0, self.x0)), (rows, slice(self.x1, hw[1])),
        ]  # fmt: skip

    def contains(self, row: int, column: int) -> bool:
        """Tell whether the pixel lies in the box."""
        return self.y0 <= row < self.y1 and self.x0 <= column < self.x1

    def including(self, row: int, column: int) -> Box:
        """The smallest box that holds this box and the pixel."""
        return Box(min(self.x0, column), min(self.y0, row), max(self.x1, column + 1), max(self.y1, row + 1))

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def intersection(self, other: Box) -> Box | None:
        """The box of the pixels of both; None when there is none."""
        both = Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))
        return both if both.x0 < both.x1 and both.y0 < both.y1 else None

    def relative_to(self, other: Box) -> Box:
        """This box with the first pixel of `other` as (0, 0)."""
        return Box(self.x0 - other.x0, self.y0 - other.y0, self.x1 - other.x0, self.y1 - other.y0)

    def axis_iou(self, other: Box) -> float:
        """IoU of the row ranges times IoU of the column ranges: the zoom-in rule of RITM (not the IoU of areas)."""
        rows = _range_iou(self.y0, self.y1, other.y0, other.y1)
        return rows * _range_iou(self.x0, self.x1, other.x0, other.x1)


def _range_iou(a0: int, a1: int, b0: int, b1: int) -> float:
    return max(0, min(a1, b1) - max(a0, b0)) / (max(a1, b1) - min(a0, b0))


def clamp_clicks(clicks: Clicks, hw: tuple[int, int]) -> Clicks:
    """Clicks on the half pixel around an image of size `hw` moved onto its outermost pixel centres; others stay.

    A change of frame can leave a click on the border at x = -0.25, which is on pixel 0 but not in 0 <= x < W.
    """
    return Clicks(tuple(Click(_settled(c.x, hw[1]), _settled(c.y, hw[0]), c.positive) for c in clicks))


def _settled(x: float, length: int) -> float:
    return min(max(x, 0.0), length - 1.0) if -0.5 <= x < length else x


@dataclass(frozen=True, slots=True)
class Frame:
    """A view of an image: its crop `box`, resized to `hw`, then mirrored left-right if `mirror`.

    `corners=True` are the conventions of RITM, SimpleClick and CFR-ICL, for reproduction: corner pixels stay on corner
    pixels (`align_corners=True`), while clicks map by `x' = (x - x0) * w' / w`, up to a pixel beside the image, and a
    resized image is float32, of 0 to 255 still: they round nothing.
    """

    box: Box
    hw: tuple[int, int]
    mirror: bool = False
    corners: bool = False

    def image(self, image: Image) -> Image:
        """HxWx3 uint8 image -> its view, hw x 3, contiguous, uint8 (resized with `corners`: float32).

        An unchanged image is returned as it is.
        """
        return self._view(image)

    def prob(self, prob: Prob) -> Prob:
        """HxW prob -> its view, hw. An unchanged prob is returned as it is."""
        if prob.size > self.hw[0] * self.hw[1] and not prob[self.box.slices].any():
            return np.zeros(self.hw, np.float32)  # as before the first click, in a tenth of the time
        return self._view(prob)

    def paste(self, prob: Prob, onto: Prob) -> Prob:
        """The way back: `onto` (HxW, left as it is) with the content of the box replaced by the view's `prob` (hw)."""
        view = np.ascontiguousarray(prob[:, ::-1]) if self.mirror else prob
        if self.box.hw == onto.shape:
            return _resize(view, self.box.hw, self.corners)
        pasted = copied(onto, self.box)
        place = pasted[self.box.slices]
        patch = _resize(view, self.box.hw, self.corners, place)
        if patch is not place:
            place[:] = patch
        return pasted

    def clicks(self, clicks: Clicks) -> Clicks:
        """Clicks in pixels of the image -> the same in pixels of the view. Those outside the box stay, out of range."""
        return Clicks(tuple(self._click(click) for click in clicks))

    def clicks_back(self, clicks: Clicks) -> Clicks:
        """Clicks in pixels of the view -> the same in pixels of the image: the inverse of `clicks`."""
        return Clicks(tuple(self._click_back(click) for click in clicks))

    def _view(self, array: Array) -> Array:
        if self.box.hw == self.hw == array.shape[:2] and not self.mirror:
            return array
        view = _resize(array[self.box.slices], self.hw, self.corners)
        return cast(Array, np.ascontiguousarray(view[:, ::-1] if self.mirror else view))

    def _click(self, click: Click) -> Click:
        half = 0.0 if self.corners else 0.5
        x = (click.x + half - self.box.x0) * self.hw[1] / self.box.hw[1] - half
        y = (click.y + half - self.box.y0) * self.hw[0] / self.box.hw[0] - half
        return Click(self.hw[1] - 1 - x if self.mirror else x, y, click.positive)

    def _click_back(self, click: Click) -> Click:
        half = 0.0 if self.corners else 0.5
        x = self.hw[1] - 1 - click.x if self.mirror else click.x
        x = (x + half) * self.box.hw[1] / self.hw[1] + self.box.x0 - half
        y = (click.y + half) * self.box.hw[0] / self.hw[0] + self.box.y0 - half
        return Click(x, y, click.positive)


def copied(prob: Prob, but: Box | None = None) -> Prob:
    """Copy an HxW prob to change it: all of it, or what is not in the box `but`, where the copy is 0.

    Rows of zeros above and below all else take no memory, on a photo of any size.
    """
    copy = np.zeros(prob.shape, prob.dtype)
    for part in but.beside(prob.shape) if but else [(slice(None), slice(None))]:
        values = prob[part]
        there = slice(_zero_rows(values), len(values) - _zero_rows(values[::-1]))
        if there.start < there.stop:
            copy[part][there] = values[there]
    return copy


def _zero_rows(prob: Prob) -> int:
    """How many rows of zeros lie above all else."""
    for top in range(0, len(prob), STRIP_PX):
        rows = np.flatnonzero(prob[top : top + STRIP_PX].any(axis=1))
        if rows.size:
            return top + int(rows[0])
    return len(prob)


def _resize(array: NDArray[Any], hw: tuple[int, int], corners: bool, into: Prob | None = None) -> NDArray[Any]:
    """HxW float32 or HxWxC uint8 -> the same at size `hw`; the array itself when it has that size already.

    `into`: an array of that size to put it in, where that saves a copy. It is returned if that was done.
    """
    height, width = array.shape[:2]
    if (height, width) == hw:
        return array
    if corners:
        return _resize_corners(array, hw)
    first = (hw[0] if height > AREA_ABOVE * hw[0] else height, hw[1] if width > AREA_ABOVE * hw[1] else width)
    if first != (height, width):
        array = cv2.resize(array, first[::-1], interpolation=cv2.INTER_AREA)
    if first != hw:
        array = cv2.resize(array, hw[::-1], dst=into, interpolation=cv2.INTER_LINEAR)
    return _tidy(array)


def _resize_corners(array: NDArray[Any], hw: tuple[int, int]) -> NDArray[Any]:
    """Bilinear with corner pixels on corner pixels, one axis after the other; float32."""
    values = array.astype(np.float32, copy=False)
    for axis, size in enumerate(hw):
        last = array.shape[axis] - 1
        at = np.linspace(0, last, size)
        low = np.floor(at).astype(np.intp)
        weight = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(array.ndim)])
        below, above = values.take(low, axis), values.take(np.minimum(low + 1, last), axis)
        values = below * (1 - weight) + above * weight
    return values if array.dtype == np.uint8 else _tidy(values)


def _tidy(array: NDArray[Any]) -> NDArray[Any]:
    """Interpolation weights may sum to 1 + 1e-7: keep a prob in [0, 1]."""
    return array if array.dtype == np.uint8 else np.clip(array, 0, 1, out=array)
