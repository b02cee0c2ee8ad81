"""SUEM copy-paste (paper, section 3.3): four ways to make a training image of two, as pure functions.

S imple     the object on another photo
U nion      another object pasted beside or over it; both are the target
E xclusion  another object pasted; what it covers is no longer the target
M ixing     the two photos blended; the target stays

`image` and `extra` are HxWx3 uint8 of one size, `truth` and `extra_truth` HxW {1, 0, -1}; nothing is changed in place.
"""

from __future__ import annotations

import cv2
import numpy as np

from fewclicks.types import Image, Mask, Truth

Pair = tuple[Image, Truth]


def simple(image: Image, truth: Truth, extra: Image, alpha: float = 1.0) -> Pair:
    """The object blended onto the extra photo: alpha of the object, 1 - alpha of what is behind."""
    return _blend(extra, image, truth == 1, alpha), truth


def union(image: Image, truth: Truth, extra: Image, extra_truth: Truth) -> Pair:
    """The extra object pasted; the target is both."""
    pasted = extra_truth == 1
    return _blend(image, extra, pasted, 1.0), np.where(pasted, 1, truth).astype(np.int8)


def exclusion(image: Image, truth: Truth, extra: Image, extra_truth: Truth) -> Pair:
    """The extra object pasted; the target is what it leaves uncovered."""
    pasted = extra_truth == 1
    return _blend(image, extra, pasted, 1.0), np.where(pasted, 0, truth).astype(np.int8)


def blend(image: Image, truth: Truth, extra: Image, extra_truth: Truth, alpha: float = 0.5) -> Pair:
    """The extra object as a veil of strength 1 - alpha; the target stays (a mode of the released code)."""
    return _blend(image, extra, extra_truth == 1, 1 - alpha), truth


def mixing(image: Image, truth: Truth, extra: Image, alpha: float = 0.5) -> Pair:
    """alpha of the photo and 1 - alpha of the extra photo everywhere; the target stays."""
    return np.asarray(cv2.addWeighted(image, alpha, extra, 1 - alpha, 0)), truth


def place(extra: Image, extra_truth: Truth, rng: np.random.Generator, scale: tuple[float, float] = (0.4, 1.2)) -> Pair:
    """The extra object rescaled, mirrored half of the time, and moved so that its centre stays in the picture."""
    rows, cols = np.nonzero(extra_truth == 1)
    if not len(rows):
        return extra, extra_truth
    height, width = extra_truth.shape
    zoom = float(np.exp(rng.uniform(*np.log(scale))))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    centre = np.array([cols.min() + cols.max(), rows.min() + rows.max()]) / 2
    target = rng.uniform((0, 0), (width - 1, height - 1))
    linear = np.diag([zoom * mirror, zoom])
    matrix = np.column_stack((linear, target - linear @ centre))
    moved = cv2.warpAffine(extra, matrix, (width, height), flags=cv2.INTER_LINEAR)
    truth = cv2.warpAffine((extra_truth == 1).astype(np.uint8), matrix, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(moved), truth.astype(np.int8)


def _blend(under: Image, over: Image, where: Mask, alpha: float) -> Image:
    """`over` painted on `under` with strength alpha, where told."""
    mixed = over if alpha == 1.0 else cv2.addWeighted(over, alpha, under, 1 - alpha, 0)
    return np.where(where[..., None], mixed, under)
