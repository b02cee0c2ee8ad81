"""Masks to be corrected: a truth made wrong as those of other tools and earlier clicks are."""

from __future__ import annotations

import cv2
import numpy as np

from fewclicks.arrays import Mask, Prob, Truth


def spoiled(truth: Truth, others: Mask, rng: np.random.Generator) -> Prob:
    """A mask of the object with one or two faults: HxW float32, half of the time soft at its edges.

    Faults: a coarse outline, too wide, too narrow or shifted, a part missing, or a part too many, which is another
    object (`others`) or a blot. An object that vanishes is an empty mask, from which one starts anew.
    """
    object_ = truth == 1
    mask = object_
    side = float(np.sqrt(max(object_.sum(), 1)))
    for fault in rng.choice(5, 1 + int(rng.random() < 0.5), replace=False, p=(0.2, 0.2, 0.1, 0.3, 0.2)):
        if fault == 0:
            mask = _coarse(mask, side * rng.uniform(0.05, 0.25))
        elif fault == 1:
            mask = _grown(mask, side * rng.uniform(-0.12, 0.12))
        elif fault == 2:
            mask = _shifted(mask, rng.uniform(-0.12, 0.12, 2) * side)
        elif fault == 3:
            mask = mask & ~_blot(object_, side * rng.uniform(0.15, 0.6), rng)
        else:
            spill = others if others.any() and rng.random() < 0.4 else ~object_
            blot = _blot(spill & _grown(object_, 0.5 * side), side * rng.uniform(0.15, 0.5), rng)
            mask = mask | (blot & (spill | object_))
    prob = mask.astype(np.float32)
    if rng.random() < 0.5:
        prob = cv2.GaussianBlur(prob, (0, 0), 0.5 + 0.04 * side * rng.random())
        prob = np.clip(prob * rng.uniform(0.9, 1) + rng.uniform(0, 0.05), 0, 1)
    return np.asarray(prob, np.float32)


def _coarse(mask: Mask, cell_px: float) -> Mask:
    """The mask as seen on cells of that size."""
    height, width = mask.shape
    small = (max(2, round(width / max(cell_px, 1))), max(2, round(height / max(cell_px, 1))))
    low = cv2.resize(mask.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def _grown(mask: Mask, by_px: float) -> Mask:
    """The mask wider by so many pixels; narrower if negative."""
    side = 2 * round(abs(by_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    change = cv2.dilate if by_px > 0 else cv2.erode
    return np.asarray(change(mask.astype(np.uint8), kernel)) > 0


def _shifted(mask: Mask, by_px: np.ndarray) -> Mask:
    """The mask moved by (x, y) pixels."""
    matrix = np.column_stack((np.eye(2), by_px))
    return np.asarray(cv2.warpAffine(mask.astype(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)) > 0


def _blot(where: Mask, radius_px: float, rng: np.random.Generator) -> Mask:
    """A turned ellipse around a pixel of `where`; empty if there is none."""
    blot = np.zeros(where.shape, np.uint8)
    pixels = np.flatnonzero(where)
    if len(pixels):
        row, column = divmod(int(rng.choice(pixels)), where.shape[1])
        axes = (max(1, round(radius_px)), max(1, round(radius_px * rng.uniform(0.3, 1))))
        cv2.ellipse(blot, (column, row), axes, rng.uniform(0, 180), 0, 360, 1, -1)
    return blot > 0
