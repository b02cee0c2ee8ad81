"""Simulated clicks for a whole batch where it lies, CPU or GPU: integers only, so that both find the same.

A click is a random pixel in the inner half of the larger error. Depths are squared Euclidean distances to the nearest
pixel outside of the error, which are whole numbers: nothing is rounded, and no device has another opinion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fewclicks.types import Mask, Prob, Truth

DRAW = 2**62
"""Random draws are whole numbers below it."""


def clicks_on_errors(truth: Tensor, prob: Tensor, draws: Tensor, threshold: float = 0.49) -> Tensor:
    """One click a sample on what is wrong: Bx1x3 float rows (x, y, label 1 | 0), label -1 where nothing is.

    truth BxHxW {1, 0, -1}, prob BxHxW, draws B int64 below DRAW, which choose the pixel. It lies where the distance to
    the border of the larger error region, missed or spilled, exceeds half of its maximum; the larger is the deeper,
    and a spilled one of two as deep. The picture's edge and ignored pixels are outside of every region.
    """
    if truth.device.type != "cpu":
        return in_parallel(truth, prob, draws, threshold)
    found = [
        _click(*sample, threshold) for sample in zip(truth.numpy(), prob.float().numpy(), draws.tolist(), strict=True)
    ]
    return torch.tensor(found, dtype=torch.float32)[:, None]


def in_parallel(truth: Tensor, prob: Tensor, draws: Tensor, threshold: float) -> Tensor:
    """The clicks of all samples at once, as a GPU likes it."""
    mask = prob > threshold
    missed, spilled = squared_depth((truth == 1) & ~mask), squared_depth((truth == 0) & mask)
    deepest = torch.stack((missed.amax((1, 2)), spilled.amax((1, 2))))
    positive = deepest[0] > deepest[1]
    depth = torch.where(positive[:, None, None], missed, spilled).flatten(1)
    top = deepest.amax(0)
    order = (4 * depth > top[:, None]).cumsum(1)
    nth = draws % order[:, -1].clamp(min=1)
    index = (order <= nth[:, None]).sum(1)  # of the first pixel after so many others
    columns, rows = index % truth.shape[2], index // truth.shape[2]
    click = torch.stack((columns, rows, positive.long()), 1)
    nothing = torch.tensor((0, 0, -1), device=click.device)
    return torch.where(top[:, None] > 0, click, nothing).float()[:, None]


def squared_depth(region: Tensor) -> Tensor:
    """Squared distance of each pixel of BxHxW regions to the outside, 0 there; the picture's edge is outside.

    Down the columns by a running maximum, then along the rows by shifted parabolas. Parabolas that are farther away
    than the deepest pixel is deep cannot matter; so it ends early where errors are shallow, which is looked up now and
    then.
    """
    padded = F.pad(region, (1, 1, 1, 1))
    height, width = padded.shape[1:]
    rows = torch.arange(height, device=region.device, dtype=torch.int32).view(1, -1, 1)
    above = torch.where(padded, 0, rows).cummax(1).values
    below = torch.where(padded, height - 1, rows).flip(1).cummin(1).values.flip(1)
    columns = torch.minimum(rows - above, below - rows).square()
    found = columns.clone()
    for shift in range(1, width):
        if shift % 8 == 1 and shift**2 >= int(found.max()):
            break
        parabola = columns + shift**2
        torch.minimum(found[..., shift:], parabola[..., :-shift], out=found[..., shift:])
        torch.minimum(found[..., :-shift], parabola[..., shift:], out=found[..., :-shift])
    return found[:, 1:-1, 1:-1]


def _click(truth: Truth, prob: Prob, draw: int, threshold: float) -> tuple[int, int, int]:
    """The click of one sample, as a CPU likes it: no pixel is looked at that cannot be clicked."""
    mask = prob > threshold
    regions = ((truth == 0) & mask, (truth == 1) & ~mask)  # spilled, missed
    areas = [int(np.count_nonzero(region)) for region in regions]
    if not any(areas):
        return 0, 0, -1
    first = int(areas[1] > areas[0])
    depths = [Depths(), Depths()]
    depths[first] = Depths.of(regions[first])
    # all pixels nearer than d to a pixel of depth d are in its region, at least pi (d - sqrt(1/2))^2 of them
    if math.sqrt(areas[1 - first] / math.pi) + math.sqrt(0.5) >= math.sqrt(depths[first].top):
        depths[1 - first] = Depths.of(regions[1 - first])
    positive = depths[1].top > depths[0].top
    found = depths[positive]
    places = np.flatnonzero(4 * found.squares > found.top)
    row, column = divmod(int(places[draw % len(places)]), found.squares.shape[1])
    return found.left + column, found.above + row, int(positive)


@dataclass(frozen=True, slots=True)
class Depths:
    """The squared depths within the box of a region, and where it lies."""

    squares: NDArray[np.int32] = field(default_factory=lambda: np.zeros((1, 1), np.int32))
    top: int = 0
    above: int = 0
    left: int = 0

    @classmethod
    def of(cls, region: Mask) -> Depths:
        """Those of OpenCV's distance transform, whose squares are whole numbers. What is outside of the box is no
        nearer than what is just beside it."""
        rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
        if not len(rows):
            return cls()
        box = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        padded = cv2.copyMakeBorder(box.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        squares = np.rint(depth * depth).astype(np.int32)
        return cls(squares, int(squares.max()), int(rows[0]), int(columns[0]))
