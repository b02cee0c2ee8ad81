"""Pixels that the user decides: strokes of the brush, the locks they leave, holes and specks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.annotator.editing.actions import Brushed, Cleaned
from fewclicks.clicks import Clicks
from fewclicks.geometry import Box, copied
from fewclicks.predictor import State
from fewclicks.types import Mask

ON, OFF = 1, -1


def painted(stroke: Brushed, hw: tuple[int, int]) -> tuple[Box, Mask] | None:
    """The pixels of a photo of size `hw` that a stroke covers, as a box and its mask; None if it is beside the photo.

    Row by row: where a row meets a line of a certain width with round ends, it does so in one interval.
    """
    points, radius = np.array(stroke.points, np.float64), stroke.radius_px
    low, high = points.min(axis=0) - radius, points.max(axis=0) + radius
    x0, y0 = (int(v) for v in np.maximum(np.ceil(low), 0))
    x1, y1 = (int(v) for v in np.minimum(np.floor(high), (hw[1] - 1, hw[0] - 1)) + 1)
    if x0 >= x1 or y0 >= y1:
        return None
    # Differences along each row: +1 where an interval begins, -1 behind its end; their running sum is the cover.
    edges = np.zeros((y1 - y0, x1 - x0 + 1), np.int16)
    starts, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    for start, end in zip(starts, ends, strict=True):
        top = max(y0, int(np.ceil(min(start[1], end[1]) - radius)))
        bottom = min(y1, int(np.floor(max(start[1], end[1]) + radius)) + 1)
        rows = np.arange(top, max(top, bottom))
        left, right = _interval(rows, start, end, radius)
        first = np.clip(np.ceil(left), x0, x1)
        last = np.clip(np.floor(right) + 1, x0, x1)
        some = first < last
        edges[rows[some] - y0, first[some].astype(np.intp) - x0] += 1
        edges[rows[some] - y0, last[some].astype(np.intp) - x0] -= 1
    cover = np.cumsum(edges, axis=1, dtype=np.int16)[:, :-1] > 0
    return (Box(x0, y0, x1, y1), cover) if cover.any() else None


def _interval(
    rows: NDArray[np.intp], start: NDArray[np.float64], end: NDArray[np.float64], radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per row the first and the last x within `radius` of the line from start to end; (inf, -inf) where there is none.

    The shape is the union of the discs at both ends and the rectangle between them, and it is convex.
    """
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for x, y in (start, end):
        height = radius**2 - (rows - y) ** 2
        half = np.sqrt(np.maximum(height, 0))
        left = np.where(height >= 0, np.minimum(left, x - half), left)
        right = np.where(height >= 0, np.maximum(right, x + half), right)
    length = float(np.hypot(*(end - start)))
    if length:
        u, v = (end - start) / length
        # Along the line 0 <= (x - x0) u + (y - y0) v <= length, across it |(x - x0) v - (y - y0) u| <= radius.
        dy = rows - start[1]
        along = _solve(u, -v * dy, length - v * dy)
        across = _solve(v, u * dy - radius, u * dy + radius)
        low, high = start[0] + np.maximum(along[0], across[0]), start[0] + np.minimum(along[1], across[1])
        left = np.where(low <= high, np.minimum(left, low), left)
        right = np.where(low <= high, np.maximum(right, high), right)
    return left, right


def _solve(
    factor: float, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The x with low <= factor * x <= high, as an interval per row."""
    if abs(factor) < 1e-12:
        inside = (low <= 0) & (high >= 0)
        return np.where(inside, -np.inf, np.inf), np.where(inside, np.inf, -np.inf)
    a, b = low / factor, high / factor
    return np.minimum(a, b), np.maximum(a, b)


@dataclass(frozen=True, slots=True, eq=False)
class PixelConstraints:
    """Pixels that stay as they were painted, whatever a predictor says: within `box`, 1 on, -1 off, 0 free."""

    box: Box
    sides: NDArray[np.int8]

    def hold(self, state: State) -> State:
        """The state with every locked pixel on its side."""
        prob = copied(state.prob)
        view = prob[self.box.slices]
        view[self.sides == ON] = 1
        view[self.sides == OFF] = 0
        return replace(state, prob=prob)

    def released(self, pixel: tuple[int, int], positive: bool) -> PixelConstraints | None:
        """Without the connected region round a (row, column) pixel, if that is locked on the other side."""
        if not self.box.contains(*pixel):
            return self
        row, column = pixel[0] - self.box.y0, pixel[1] - self.box.x0
        other = OFF if positive else ON
        if self.sides[row, column] != other:
            return self
        labels = cv2.connectedComponents((self.sides == other).astype(np.uint8))[1]
        sides = np.where(labels == labels[row, column], np.int8(0), self.sides)
        return PixelConstraints(self.box, sides) if sides.any() else None


def locked(locks: PixelConstraints | None, box: Box, cover: Mask, side: int) -> PixelConstraints:
    """The locks with a new stroke on top."""
    whole = locks.box.union(box) if locks else box
    sides = np.zeros(whole.hw, np.int8)
    if locks:
        sides[locks.box.relative_to(whole).slices] = locks.sides
    sides[box.relative_to(whole).slices][cover] = side
    return PixelConstraints(whole, sides)


def cleaned(mask: Mask, action: Cleaned, clicks: Clicks, locks: PixelConstraints | None) -> Mask:
    """The HxW mask without small holes and specks. What was clicked or painted is meant; the largest piece stays."""
    box = Box.around(mask)
    if box is None:
        return mask
    hw = (mask.shape[0], mask.shape[1])
    crop = np.pad(mask[box.slices], 1)  # so that all that lies outside is one piece
    meant = np.zeros(crop.shape, np.int8)
    inner = meant[1:-1, 1:-1]
    if locks and (both := locks.box.intersection(box)):
        inner[both.relative_to(box).slices] = locks.sides[both.relative_to(locks.box).slices]
    for click in clicks:
        row, column = click.pixel(hw)
        if box.contains(row, column):
            inner[row - box.y0, column - box.x0] = ON if click.positive else OFF
    if action.fill_holes_px:
        crop |= _small(~crop, action.fill_holes_px, meant == OFF, connectivity=4)
    if action.drop_specks_px:
        crop &= ~_small(crop, action.drop_specks_px, meant == ON, connectivity=8)
    result = mask.copy()
    result[box.slices] = crop[1:-1, 1:-1]
    return result


def _small(region: Mask, limit_px: int, meant: Mask, connectivity: int) -> Mask:
    """The pieces of a region of at most `limit_px` pixels, without meant ones.

    Of a background (the corner is in it) without the outside, of an object without the largest piece.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=connectivity)
    chosen = stats[:, cv2.CC_STAT_AREA] <= limit_px
    chosen[0] = False  # what is not the region
    if region[0, 0]:
        chosen[labels[0, 0]] = False
    elif count > 1:
        chosen[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))] = False
    chosen[np.unique(labels[meant])] = False
    return np.asarray(chosen[labels])
