"""The losses: NFL, the last-click objective (Eq. 2) and the iterative click loss (Eq. 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fewclicks.errors import InputError
from fewclicks.nets.segmenter import Segmenter
from fewclicks.training.recipe import Recipe
from fewclicks.training.sampler import next_click


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one training step."""

    image: Tensor
    """Bx3xHxW in [0, 1]."""
    truth: Tensor
    """BxHxW int8: 1, 0, -1."""
    clicks: Tensor
    """BxNx3 (x, y, label 1 | 0, -1 pads)."""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum of Eq. 3."""

    loss: Tensor
    """Scalar, weighted by beta; with a graph unless its weight is zero."""
    prob: Tensor
    """Bx1xHxW, detached."""


Objective = Callable[[Segmenter, Batch, np.random.Generator], Iterator[Term]]
"""Yields the terms of the loss one by one. The caller runs each backward before it asks for the next: the previous
mask is detached, so gradients add, and the memory is that of one forward instead of all."""


def nfl(logits: Tensor, truth: Tensor, alpha: float = 0.5, gamma: float = 2.0, eps: float = 1e-12) -> Tensor:
    """Normalized focal loss (Sofiiuk et al., 2019) of Bx1xHxW logits and BxHxW truth -> B losses.

    The focal weights (1 - p_t)^gamma are scaled, sample by sample, to a mean of one over the counted pixels.
    """
    logit = logits[:, 0].float()
    valid = (truth >= 0).float()
    object_ = (truth == 1).float()
    p = torch.sigmoid(logit)
    pt = torch.where(truth >= 0, 1 - (object_ - p).abs(), torch.ones_like(p))
    beta = (1 - pt) ** gamma
    count = valid.sum((1, 2))
    with torch.no_grad():
        scale = count / (beta.sum((1, 2)) + eps)
    side = torch.where(object_ > 0.5, alpha, 1 - alpha)
    loss = -side * beta * scale.view(-1, 1, 1) * torch.log((pt + eps).clamp(max=1.0)) * valid
    return loss.sum((1, 2)) / count.clamp(min=1)


def icl(
    net: Segmenter,
    batch: Batch,
    rng: np.random.Generator,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    weights: tuple[float, ...],
    random_length: bool = False,
) -> Iterator[Term]:
    """Iterative click loss, Eq. 3: sum over i of weights[i] * loss(Y^i), a simulated click between the terms.

    A term of weight zero is a plain forward without a graph, so that weights (0, 0, 1) are Eq. 2.
    """
    if random_length:
        weights = weights[: int(rng.integers(1, len(weights) + 1))]
    prev = torch.zeros_like(batch.image[:, :1])
    for i, weight in enumerate(weights):
        if i:
            batch = add_clicks(batch, prev, rng)
        with torch.set_grad_enabled(weight != 0):
            logits = net(batch.image, batch.clicks, prev)
            value = weight * loss(logits, batch.truth).mean() if weight else logits.new_zeros(())
        prev = torch.sigmoid(logits.detach())
        yield Term(value, prev)


def last_click(
    net: Segmenter,
    batch: Batch,
    rng: np.random.Generator,
    *,
    loss: Callable[[Tensor, Tensor], Tensor],
    clicks: int = 3,
    random_length: bool = True,
) -> Iterator[Term]:
    """Eq. 2: the loss after the last click only; 0..clicks-1 earlier ones are simulated without a graph."""
    length = int(rng.integers(1, clicks + 1)) if random_length else clicks
    return icl(net, batch, rng, loss=loss, weights=(0.0,) * (length - 1) + (1.0,))


def add_clicks(batch: Batch, prob: Tensor, rng: np.random.Generator) -> Batch:
    """The batch with one more click a sample, on the present error of `prob` Bx1xHxW."""
    truths, probs = batch.truth.cpu().numpy(), prob[:, 0].float().cpu().numpy()
    clicks = np.stack([next_click(t, p, rng) for t, p in zip(truths, probs, strict=True)])  # Bx1x3
    return replace(batch, clicks=torch.cat((batch.clicks, torch.from_numpy(clicks).to(batch.clicks.device)), 1))


def build(recipe: Recipe) -> Objective:
    """The objective that a recipe names: "icl" or "last_click"."""
    loss = partial(nfl, alpha=recipe.alpha, gamma=recipe.gamma)
    if recipe.objective == "icl":
        return partial(icl, loss=loss, weights=recipe.click_weights, random_length=recipe.random_length)
    if recipe.objective == "last_click":
        return partial(last_click, loss=loss, clicks=len(recipe.click_weights), random_length=recipe.random_length)
    raise InputError(f"no objective named '{recipe.objective}'; there are: icl, last_click")


def iou(prob: Tensor, truth: Tensor) -> Tensor:
    """Bx1xHxW prob and BxHxW truth -> B IoUs at 0.5, ignored pixels left out."""
    mask, object_, valid = prob[:, 0] > 0.5, truth == 1, truth >= 0
    union = ((mask | object_) & valid).sum((1, 2))
    return (mask & object_).sum((1, 2)) / union.clamp(min=1)
