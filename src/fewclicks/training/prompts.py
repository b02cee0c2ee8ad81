"""What people give beside clicks: a box drawn around the object, a scribble over it."""

from __future__ import annotations

import numpy as np

from fewclicks.training.clicks import Points
from fewclicks.types import Mask, Prob, Truth

LOOSE = 0.25
"""A side of a box is off by at most this share of the box."""


def loose_box(truth: Truth, rng: np.random.Generator) -> Prob:
    """The object's box as a mask to begin with, HxW float32: each side off by 0 to 25 %, three times of four outward.

    Without an object an empty mask.
    """
    object_ = truth == 1
    mask = np.zeros(truth.shape, np.float32)
    rows, columns = np.flatnonzero(object_.any(1)), np.flatnonzero(object_.any(0))
    if len(rows):
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        off = rng.uniform(0, LOOSE, 4) * np.where(rng.random(4) < 0.75, 1, -1)
        off *= (bottom - top, bottom - top, right - left, right - left)
        low = np.rint((top - off[0], left - off[2])).astype(int).clip(0)
        high = np.rint((bottom + off[1], right + off[3])).astype(int)
        mask[low[0] : max(high[0], low[0] + 1), low[1] : max(high[1], low[1] + 1)] = 1
    return mask


def scribble(where: Mask, label: int, rng: np.random.Generator) -> Points:
    """A run of 1 to 12 clicks over a mask: a hand that goes on and turns a little, and ends at the border.

    Nx3 rows (x, y, label), all of them on the mask; none if it is empty.
    """
    pixels = np.flatnonzero(where)
    if not len(pixels):
        return np.empty((0, 3), np.float32)
    y, x = map(float, divmod(int(rng.choice(pixels)), where.shape[1]))
    stride = max(4.0, rng.uniform(0.05, 0.15) * float(np.sqrt(len(pixels))))
    angle, points = rng.uniform(0, 2 * np.pi), [(x, y)]
    for _ in range(int(rng.integers(12))):
        turned = angle + rng.normal(0, 0.5)
        x, y = x + stride * np.cos(turned), y + stride * np.sin(turned)
        row, column = round(y), round(x)
        if not (0 <= row < where.shape[0] and 0 <= column < where.shape[1] and where[row, column]):
            break
        angle = turned
        points.append((column, row))
    return np.array([(*point, label) for point in points], np.float32)
