"""Robot users: they look at the truth and the mask, and click where a person would."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.arrays import Mask, Truth
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError

Depth = tuple[float, int, int]
"""How deep the deepest pixel of a region lies, and its row and column."""


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
    missed = _deepest((truth == 1) & ~mask, clicked)
    wrong = _deepest((truth == 0) & mask, clicked)
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
        return 0.0, 0, 0
    framed = np.zeros((height + 2, width + 2), np.uint8)
    framed[1:-1, 1:-1] = pixels[top : top + height, left : left + width]
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    for row, column in clicked:
        if top <= row < top + height and left <= column < left + width:
            depth[row - top, column - left] = 0
    row, column = divmod(int(depth.argmax()), width)
    deepest = float(depth[row, column])
    return (deepest, top + row, left + column) if deepest > 0 else (0.0, 0, 0)
