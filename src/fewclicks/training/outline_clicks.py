"""Clicks on outlines for training: those of a user of UCP-Net, instead of clicks on errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fewclicks.clicks import Click, Clicks
from fewclicks.methods.outline import outline, outline_click
from fewclicks.training.clicks import Points
from fewclicks.training.objectives import Batch
from fewclicks.types import Truth


def first_outline_clicks(truth: Truth, max_clicks: int, gamma: float, rng: np.random.Generator) -> Points:
    """Two far points of the outline, and k more anywhere on it, with a chance in proportion to gamma ** k -> Nx3.

    The first point is any one half of the time, else the robot's. None where there is no object.
    """
    places = np.argwhere(outline(truth == 1))
    if not len(places):
        return np.empty((0, 3), np.float32)
    nothing = np.zeros(truth.shape, bool)
    clicks = Clicks()
    if rng.random() < 0.5:
        row, column = places[rng.integers(len(places))]
        clicks = clicks + Click(float(column), float(row))
    while len(clicks) < 2:
        clicks = clicks + outline_click(truth, nothing, clicks)
    chances = gamma ** np.arange(max(max_clicks - 1, 1))
    more = places[rng.integers(len(places), size=int(rng.choice(len(chances), p=chances / chances.sum())))]
    further = np.column_stack((more[:, 1], more[:, 0], np.ones(len(more)))).astype(np.float32)
    return np.concatenate((clicks.to_array(), further))


def add_outline_clicks(batch: Batch, prob: Tensor, rngs: Sequence[np.random.Generator]) -> Batch:
    """The batch with one more click a sample where the outline of `prob` Bx1xHxW is farthest from the true one."""
    masks = (prob[:, 0] > 0.5).cpu().numpy()
    truths, points = batch.truth.cpu().numpy(), batch.clicks.cpu().numpy()
    added = np.zeros((len(masks), 1, 3), np.float32)
    for i, (truth, mask, rows) in enumerate(zip(truths, masks, points, strict=True)):
        if not (truth == 1).any():
            added[i, 0, 2] = -1
            continue
        before = Clicks(tuple(Click(float(x), float(y)) for x, y, label in rows if label >= 0))
        click = outline_click(truth, mask, before)
        added[i, 0] = click.x, click.y, 1
    new = torch.from_numpy(added).to(batch.clicks.device)
    return replace(batch, clicks=torch.cat((batch.clicks, new), 1))
