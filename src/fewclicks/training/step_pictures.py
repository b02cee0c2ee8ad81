"""A picture of what a training step saw and answered."""

from __future__ import annotations

import numpy as np

from fewclicks import visualization
from fewclicks.clicks import Click, Clicks
from fewclicks.training.objectives import Batch, Term
from fewclicks.types import Image

ROWS = 8
"""Samples that are drawn of a batch."""


def picture_grid(batch: Batch, term: Term) -> Image:
    """Draw a row a sample: photo with clicks and truth, the last prediction's mask, its probability."""
    images = (batch.image.permute(0, 2, 3, 1).cpu().numpy() * 255).round().astype(np.uint8)
    truths, clicks = batch.truth.cpu().numpy(), batch.clicks.cpu().numpy()
    probs = term.prob[:, 0].float().cpu().numpy()
    lines: list[Image] = []
    for image, truth, points, prob in list(zip(images, truths, clicks, probs, strict=True))[:ROWS]:
        height, width = image.shape[:2]
        shown = Clicks(tuple(Click(float(x), float(y), bool(label)) for x, y, label in points if label >= 0))
        inside = Clicks(tuple(c for c in shown if 0 <= c.x < width and 0 <= c.y < height))
        grey = np.repeat((prob * 255).astype(np.uint8)[..., None], 3, 2)
        panels = (
            visualization.overlay(image, truth == 1, inside),
            visualization.overlay(image, prob > 0.5, Clicks()),
            grey,
        )
        lines.append(np.concatenate(panels, 1))
    return np.concatenate(lines)
