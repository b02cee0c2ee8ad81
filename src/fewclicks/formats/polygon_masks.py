"""Polygons as masks, in the conventions of `polygons`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw

from fewclicks.geometry import Box
from fewclicks.types import Mask

Polygon = NDArray[np.float64]
"""Nx2 (x, y)."""

MAX_POINTS = 1_000_000
MAX_CROSSINGS = 50_000_000
MAX_WORK = 2_000_000_000
"""A polygon of more points, of edges that cross more rows in all, or of more points times rows is refused: filling it
would take minutes."""
_AT_ONCE = 2_000_000


def checked(polygon: Polygon) -> Polygon:
    """The polygon; ValueError unless it is finite and within bounds that no photo exceeds."""
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) == 0:
        raise ValueError("a polygon is a list of x, y")
    if not np.isfinite(polygon).all() or np.abs(polygon).max() > 1e7:
        raise ValueError("a polygon holds coordinates that are no pixels")
    if len(polygon) > MAX_POINTS:
        raise ValueError(f"a polygon of {len(polygon)} points, more than {MAX_POINTS}")
    return polygon


def box_of(polygons: Sequence[Polygon], hw: tuple[int, int]) -> Box | None:
    """The box of pixels within the photo that the polygons can touch; None when they lie outside."""
    points = np.concatenate(polygons)
    x0, y0 = (max(0, math.floor(v)) for v in points.min(axis=0))
    x1, y1 = (min(size, math.floor(v) + 1) for v, size in zip(points.max(axis=0), (hw[1], hw[0]), strict=True))
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def by_edges(polygons: Sequence[Polygon], hw: tuple[int, int]) -> Mask:
    """HxW: the pixels whose centre (x + 0.5, y + 0.5) lies in one of the polygons (each by even-odd)."""
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        box = box_of([polygon], hw)
        if box is not None and len(polygon) > 2:
            mask[box.slices] |= _even_odd(polygon - (box.x0, box.y0), box.hw)
    return mask


def by_centres(polygons: Sequence[Polygon], hw: tuple[int, int]) -> Mask:
    """HxW: the pixels within the polygons or on their lines, (x, y) being the centre of a pixel; as LabelMe draws."""
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        box = box_of([polygon], hw)
        if box is not None:
            points = np.concatenate([polygon, np.repeat(polygon[-1:], max(0, 3 - len(polygon)), axis=0)])
            canvas = PIL.Image.new("L", (box.hw[1], box.hw[0]))
            ImageDraw.Draw(canvas).polygon(_bounded(points, box, hw).ravel().tolist(), fill=1, outline=1)
            mask[box.slices] |= np.asarray(canvas) > 0
    return mask


def by_pixels(polygons: Sequence[Polygon], hw: tuple[int, int]) -> Mask:
    """Fill as `by_centres` does, of points cut down to whole pixels; as OpenCV and the readers of YOLO draw."""
    mask = np.zeros(hw, np.bool_)
    for polygon in polygons:
        box = box_of([polygon], hw)
        if box is not None:
            canvas = np.zeros(box.hw, np.uint8)
            cv2.fillPoly(canvas, [_bounded(np.trunc(polygon), box, hw).astype(np.int32)], 1)
            mask[box.slices] |= canvas > 0
    return mask


def _bounded(polygon: Polygon, box: Box, hw: tuple[int, int]) -> Polygon:
    """The polygon seen from the box, no point farther off than some sides of the photo; ValueError if it is endless."""
    reach = 3 * (hw[0] + hw[1])
    near = np.clip(polygon - (box.x0, box.y0), -reach, reach)
    length = float(np.abs(near - np.roll(near, 1, axis=0)).sum())
    if length > MAX_CROSSINGS or len(near) * box.hw[0] > MAX_WORK:
        raise ValueError("a polygon that goes to and fro over the photo too often")
    return near


def _even_odd(polygon: Polygon, hw: tuple[int, int]) -> Mask:
    """HxW: how often a row crosses the polygon left of each pixel's centre is odd."""
    height, width = hw
    flips = np.zeros((height, width + 1), np.uint8)
    for rows, columns in _crossings(polygon, height):
        np.bitwise_xor.at(flips, (rows, np.clip(np.ceil(columns - 0.5), 0, width).astype(np.int64)), 1)
    return np.asarray(np.bitwise_xor.accumulate(flips, axis=1)[:, :width] > 0)


def _crossings(polygon: Polygon, height: int) -> Iterator[tuple[NDArray[np.int64], Polygon]]:
    """Tell where the edges cross the middles of the rows, as (rows, x): in portions, so that memory stays small."""
    ends = np.roll(polygon, -1, axis=0)
    upper = np.where((polygon[:, 1] <= ends[:, 1])[:, None], polygon, ends)
    lower = np.where((polygon[:, 1] <= ends[:, 1])[:, None], ends, polygon)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    count = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64) - first
    total = np.cumsum(count)
    if total[-1] > MAX_CROSSINGS:
        raise ValueError("a polygon that goes to and fro over the photo too often")
    slope = (lower[:, 0] - upper[:, 0]) / np.where(count > 0, lower[:, 1] - upper[:, 1], 1)
    for at_once in np.split(np.arange(len(count)), np.searchsorted(total, np.arange(_AT_ONCE, total[-1], _AT_ONCE))):
        some = count[at_once]
        edge = np.repeat(at_once, some)
        rows = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(some) - some, some)
        yield rows, upper[edge, 0] + (rows + 0.5 - upper[edge, 1]) * slope[edge]
