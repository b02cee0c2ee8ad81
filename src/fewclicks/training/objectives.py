"""The losses: NFL, the last-click objective (Eq. 2) and the iterative click loss (Eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError, UnknownName
from fewclicks.models.segmenter import Outputs, OwnLosses
from fewclicks.plugins import is_own, own_part
from fewclicks.training.clicks import draw
from fewclicks.training.recipe import Recipe
from fewclicks.training.simulated_clicks import clicks_on_errors

EPSILON = 1e-12
"""Keeps what is divided by, and the logarithms of the normalized focal loss, from 0."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one training step, or of a part of it."""

    image: Tensor
    """Bx3xHxW: bytes as they were read, until `to` makes them floats in [0, 1] on the device that needs them."""
    truth: Tensor
    """BxHxW int8: 1, 0, -1."""
    clicks: Tensor
    """BxNx3 (x, y, label 1 | 0, -1 pads)."""
    names: tuple[str, ...] = ()
    samples: tuple[int, ...] = ()
    """The number of each sample in the whole run, on which all its randomness depends."""
    prev: Tensor | None = None
    """Bx1xHxW in [0, 1], the mask to begin with; None for empty ones."""

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on a device, and the photos as floats: a byte travels, not four."""
        image, truth, clicks = (x.to(device, non_blocking=True) for x in (self.image, self.truth, self.clicks))
        if image.dtype == torch.uint8:
            image = image.float().div_(255)
        prev = None if self.prev is None else self.prev.to(device, non_blocking=True)
        return replace(self, image=image, truth=truth, clicks=clicks, prev=prev)

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU reads by itself, for the DataLoader."""
        prev = None if self.prev is None else self.prev.pin_memory()
        image, truth, clicks = (x.pin_memory() for x in (self.image, self.truth, self.clicks))
        return replace(self, image=image, truth=truth, clicks=clicks, prev=prev)


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum of Eq. 3."""

    loss: Tensor
    """Scalar, weighted by beta; with a graph unless its weight is zero."""
    prob: Tensor
    """Bx1xHxW, detached."""


Loss = Callable[[Tensor, Tensor], Tensor]
"""Bx1xHxW logits and BxHxW truth -> B losses."""

Extras = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of a network beside its logits: auxiliary logits, maps, scores (see `segmenter.Outputs`), where it has them."""

NextClicks = Callable[[Batch, Tensor, Sequence[np.random.Generator]], Batch]
"""A batch, prob Bx1xHxW, and the rng of each sample -> the batch with one more click a sample."""

Weights = tuple[float, ...]
"""beta of Eq. 3, one for each prediction of a step. Where it is zero the prediction only leads to the next click."""


def icl(weights: Weights, random_length: bool, rng: np.random.Generator) -> Weights:
    """Return the weights of the iterative click loss: of Y^0 after the initial clicks, then of Y^1, Y^2 ...

    Eq. 3 sums beta_i over the generated clicks, so that of Y^0 is 0: weights (0, 1, 2, 3). `random_length`, which the
    released code does with (1, 2, 3), draws how many of the first are summed; a sum of nothing is never drawn.
    """
    return weights[: _length(weights, random_length, rng)]


def last_click(weights: Weights, random_length: bool, rng: np.random.Generator) -> Weights:
    """Return the weights of Eq. 2, in which only the loss after the last click counts.

    As many predictions as `weights` has; or with `random_length` fewer, but always those with which it begins whose
    weight is 0: (1, 1, 1, 1) simulates 0 to 3 clicks before the last one, as RITM does, (0, 1, 1, 1) one to three.
    """
    return (0.0,) * (_length(weights, random_length, rng) - 1) + (1.0,)


def _length(weights: Weights, random_length: bool, rng: np.random.Generator) -> int:
    """How many predictions a step has: all, or a random number of the first ones, of which one must count."""
    if not random_length:
        return len(weights)
    return int(rng.integers(shortest(weights), len(weights) + 1))


def shortest(weights: Weights) -> int:
    """The least number of predictions of which one counts."""
    return next(i for i, weight in enumerate(weights, start=1) if weight)


@dataclass(frozen=True, slots=True)
class Objective:
    """Computes what a step minimises: over its predictions the sum of weight * (loss + aux_weight * BCE of aux)."""

    draw: Callable[[np.random.Generator], Weights]
    """The weights of a step: the same on all processes, so it is given the step's rng."""
    loss: Loss
    aux_weight: float = 0.0
    eval_clicks: bool = False
    """Predictions of weight zero in eval mode (RITM's way), not in training mode."""
    own: OwnLosses | None = None
    """How the network wants to be taught instead of by `loss` alone."""
    next_clicks: NextClicks | None = None
    """Simulates the clicks of a user of another kind; None: `add_clicks`."""

    def drawn(self, rng: np.random.Generator) -> Weights:
        """Draw the weights of a step. InputError where none counts, which would be a step that learns nothing."""
        weights = self.draw(rng)
        if not any(weights) or not all(math.isfinite(weight) and weight >= 0 for weight in weights):
            raise InputError(
                f"the objective draws the weights {weights!r:.60}; one at least must be above 0, none below"
            )
        return weights

    def terms(
        self, net: nn.Module, batch: Batch, weights: Weights, rngs: Sequence[np.random.Generator]
    ) -> Iterator[Term]:
        """Yield the terms of the sum one by one; a click is simulated between them, with the rng of each sample.

        `net(image, clicks, prev)` returns logits Bx1xHxW and `Extras`. The caller runs each
        backward before it asks for the next term: the previous mask is detached, so the gradients add, and the memory
        is that of one forward instead of all.
        """
        prev = torch.zeros_like(batch.image[:, :1]) if batch.prev is None else batch.prev
        for i, weight in enumerate(weights):
            if i:
                batch = (self.next_clicks or add_clicks)(batch, prev, rngs)
            if self.eval_clicks:
                net.train(weight != 0)
            with torch.set_grad_enabled(weight != 0):
                logits, (aux, maps, scores) = net(batch.image, batch.clicks, prev)
                if self.own is None:
                    losses = self.loss(logits, batch.truth)
                else:
                    said = Outputs(logits, aux, None, maps, scores)
                    losses = self.own(said, batch.clicks, batch.truth, self.loss)
                if self.aux_weight:
                    losses = losses + self.aux_weight * bce(aux, batch.truth)
                value = weight * losses.mean() if weight else logits.new_zeros(())
            prev = torch.sigmoid(logits.detach())
            yield Term(value, prev)


def build(recipe: Recipe) -> Objective:
    """The objective that a recipe names: "icl", "last_click", or one of the user's own. UnknownName if there is none.

    An own one is a function: recipe -> Objective, which may be of a class of its own with other `terms`.
    """
    if is_own(recipe.objective):
        own = own_part(recipe.objective, "objective", ("recipe",))(recipe)
        if not isinstance(own, Objective):
            raise InputError(
                f"the objective {recipe.objective} gives {own!r:.40}; return a fewclicks.training.objectives.Objective"
            )
        return own
    loss = loss_named(recipe)
    draws: dict[str, Callable[[np.random.Generator], Weights]] = {
        "icl": partial(icl, recipe.click_weights, recipe.random_length),
        "last_click": partial(last_click, recipe.click_weights, recipe.random_length),
    }
    if recipe.objective not in draws:
        raise UnknownName(
            f"no objective named '{recipe.objective}'; there are: {', '.join(draws)}, or your own: MODULE:FUNCTION"
        )
    return Objective(draws[recipe.objective], loss, recipe.aux_weight, recipe.eval_clicks)


def loss_named(recipe: Recipe) -> Loss:
    """The loss that a recipe names: "nfl", "bce", or one of the user's own. UnknownName if there is none.

    InputError at once where the user's own does not return B losses.
    """
    if is_own(recipe.loss):
        own: Loss = own_part(recipe.loss, "loss", ("logits", "truth"))
        logits, truth = torch.zeros(2, 1, 8, 8, requires_grad=True), torch.zeros(2, 8, 8, dtype=torch.int8)
        truth[:, 2:5] = 1
        got = own(logits, truth)
        if not (isinstance(got, Tensor) and got.shape == (2,) and got.requires_grad):
            what = f"a tensor of {tuple(got.shape)}" if isinstance(got, Tensor) else repr(got)[:40]
            raise InputError(
                f"the loss {recipe.loss} gives {what} for two samples; compute one loss a sample, shape (B,)"
            )
        return own
    losses: dict[str, Loss] = {"nfl": partial(nfl, alpha=recipe.alpha, gamma=recipe.gamma), "bce": bce}
    if recipe.loss not in losses:
        raise UnknownName(
            f"no loss named '{recipe.loss}'; there are: {', '.join(losses)}, or your own: MODULE:FUNCTION"
        )
    return losses[recipe.loss]


def nfl(logits: Tensor, truth: Tensor, alpha: float = 0.5, gamma: float = 2.0) -> Tensor:
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
        scale = count / (beta.sum((1, 2)) + EPSILON)
    side = torch.where(object_ > 0.5, alpha, 1 - alpha)
    loss = -side * beta * scale.view(-1, 1, 1) * torch.log((pt + EPSILON).clamp(max=1.0)) * valid
    return loss.sum((1, 2)) / count.clamp(min=1)


def bce(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of Bx1xHxW logits and BxHxW truth -> B losses; ignored pixels are 0 in the mean (RITM)."""
    loss = F.binary_cross_entropy_with_logits(logits[:, 0].float(), (truth == 1).float(), reduction="none")
    return (loss * (truth >= 0)).mean((1, 2))


def add_clicks(batch: Batch, prob: Tensor, rngs: Sequence[np.random.Generator]) -> Batch:
    """The batch with one more click a sample, on the present error of `prob` Bx1xHxW; all of it stays on its device."""
    draws = draw(rngs).to(prob.device, non_blocking=True)
    return replace(batch, clicks=torch.cat((batch.clicks, clicks_on_errors(batch.truth, prob[:, 0], draws)), 1))


def iou(prob: Tensor, truth: Tensor) -> Tensor:
    """Bx1xHxW prob and BxHxW truth -> B IoUs at 0.5, ignored pixels left out."""
    mask, object_, valid = prob[:, 0] > 0.5, truth == 1, truth >= 0
    union = ((mask | object_) & valid).sum((1, 2))
    return (mask & object_).sum((1, 2)) / union.clamp(min=1)
