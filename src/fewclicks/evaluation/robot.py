"""Robot users: they look at the truth and the mask, and click where a person would."""

from __future__ import annotations

import difflib
import math
import sys
import zlib
from collections.abc import Mapping
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError, UnknownName
from fewclicks.plugins import is_own, own_part
from fewclicks.types import Mask, Truth

Depth = tuple[float, int, int]
"""The squared depth of the deepest pixel of a region, and its row and column."""


NOWHERE: Depth = (0.0, 0, 0)

Pixels = NDArray[np.uint8]

SMALL_PX = 4096
"""Up to this many pixels the exact distances are measured at once."""

JITTER, MISTAKES = 0.5, 0.05
"""Of `noisy_human`: the spread of the hand over the depth of the error, and how often it is the wrong button."""


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


def random_error(truth: Truth, mask: Mask, clicks: Clicks) -> Click:
    """Click on any error pixel, each as likely as the other: a user who does not aim.

    The same truth and clicks give the same click. Without an error left: see `deepest_error`.
    """
    errors = _errors(truth, mask, clicks)
    if not len(errors):
        return deepest_error(truth, mask, clicks)
    return _click_at(truth, errors[_rng(truth, clicks).integers(len(errors))])


def boundary_error(truth: Truth, mask: Mask, clicks: Clicks) -> Click:
    """Click just within the border of the largest connected error: a user who follows the outline.

    Connected in eight directions; each pixel of its inner border is as likely. Without an error left: see
    `deepest_error`.
    """
    errors = np.zeros(truth.shape, np.uint8)
    rows, columns = _errors(truth, mask, clicks).T
    errors[rows, columns] = 1
    wrong, missed = errors * (truth == 0), errors * (truth == 1)  # two kinds that touch are two errors
    parts = [_largest_part(kind) for kind in (wrong, missed)]
    largest = max(parts, key=np.count_nonzero)
    if not largest.any():
        return deepest_error(truth, mask, clicks)
    inner = cv2.erode(largest, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    border = np.argwhere(largest - inner)
    return _click_at(truth, border[_rng(truth, clicks).integers(len(border))])


def noisy_human(truth: Truth, mask: Mask, clicks: Clicks) -> Click:
    """Click near the deepest error, and one time in twenty with the wrong button: a user in a hurry.

    The hand is off by a normal distance, with a standard deviation of `JITTER` of the error's depth in x and y, and
    stays on the photo. What is meant is the label at the deepest pixel, also where the hand lands elsewhere.
    """
    meant = deepest_error(truth, mask, clicks)
    error = ((truth == 1) & ~mask) if meant.positive else ((truth == 0) & mask)
    depth = math.sqrt(_deepest(error, [])[0])
    rng = _rng(truth, clicks)
    x, y = np.rint(np.array([meant.x, meant.y]) + rng.normal(0, JITTER * depth, 2))
    height, width = truth.shape
    mistaken = rng.random() < MISTAKES
    return Click(float(np.clip(x, 0, width - 1)), float(np.clip(y, 0, height - 1)), meant.positive != mistaken)


ROBOTS: Mapping[str, Robot] = {
    robot.__name__: robot for robot in (deepest_error, random_error, boundary_error, noisy_human)
}
"""The robots that there are, by name."""


def robot_named(name: str) -> Robot:
    """Return a robot by its name in `ROBOTS`, or one of your own.

    "my_lab.robots:clumsy" is a function of a module, "my_lab.robots" its `robot`. The module is imported, so a name
    must be the user's own words. UnknownName if there is none.
    """
    if name in ROBOTS:
        return ROBOTS[name]
    if not is_own(name):
        near = difflib.get_close_matches(name, ROBOTS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(ROBOTS)}"
        raise UnknownName(f"no robot named '{name}'; {hint}")
    robot: Robot = own_part(name, "robot", ("truth", "mask", "clicks"))
    return robot


def robot_of(predictor: object) -> Robot:
    """Return who clicks where nobody is named: the predictor's own robot, else `deepest_error`.

    Its own is its attribute `robot`, or the `robot` of the module that defines its class; of what is only put around
    another predictor it is that of the inner one.
    """
    while predictor is not None:
        module = sys.modules.get(type(predictor).__module__)
        own = getattr(predictor, "robot", None) or getattr(module, "robot", None)
        if callable(own):
            found: Robot = own
            return found
        predictor = getattr(predictor, "inner", None)
    return deepest_error


def name_of(robot: Robot) -> str:
    """Tell which robot it is, for a report: its name here, else MODULE:NAME, which means the same to everyone."""
    name = getattr(robot, "__qualname__", type(robot).__qualname__)
    place = getattr(robot, "__module__", None) or type(robot).__module__
    return name if place.startswith("fewclicks.") else f"{place}:{name}"


def _errors(truth: Truth, mask: Mask, clicks: Clicks) -> NDArray[np.int64]:
    """The (row, column) of each pixel that is wrong, counted, and was not clicked yet, in reading order."""
    wrong = ((truth == 1) & ~mask) | ((truth == 0) & mask)
    for click in clicks:
        wrong[click.pixel(truth.shape)] = False
    return np.argwhere(wrong)


def _click_at(truth: Truth, place: NDArray[np.int64]) -> Click:
    row, column = map(int, place)
    return Click(float(column), float(row), bool(truth[row, column] == 1))


def _largest_part(pixels: Pixels) -> Pixels:
    """The largest connected part of HxW 0/1 pixels; the first in reading order of those of one size."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(pixels, connectivity=8)
    if len(statistics) < 2:
        return np.zeros_like(pixels)
    return np.asarray(labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _rng(truth: Truth, clicks: Clicks) -> np.random.Generator:
    """Randomness that is the same for the same object and number of clicks, whichever process asks."""
    return np.random.default_rng([zlib.crc32(np.ascontiguousarray(truth).tobytes()), len(clicks)])


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
