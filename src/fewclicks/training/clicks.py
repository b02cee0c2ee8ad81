"""Clicks for training: random initial ones, and simulated ones on the present error (RITM, ICIP 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewclicks.training.simulated_clicks import DRAW, clicks_on_errors
from fewclicks.types import Mask, Prob, Truth

Points = NDArray[np.float32]
"""Nx3 rows (x, y, label 1 | 0); label -1 pads."""

KERNEL = np.ones((3, 3), np.uint8)


def random_clicks(
    truth: Truth, others: Mask, max_clicks: int, gamma: float, rng: np.random.Generator, parts: Sequence[Mask] = ()
) -> Points:
    """Random positives inside the object and negatives around it; `others` are the other objects of the photo.

    1 + Cat(gamma^k) positives, uniform in the object, nine times of ten eroded by 3 pixels; Cat(gamma^k) negatives,
    each from the background (.1), another object (.4) or a border around the object (.5). Of `parts`, the masks of
    objects that are merged into one, each gets a positive first. Without an object, negatives are anywhere.
    """
    object_ = truth == 1
    erode = rng.random() < 0.9
    count = 1 + _count(gamma, max_clicks, rng)
    firsts = [_draw(_inner(part, erode), 1, 1, rng) for part in parts]
    positives = _draw(_inner(object_, erode), max(count - len(parts), 0), 1, rng)
    background = truth == 0
    width = int(np.ceil(0.1 * np.sqrt(object_.sum())))
    border = (cv2.dilate(object_.astype(np.uint8), KERNEL, iterations=width) > 0) & background
    foreign = others & background
    places = {
        "background": background,
        "other": foreign if foreign.any() else background,
        "border": border if object_.any() else background,
    }
    chosen = rng.choice(list(places), _count(gamma, max_clicks + 1, rng), p=(0.1, 0.4, 0.5))
    negatives = [_draw(places[place], int((chosen == place).sum()), 0, rng) for place in places]
    return np.concatenate((*firsts, positives, *negatives))


def _inner(object_: Mask, erode: bool) -> Mask:
    """The object, eroded by 3 pixels where told and where more than 10 pixels remain."""
    if not erode:
        return object_
    eroded = cv2.erode(object_.astype(np.uint8), KERNEL, iterations=3, borderValue=0) > 0
    return eroded if eroded.sum() > 10 else object_


def _count(gamma: float, below: int, rng: np.random.Generator) -> int:
    """k in 0..below-1 with a chance in proportion to gamma ** k."""
    weights = gamma ** np.arange(below)
    return int(rng.choice(below, p=weights / weights.sum()))


def _draw(where: Mask, count: int, label: int, rng: np.random.Generator) -> Points:
    """`count` uniform pixels of a mask, with replacement; none if the mask is empty."""
    pixels = np.flatnonzero(where)
    picked = rng.choice(pixels, count) if len(pixels) else np.empty(0, int)
    rows, cols = np.divmod(picked, where.shape[1])
    return np.column_stack((cols, rows, np.full(len(picked), label))).astype(np.float32)


def next_click(truth: Truth, prob: Prob, rng: np.random.Generator, threshold: float = 0.49) -> Points:
    """1x3: a random pixel in the inner half of the larger error region; a pad if nothing is wrong.

    That of one sample; `simulated.clicks_on_errors`, which does it, says what the inner half is.
    """
    truths, probs = (torch.from_numpy(np.ascontiguousarray(array))[None] for array in (truth, prob))
    points: Points = clicks_on_errors(truths, probs, draw([rng]), threshold)[0].numpy()
    return points


def draw(rngs: Sequence[np.random.Generator]) -> Tensor:
    """A random number from each generator, as `clicks_on_errors` takes them."""
    return torch.tensor([int(rng.integers(DRAW)) for rng in rngs])
