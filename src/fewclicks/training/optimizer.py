"""Adam with a learning rate and a weight decay for each parameter, the schedule, the running mean of the weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.models.segmenter import ClickNet
from fewclicks.training.recipe import Recipe

UNDECAYED = ("pos_embed", "cls_token")


def adam(net: ClickNet, recipe: Recipe) -> torch.optim.Adam:
    """Adam over the parameters that learn, in groups; `factor` of a group is that on the recipe's learning rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            key = lr_factor(net, recipe, name), weight_decay(recipe, name, parameter)
            groups.setdefault(key, []).append(parameter)
    return torch.optim.Adam(
        [{"params": members, "factor": f, "weight_decay": decay} for (f, decay), members in groups.items()],
        lr=recipe.lr, betas=recipe.betas,
    )  # fmt: skip


def lr_factor(net: ClickNet, recipe: Recipe, name: str) -> float:
    """Factor on the learning rate of a parameter: the network's own, the backbone's, and that of the layer.

    Layer-wise decay is that of MAE's fine-tuning (He et al., CVPR 2022): the last layer learns at the full rate, each
    one before it at layer_decay times the rate of the next.
    """
    factor = net.lr_factor(name) * (recipe.backbone_lr if name.startswith("backbone.") else 1.0)
    if recipe.layer_decay != 1:
        backbone: Any = net.backbone
        if not hasattr(backbone, "layer_of"):
            raise InputError(f"backbone {recipe.backbone} does not number its layers; set layer_decay=1")
        factor *= recipe.layer_decay ** (backbone.layers - backbone.layer_of(name))
    return float(factor)


def weight_decay(recipe: Recipe, name: str, parameter: Tensor) -> float:
    """None for biases, norms and embeddings of positions, as SimpleClick has it."""
    return 0.0 if parameter.ndim <= 1 or name.endswith(UNDECAYED) else recipe.weight_decay


def schedule(recipe: Recipe, step: float) -> float:
    """Factor on lr at a step: linear warm-up, then constant but for drops at milestones and a last cosine to 1 %.

    A run that goes by time is between two steps of the recipe most of the time (`Course.position`).
    """
    warm = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    drops = sum(step >= share * recipe.steps for share in recipe.milestones)
    begin = recipe.decay_from * recipe.steps
    past = max(0.0, (step - begin) / max(recipe.steps - begin, 1))
    return float(warm * recipe.lr_drop**drops * (0.505 + 0.495 * math.cos(math.pi * min(past, 1.0))))


class RunningMean:
    """The exponential moving average of a network's weights, which is what gets deployed; decay 0: the weights."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay = net, decay
        self.values: dict[str, Tensor] = net.state_dict()
        if decay:
            self.values = {key: value.clone() for key, value in self.values.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after `step` steps; faster in the first ones."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        state = self.net.state_dict()
        moving = [key for key, value in state.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.values[key] for key in moving], [state[key] for key in moving], 1 - decay)
        for key in state.keys() - moving:
            self.values[key].copy_(state[key])
