"""What the weight-free methods share: the working size, discs at clicks, and the way back to full size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.types import Prob


def working_hw(hw: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """The size of a photo reduced to at most `longest_px` on its longer side."""
    scale = min(1.0, longest_px / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def shrink(array: NDArray[Any], hw: tuple[int, int]) -> NDArray[Any]:
    """An image or a prob map averaged down to `hw`."""
    return np.asarray(cv2.resize(array, hw[::-1], interpolation=cv2.INTER_AREA))


def draw_discs(
    canvas: NDArray[Any], clicks: Clicks, hw: tuple[int, int], radius_px: int, labels: tuple[int, int]
) -> None:
    """Draw a disc at each click of an image of size `hw` into the smaller HxW `canvas`, the newest on top.

    `labels` are the values for (background, object); `radius_px` counts in pixels of the canvas.
    """
    rows, columns = canvas.shape[0] / hw[0], canvas.shape[1] / hw[1]
    for click in clicks:
        centre = round((click.x + 0.5) * columns - 0.5), round((click.y + 0.5) * rows - 0.5)
        cv2.circle(canvas, centre, radius_px, labels[click.positive], cv2.FILLED)


def enlarge(mask: NDArray[np.bool_], hw: tuple[int, int]) -> Prob:
    """A working-size mask as HxW prob of the photo's size, soft at the edge."""
    return np.asarray(cv2.resize(mask.astype(np.float32), hw[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
