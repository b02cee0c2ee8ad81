"""Masks to be corrected: a truth made wrong as those of other tools and earlier clicks are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fewclicks.types import Mask, Prob, Truth

FIRST_FAULTS = (0.2, 0.2, 0.1, 0.3, 0.2)
"""The chances that the first models were trained with."""


def corrupt_mask(truth: Truth, others: Mask, rng: np.random.Generator, chances: Sequence[float] = FIRST_FAULTS) -> Prob:
    """A mask of the object with one or two faults: HxW float32, half of the time soft at its edges.

    `chances` of the faults, in this order; those that are left out never come: a coarse outline, too wide or too
    narrow, shifted, a part missing, a part too many, which is another object (`others`) or a blot, a polygon of few
    points, two objects in one, the object as it was a moment ago: turned, grown and moved. An object that vanishes is
    an empty mask, from which one starts anew.
    """
    object_ = truth == 1
    mask = object_
    side = float(np.sqrt(max(object_.sum(), 1)))
    for fault in rng.choice(len(chances), 1 + int(rng.random() < 0.5), replace=False, p=chances):
        if fault == 0:
            mask = _coarse(mask, side * rng.uniform(0.05, 0.25))
        elif fault == 1:
            mask = _grown(mask, side * rng.uniform(-0.12, 0.12))
        elif fault == 2:
            mask = _shifted(mask, rng.uniform(-0.12, 0.12, 2) * side)
        elif fault == 3:
            mask = mask & ~_blot(object_, side * rng.uniform(0.15, 0.6), rng)
        elif fault == 4:
            spill = others if others.any() and rng.random() < 0.4 else ~object_
            blot = _blot(spill & _grown(object_, 0.5 * side), side * rng.uniform(0.15, 0.5), rng)
            mask = mask | (blot & (spill | object_))
        elif fault == 5:
            mask = _polygon(mask, side * rng.uniform(0.03, 0.15))
        elif fault == 6:
            mask = mask | _neighbour(object_, others, 0.3 * side)
        else:
            mask = _moved(mask, side, rng)
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


def _polygon(mask: Mask, off_px: float) -> Mask:
    """The mask as outlined by a polygon of few points, which is off by at most so much."""
    drawn = np.zeros(mask.shape, np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlines = [cv2.approxPolyDP(contour, off_px, True) for contour in contours]
    if shown := [outline for outline in outlines if len(outline) > 2]:
        cv2.fillPoly(drawn, shown, 1)
    return drawn > 0


def _neighbour(object_: Mask, others: Mask, reach_px: float) -> Mask:
    """The largest connected part of the other objects that comes so near to the object; empty if none does."""
    count, labels = cv2.connectedComponents(others.astype(np.uint8))
    areas = np.bincount(labels[_grown(object_, reach_px) & others], minlength=count)
    areas[0] = 0
    return np.asarray(labels == areas.argmax()) if areas.any() else np.zeros_like(object_)


def _moved(mask: Mask, side_px: float, rng: np.random.Generator) -> Mask:
    """The mask turned by up to 8 degrees, grown or shrunk by up to 10 % and shifted a little, about its centre."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return mask
    centre = (float(columns.mean()), float(rows.mean()))
    matrix: np.ndarray = cv2.getRotationMatrix2D(centre, rng.uniform(-8, 8), rng.uniform(0.9, 1.1))
    matrix[:, 2] += rng.uniform(-0.08, 0.08, 2) * side_px
    return np.asarray(cv2.warpAffine(mask.astype(np.uint8), matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)) > 0
