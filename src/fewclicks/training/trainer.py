"""A network in training: its steps, its checkpoints."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from fewclicks.checkpoints import checkpoint
from fewclicks.checkpoints.convert import published
from fewclicks.errors import CheckpointError, InputError, TrainingError
from fewclicks.methods import default, default_0_1
from fewclicks.methods.networks import SIDE
from fewclicks.models.networks import build_network
from fewclicks.models.segmenter import ClickNet
from fewclicks.plugins import find, is_own
from fewclicks.training import layers, objectives, onnx_weights, optimizer, sets
from fewclicks.training.distributed import fail
from fewclicks.training.objectives import Batch, Extras, Term
from fewclicks.training.outline_clicks import add_outline_clicks
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples, collate

STANDARD = {field.name: field.default for field in fields(Recipe)}
"""What the fields of a recipe are where nothing is said."""

NETWORK = ("maps", "with_prev", "fusion", "scale", "refiner", "extra")
"""Fields of a recipe that config.json repeats where they are not the standard."""

SEEN = ("net", "method", "backbone", "size", "radius_px", *NETWORK, "aux_weight", "frozen_norms", "batch", "accumulate",
        "crop_hw")  # fmt: skip
"""Fields of a recipe on which it depends which parameters learn."""

SHIPPED = {"default": default.WEIGHTS, "default-0.1": default_0_1.WEIGHTS}
"""The files that `init` may name."""

SETTLING = 32
"""So many samples tell a network from an exported file what its activations are."""

STATE = "training.safetensors"
"""Beside model.safetensors in a checkpoint of a run: the weights as they are, not their mean, and Adam's moments."""


class WithAux(nn.Module):
    """A network as the objective calls it: logits, and what else it is taught by, which is computed only then."""

    def __init__(self, net: ClickNet, aux: bool) -> None:
        super().__init__()
        self.net, self.aux, self.own = net, aux, getattr(net, "losses", None) is not None

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> tuple[Tensor, Extras]:
        """image Bx3xHxW, clicks BxNx3, prev Bx1xHxW -> logits Bx1xHxW, and the auxiliary ones, maps and scores."""
        if not (self.aux or self.own):
            logits: Tensor = self.net(image, clicks, prev)
            return logits.clone(), (None, None, None)  # FSDP2 wants no view
        outputs = self.net.outputs(image, clicks, prev)
        aux = outputs.aux if self.aux else None
        extras = (aux, outputs.maps, outputs.scores) if self.own else (aux, None, None)
        aux, maps, scores = (None if x is None else x.clone() for x in extras)
        return outputs.logits.clone(), (aux, maps, scores)


class Trainer:
    """A network, its optimiser and the step it is at, on one of the processes of a Fabric.

    `fresh`: with the weights that the recipe starts from; otherwise `load` gives it others. `compiled`: its backbone
    and neck, whose inputs are of one size, by torch.compile.
    """

    def __init__(self, recipe: Recipe, fabric: Fabric, fresh: bool = True, compiled: bool = False) -> None:
        self.recipe, self.fabric, self.step = recipe, fabric, 0
        self.elapsed = 0.0  # seconds spent in training
        self.seconds: float | None = None  # to be spent, where the run goes by time
        self.ddp = isinstance(fabric.strategy, DDPStrategy)
        self.fsdp = isinstance(fabric.strategy, ModelParallelStrategy)
        idle = without_gradient(recipe)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.net = initialised(recipe) if fresh else build_network(network(recipe))
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(name not in idle)
        self.dropouts = layers.sample_dropout(self.net)
        if fabric.world_size > 1:
            layers.global_batchnorm(self.net, fabric.device)
        if recipe.frozen_norms:
            layers.freeze_norms(self.net)
        if recipe.activation_checkpointing:
            for block in layers.blocks(self.net.backbone):  # type: ignore[arg-type]
                layers.recompute(block)
        if not self.fsdp:  # its shards are flat
            self.net.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        for part in (self.net.backbone, self.net.neck) if compiled else ():
            part.compile(dynamic=False)  # type: ignore[union-attr]
        self.module = fabric.setup_module(WithAux(self.net, aux=recipe.aux_weight > 0))
        self.adam = optimizer.adam(self.net, recipe)
        self.optimizer: Any = fabric.setup_optimizers(self.adam)
        self.mean = optimizer.RunningMean(self.net, recipe.ema)
        self.objective = replace(
            objectives.build(recipe),
            own=getattr(self.net, "losses", None),
            next_clicks=add_outline_clicks if recipe.contour_clicks else None,
        )

    def train_step(self, batches: Sequence[Batch], position: float) -> tuple[dict[str, float], Term]:
        """One step of Adam on this process's micro-batches -> what to log of all processes, and the last term here.

        `position` is where in the recipe's schedule it lies, in steps.
        """
        recipe = self.recipe
        weights = self.objective.drawn(np.random.default_rng([recipe.seed, 1, self.step]))
        lr = recipe.lr * optimizer.schedule(recipe, position)
        for group in self.adam.param_groups:
            group["lr"] = lr * group["factor"]
        self.module.train()
        self.adam.zero_grad(set_to_none=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.step + 1_000_003 * recipe.seed)  # whatever a network draws beside dropout
            total, last = self.backward(batches, weights)
        loss, iou, *terms = self.fabric.all_reduce(total.clone(), reduce_op="mean").tolist()  # type: ignore[union-attr]
        if not math.isfinite(loss):
            self.fail(f"the loss is {loss}", batches, bad=not math.isfinite(float(total[0])))
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=recipe.clip_norm or math.inf, error_if_nonfinite=False
        )
        length = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)  # type: ignore[arg-type]
        if not math.isfinite(length) and recipe.precision != "fp16":  # there the scaler skips the step
            self.fail(f"the gradient's norm is {length}", batches, bad=True)
        self.optimizer.step()
        self.step += 1
        self.mean.update(self.step)
        parts = {f"loss_y{i}": terms[i] for i, weight in enumerate(weights) if weight}
        return {"loss": loss, "terms": len(weights), "iou": iou, "lr": lr, "gradient": length, **parts}, last

    def backward(self, batches: Sequence[Batch], weights: objectives.Weights) -> tuple[Tensor, Term]:
        """Add up the gradient of a step, term by term -> (loss, IoU, loss of each term) here, and the last term.

        DDP sends gradients between the processes with the last backward only. FSDP does so with each: it costs
        traffic, but no process ever holds the whole gradient.
        """
        total = torch.zeros(2 + len(weights), device=self.fabric.device)
        counted = max((i for i, weight in enumerate(weights) if weight), default=-1)
        for m, batch in enumerate(batches):
            rngs = [np.random.default_rng([self.recipe.seed, 2, i]) for i in batch.samples]
            terms = self.objective.terms(self.module, batch, weights, rngs)
            for i in range(len(weights)):
                for dropout in self.dropouts:
                    dropout.seeds = [(self.recipe.seed, 3, sample, i) for sample in batch.samples]
                early = self.ddp and (m, i) != (len(batches) - 1, counted)
                with self.fabric.no_backward_sync(self.module, enabled=early):
                    term = next(terms)
                    if term.loss.requires_grad:
                        self.fabric.backward(term.loss / len(batches))
                total[0] += term.loss.detach() / len(batches)
                total[2 + i] += term.loss.detach() / len(batches)
            total[1] += objectives.iou(term.prob, batch.truth).mean() / len(batches)
        return total, term

    def fail(self, what: str, batches: Sequence[Batch], bad: bool) -> None:
        """Stop all processes with an error that names the samples of those where something is bad."""
        names = "; ".join(name for batch in batches for name in batch.names)
        text = f"{what} at step {self.step}, batch of {names}; lower lr, or look at these samples"
        fail(self.fabric, TrainingError(text) if bad else None)

    def save(self, folder: Path) -> None:
        """Write model.safetensors (the running mean: what is deployed), config.json and the state for a resume.

        The files are the same for any number of processes. All of them call this; the first writes.
        """
        if not (self.fsdp or self.fabric.is_global_zero):
            return
        state = {f"net.{key}": value for key, value in self.net.state_dict().items()}
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.net.named_parameters()}
        for parameter, moments in self.adam.state.items():
            state |= {f"{key}.{names[parameter]}": value for key, value in moments.items()}
        files = {checkpoint.WEIGHTS: self.whole(self.mean.values), STATE: self.whole(state)}
        if self.fabric.is_global_zero:
            config = {
                "network": network(self.recipe), "method": method_of(self.recipe),
                "predictor": shown(self.recipe), "recipe": json.loads(self.recipe.to_json()), "step": self.step,
                "elapsed_s": self.elapsed, **({"for_s": self.seconds} if self.seconds else {}),
            }  # fmt: skip
            scaler = self.fabric.strategy.precision.state_dict()
            checkpoint.save(folder, files, {**config, "scaler": scaler} if scaler else config)

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors, gathered from all shards, on the CPU of the first process."""
        found = {}
        for key, value in tensors.items():
            full = value.full_tensor() if isinstance(value, DTensor) else value
            if self.fabric.is_global_zero:
                found[key] = full.detach().cpu()
        return found

    def load(self, folder: Path) -> None:
        """Continue from a checkpoint of the same network, whatever the number of processes that wrote it."""
        config = checkpoint.read_config(folder)
        if config["network"] != network(self.recipe):
            raise TrainingError(
                f"{folder} holds the network {config['network']}, the recipe asks for "
                f"{network(self.recipe)}; pass another --out"
            )
        state = checkpoint.read_tensors(folder, STATE)
        own = self.net.state_dict()
        stored = {k.removeprefix("net."): v for k, v in state.items() if k.startswith("net.")}
        checkpoint.fill(self.net, {k: placed(v, own[k]) if k in own else v for k, v in stored.items()}, str(folder))
        if self.mean.decay:
            mean = checkpoint.read_tensors(folder)
            self.mean.values = {key: placed(mean[key], value) for key, value in own.items()}
        for name, parameter in self.net.named_parameters():
            if f"exp_avg.{name}" in state:
                moments = {key: placed(state[f"{key}.{name}"], parameter) for key in ("exp_avg", "exp_avg_sq")}
                self.adam.state[parameter] = {"step": state[f"step.{name}"], **moments}
        if "scaler" in config:
            self.fabric.strategy.precision.load_state_dict(config["scaler"])
        self.step, self.elapsed = int(config["step"]), float(config.get("elapsed_s", 0.0))
        self.seconds = config.get("for_s")


def placed(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of another one, and sharded as it is."""
    value = value.to(like.device)
    if isinstance(like, DTensor):
        return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
    return value


def network(recipe: Recipe) -> dict[str, Any]:
    """Choose what `networks.build_network` needs: the part of a recipe that config.json repeats."""
    if recipe.net:
        body = {"backbone": recipe.backbone} if recipe.net == "emcclick" else {}
        return {"net": recipe.net, **body, "size": recipe.size}
    always = {"backbone": recipe.backbone, "size": recipe.size, "radius_px": recipe.radius_px}
    rare = {name: getattr(recipe, name) for name in NETWORK}
    return always | {key: value for key, value in rare.items() if value != STANDARD[key]}


def method_of(recipe: Recipe) -> str:
    """Name the method that runs what the recipe trains."""
    if recipe.method != "default":
        return recipe.method
    return recipe.net or ("focalclick" if recipe.refiner else "default")


def shown(recipe: Recipe) -> dict[str, Any]:
    """How a network that the recipe trains is to be shown photos: options of its method, which config.json keeps.

    A method that chooses itself what its network sees is not zoomed in around: it is told the size.
    """
    side = recipe.zoom or max(recipe.crop_hw)
    own = {field.name for field in fields(getattr(find("methods", method_of(recipe)), "Options", Recipe))}
    size = {"zoom": 0, SIDE: side} if SIDE in own else {"zoom": side}
    return {**size, "fit": recipe.fit, "flip": False, "threshold": 0.5}


def built(recipe: Recipe) -> ClickNet:
    """The recipe's network with fresh weights. Its backbone and its method are the user's own words: they may lie
    outside the package. UnknownName if there are none."""
    find("models", recipe.backbone, trusted=True)
    find("methods", method_of(recipe), trusted=True)
    return build_network(network(recipe))


def initialised(recipe: Recipe) -> ClickNet:
    """The recipe's network with fresh, pretrained or earlier weights; CheckpointError if `init` does not fit."""
    net = built(recipe)
    family: Any = find("models", recipe.backbone)
    if recipe.init in SHIPPED or recipe.init.endswith(".onnx"):
        return exported(recipe)
    if recipe.init == "imagenet":
        if not hasattr(family, "load_imagenet"):
            raise InputError(f"no package has ImageNet weights of {recipe.backbone}; give init the path of a file")
        family.load_imagenet(net.backbone)
    elif recipe.init and Path(recipe.init).is_dir():
        checkpoint.fill(net, checkpoint.read_tensors(recipe.init), recipe.init)
    elif recipe.init:
        start(net, family, recipe)
    return net


def start(net: ClickNet, family: Any, recipe: Recipe) -> None:
    """Give a network the weights of a published file: of a whole network that takes clicks, or of a backbone.

    CheckpointError for a file of another network, which tells the fields of the recipe that would be right.
    """
    tensors, config = read_file(Path(recipe.init))
    whole = published(tensors, config)
    if whole is not None:
        about, values = whole
        own = {**{name: STANDARD[name] for name in NETWORK}, **network(recipe)}
        if other := {key: value for key, value in about.network.items() if own.get(key) != value}:
            told = " ".join(f"{key}={str(value).lower()}" for key, value in other.items())
            raise CheckpointError(f"{recipe.init} is of the family {about.title}; the recipe needs {told} for it")
        checkpoint.fill(net, values, recipe.init)
    elif any(key.startswith("patch_embed_coords.") for key in tensors):  # written by fewclicks
        checkpoint.fill(net, tensors, recipe.init)
    elif hasattr(family, "load_pretrained"):
        family.load_pretrained(net.backbone, tensors)
    else:
        raise InputError(f"backbone {recipe.backbone} reads no pretrained file; give init a checkpoint folder")


def exported(recipe: Recipe) -> ClickNet:
    """The network of an .onnx file, or of one in SHIPPED, made ready on the recipe's first samples.

    Where the recipe asks for a larger one that begins as this one, the larger one. CheckpointError for another network.
    """
    file = SHIPPED.get(recipe.init, Path(recipe.init))
    told, net = onnx_weights.read(file)
    larger = built(recipe)
    if {**network(told), "size": ""} != {**network(recipe), "size": ""} or not grows(net, larger):
        raise CheckpointError(
            f"{file} holds the network {network(told)}, the recipe asks for {network(recipe)}; "
            "change these fields of the recipe, such as size=plus, or begin with other weights"
        )
    samples = Samples(recipe, [sets.scenes(name, recipe.stuff_prob > 0) for name in recipe.sets])
    onnx_weights.settle(net, (collate([samples[i + k] for k in range(4)]) for i in range(0, SETTLING, 4)))
    larger.load_state_dict({**larger.state_dict(), **net.state_dict()})
    return larger.train()


def grows(net: nn.Module, larger: nn.Module) -> bool:
    """Tell whether the second network has all that the first one has, under the same names; or is the same."""
    have = larger.state_dict()
    return all(key in have and have[key].shape == value.shape for key, value in net.state_dict().items())


def read_file(path: Path) -> tuple[Mapping[str, Tensor], Any]:
    """The tensors of a published file, and its config or None; CheckpointError if it is missing or damaged."""
    if not path.is_file():
        raise CheckpointError(f"init names no file or folder: {path}")
    if path.suffix == ".safetensors":
        try:
            return load_file(path), None
        except SafetensorError as error:
            raise CheckpointError(f"{path} is damaged or no safetensors file ({error}); fetch it again") from None
    from fewclicks.checkpoints import pth

    file = pth.read(path)
    return file.tensors, None if file.config is None else pth.plain(file.config)


def without_gradient(recipe: Recipe) -> set[str]:
    """The parameters that no loss of the recipe reaches: published networks carry some that never run.

    Found by a forward and a backward of one micro-batch on the meta device, which computes shapes only; so a network
    that cannot take the recipe's crops is found out here, by an InputError. It takes some seconds, so runs of one
    process that differ in nothing that the network sees, such as their seed, share what was found.
    """
    seen = Recipe(name="any", **{name: getattr(recipe, name) for name in SEEN})
    return _without_gradient.__wrapped__(seen) if is_own(recipe.backbone) else _without_gradient(seen)


@functools.lru_cache(maxsize=32)
def _without_gradient(recipe: Recipe) -> set[str]:
    with torch.device("meta"):
        net = WithAux(built(recipe), aux=recipe.aux_weight > 0)
        if recipe.frozen_norms:
            layers.freeze_norms(net)
        size = (recipe.batch // recipe.accumulate, 1, *recipe.crop_hw)
        image, clicks, prev = torch.empty(size).expand(-1, 3, -1, -1), torch.empty(size[0], 1, 3), torch.empty(size)
        try:
            logits, (aux, maps, scores) = net(image, clicks, prev)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise InputError(
                f"BatchNorm cannot learn from a single value: a micro-batch of {size[0]} with crops of "
                f"{size[2]}x{size[3]} is too small for {recipe.backbone}; raise batch or crop_hw, "
                "or set frozen_norms=true"
            ) from None
        if recipe.aux_weight and aux is None:
            raise InputError(f"the network {recipe.backbone} {recipe.size} has no auxiliary logits; set aux_weight=0")
        sum(x.sum() for x in (logits, aux, maps, scores) if x is not None).backward()
    return {name for name, parameter in net.net.named_parameters() if parameter.grad is None}
