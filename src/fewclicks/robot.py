"""Robot users: they look at the truth and the mask, and click where a person would."""

from __future__ import annotations

import math
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.arrays import Mask, Truth
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError

Depth = tuple[float, int, int]
"""The squared depth of the deepest pixel of a region, and its row and column."""


NOWHERE: Depth = (0.0, 0, 0)

Pixels = NDArray[np.uint8]

SMALL_PX = 4096
"""Up to this many pixels the exact distances are measured at once."""


class Robot(Protocol):
    """A simulated user: the next click, given HxW truth, HxW mask and the clicks so far."""

    def __call__(self, truth: Truth, mask: Mask, clicks: Clicks) -> Click: ...


def deepest_error(truth: Truth, mask: Mask, clicks: Clicks) -> Click:
    """Click on the error pixel that is farthest from any pixel that is no error of its kind (RITM's robot).

    Missed and wrong pixels are two kinds; the image border and uncounted pixels (truth -1) end a region. Distances
    are exact Euclidean; pixels that were clicked before are out. Ties: background before object, then the first in
    reading order. With no error left the click is a background one on (0, 0), as in the published protocol.
    """
    if mask.shape != truth.shape:
        raise InputError(f"the mask is {mask.shape}, the truth {truth.shape}; pass masks of one size")
    clicked = [click.pixel(truth.shape) for click in clicks]
    regions = ((truth == 0) & mask, (truth == 1) & ~mask)  # wrong, missed
    areas = [int(np.count_nonzero(region)) for region in regions]
    first = int(areas[1] > areas[0])  # the larger region; often the smaller one cannot be as deep
    depths = [NOWHERE, NOWHERE]
    depths[first] = _deepest(regions[first], clicked)
    # All pixels nearer than d to a pixel of depth d are in its region, at least pi (d - sqrt(1/2))^2 of them.
    if math.sqrt(areas[1 - first] / math.pi) + math.sqrt(0.5) >= math.sqrt(depths[first][0]):
        depths[1 - first] = _deepest(regions[1 - first], clicked)
    wrong, missed = depths
    positive = missed[0] > wrong[0]
    _, row, column = missed if positive else wrong
    return Click(float(column), float(row), positive)


def _deepest(region: NDArray[np.bool_], clicked: list[tuple[int, int]]) -> Depth:
    """The deepest pixel of HxW `region` that was not clicked; (0, 0, 0) when there is none."""
    pixels = region.view(np.uint8)
    # Only the bounding box is measured, with a frame of one zero pixel: for every zero farther away, the frame has
    # one that is nearer, so that the distances are those of the whole image.
    left, top, width, height = cv2.boundingRect(pixels)
    if width == 0:
        return NOWHERE
    framed = np.zeros((height + 2, width + 2), np.uint8)
    framed[1:-1, 1:-1] = pixels[top : top + height, left : left + width]
    shifted = [(row - top + 1, column - left + 1) for row, column in clicked]
    if height * width > SMALL_PX:
        y, x, framed = _deep_part(framed, shifted)
        top, left, shifted = top + y, left + x, [(row - y, column - x) for row, column in shifted]
    # Squared distances are whole numbers: rounded, equal depths are equal, whatever the order of float operations.
    depth = _unclicked(np.rint(_distances(framed, cv2.DIST_MASK_PRECISE) ** 2), shifted)
    row, column = divmod(int(depth.argmax()), depth.shape[1])
    deepest = float(depth[row, column])
    return (deepest, top + row - 1, left + column - 1) if deepest > 0 else NOWHERE


def _deep_part(framed: Pixels, clicked: list[tuple[int, int]]) -> tuple[int, int, Pixels]:
    """The row, column and pixels of a window in which the deepest pixels, and all zeros nearest to them, lie.

    Exact distances are five times as dear as chamfer distances, which are right to 5 %: the deepest pixel is among
    those whose chamfer distance comes to 0.8 of the largest, and its nearest zero within 1.2 of that.
    """
    rough = _unclicked(_distances(framed, cv2.DIST_MASK_3), clicked)
    most = float(rough.max())
    x, y, width, height = cv2.boundingRect((rough >= 0.8 * most).view(np.uint8))
    reach = math.ceil(1.2 * most) + 1
    y0, x0 = max(0, y - reach), max(0, x - reach)
    window = framed[y0 : y + height + reach, x0 : x + width + reach].copy()
    window[[0, -1]] = 0  # too far to matter to the deepest; the others must not look deeper than they are
    window[:, [0, -1]] = 0
    return y0, x0, window


def _distances(pixels: Pixels, kind: int) -> NDArray[np.float32]:
    """Distance of each pixel to the nearest zero."""
    return np.asarray(cv2.distanceTransform(pixels, cv2.DIST_L2, kind), np.float32)


def _unclicked(depth: NDArray[np.float32], clicked: list[tuple[int, int]]) -> NDArray[np.float32]:
    """`depth`, changed in place: zero at the clicked pixels."""
    for row, column in clicked:
        if 0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]:
            depth[row, column] = 0
    return depth
