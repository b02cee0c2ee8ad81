"""Clicks on the outline of an object: what UCP-Net reads, and the robot that makes them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.types import Mask, Truth

NEAR_PX = 3.0
"""So near an earlier click no other one is made while there is a place farther away."""


def outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask with a neighbor outside of it; the photo's edge is outside."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(mask & (inner == 0))


def outline_click(truth: Truth, mask: Mask, clicks: Clicks) -> Click:
    """Click on the outline of the object: two far points of it first, then where the mask's outline is farthest away.

    The first is the one farthest from the middle of the object, the second the one farthest from the first. Without an
    object the click is on (0, 0). Ties: the first in reading order.
    """
    found = np.argwhere(outline(truth == 1)).astype(np.float64)
    if not len(found):
        return Click(0.0, 0.0, False)
    clicked = np.array([(click.y, click.x) for click in clicks], np.float64).reshape(-1, 2)
    if not len(clicked):
        far = np.hypot(*(found - np.argwhere(truth == 1).mean(0)).T)
    elif len(clicked) == 1 or not mask.any():
        far = nearest(found, clicked)
    else:
        edge = outline(mask)
        deviation = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        rows, columns = found.astype(int).T
        far = np.asarray(deviation[rows, columns], np.float64)
        fresh = nearest(found, clicked) > NEAR_PX
        far = np.where(fresh, far, -1.0) if fresh.any() else far
    row, column = found[int(far.argmax())]
    return Click(float(column), float(row))


def nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each of Nx2 points to the nearest of Mx2 others."""
    best = np.full(len(points), np.inf)
    for other in others:
        best = np.minimum(best, np.hypot(*(points - other).T))
    return best
