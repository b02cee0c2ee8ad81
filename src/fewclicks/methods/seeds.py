"""What the weight-free methods share: the working size, discs at clicks, and the way back to full size."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.types import Mask, Prob

BACKGROUND, OBJECT = 1, 2
"""Values in a map of seeds; 0 is to be decided."""


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


def disputed_seeds(
    guess: Mask, clicks: Clicks, hw: tuple[int, int], radius_px: int, margin_px: int, reach_ratio: float
) -> NDArray[np.int32]:
    """Draw the working-size map of seeds: clicks, the photo's border, and what of the previous mask is undisputed.

    A click disputes the mask within `reach_ratio` of the diagonal, where no click of the other sign is nearer. What
    lies less than `margin_px` from the mask's edge is never a seed.
    """
    seeds = np.zeros(guess.shape, np.int32)
    seeds[[0, -1]] = BACKGROUND
    seeds[:, [0, -1]] = BACKGROUND
    reach_px = reach_ratio * float(np.hypot(*guess.shape))
    positive, negative = (_distance_px(guess.shape, clicks, hw, sign) for sign in (True, False))
    disputed_object = negative < np.minimum(positive, reach_px)
    disputed_background = positive < np.minimum(negative, reach_px)
    if guess.any():
        seeds[_core(~guess, margin_px) & ~disputed_background] = BACKGROUND
        seeds[disputed_background & (seeds == BACKGROUND)] = 0
        seeds[_core(guess, margin_px) & ~disputed_object] = OBJECT
    draw_discs(seeds, clicks, hw, radius_px, (BACKGROUND, OBJECT))
    return seeds


def _distance_px(shape: tuple[int, ...], clicks: Clicks, hw: tuple[int, int], positive: bool) -> NDArray[np.float32]:
    """Working-size map of the distance to the nearest click of one sign; infinite where there is none."""
    free = np.ones(shape, np.uint8)
    chosen = Clicks(tuple(click for click in clicks if click.positive == positive))
    if not len(chosen):
        return np.full(shape, np.inf, np.float32)
    draw_discs(free, chosen, hw, 0, (0, 0))
    return np.asarray(cv2.distanceTransform(free, cv2.DIST_L2, 3), np.float32)


def _core(region: Mask, margin_px: int) -> NDArray[np.bool_]:
    """The pixels of a region that lie deeper than the margin."""
    return np.asarray(cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3) > margin_px)
