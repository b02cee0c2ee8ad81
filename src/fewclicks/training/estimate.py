"""What a recipe will ask for, before it runs: data, steps, memory and time. Computed on shapes only; writes nothing.

The forward pass runs on fake tensors, which have a shape and no content: so the bytes that autograd keeps and the
floating-point operations are counted as they will be, for a network of any size, in seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from fewclicks.errors import InputError, counted
from fewclicks.models.segmenter import ClickNet
from fewclicks.training import layers, sets
from fewclicks.training.objectives import shortest
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import WithAux, built

OVERHEAD = 1.5
"""A step takes longer than its matrix products and its memory traffic at the measured rates: on a CPU 1.1 to 1.6 times
in fp32 (compact, ViT-B), 2.5 to 3.3 in bf16."""

SDPA_CPU = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


@dataclass(frozen=True, slots=True)
class Cost:
    """One forward of a micro-batch, with what autograd keeps of it."""

    parameters: int
    flops: int
    """A multiplication and an addition are two; of matrix products, convolutions and attention."""
    saved_bytes: int
    """What the backward pass needs, beside the weights."""
    moved_bytes: int
    """What the operations read and write."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Holds what a device does in a second."""

    flops: float
    bytes: float
    """infinite: not counted."""
    source: str

    def seconds(self, cost: Cost) -> float:
        """One forward."""
        return (cost.flops / self.flops + cost.moved_bytes / self.bytes) * (1.0 if math.isinf(self.bytes) else OVERHEAD)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Holds what a run will ask for."""

    recipe: Recipe
    sets: tuple[sets.About, ...]
    processes: int
    fsdp: bool
    cost: Cost
    rate: Rate

    @property
    def memory(self) -> dict[str, int]:
        """Bytes on each process, by what they are for. Kernels and the CUDA context come on top (about 1 GiB)."""
        share = self.processes if self.fsdp else 1
        weights = 4 * self.cost.parameters // share
        running = weights if self.recipe.ema else 0
        held = {"weights": weights, "gradients": weights, "Adam": 2 * weights, "running mean": running}
        return held | {"activations": self.cost.saved_bytes}

    @property
    def step_seconds(self) -> float:
        """One step; a backward counts as two forwards."""
        learning, looking = passes(self.recipe)
        backward = 3 if self.recipe.activation_checkpointing else 2
        each = learning * (1 + backward) + looking
        return each * self.recipe.accumulate * self.rate.seconds(self.cost)

    def lines(self) -> list[str]:
        """To print."""
        recipe = self.recipe
        learning, looking = passes(recipe)
        samples = recipe.steps * recipe.batch
        photos = sum(one.photos or 0 for one in self.sets)
        known = photos and all(one.photos for one in self.sets)
        over = f", {samples / photos:,.1f} times {counted(photos, 'photo')}" if known else ""
        micro = recipe.batch // recipe.accumulate // self.processes
        parts = ", ".join(f"{name} {size(n)}" for name, n in self.memory.items() if n)
        height, width = recipe.crop_hw
        return [
            f"recipe   {recipe.name}",
            *(line for one in self.sets for line in data_lines(one)),
            f"network  {recipe.backbone} {recipe.size}, {self.cost.parameters:,} parameters; {start(recipe)}",
            f"steps    {recipe.steps:,} of {counted(recipe.batch, 'sample')} of {height}x{width} = "
            f"{counted(samples, 'sample')}{over}",
            f"         {recipe.objective}: a step is on average {learning:g} forward and backward, {looking:g} forward",
            f"memory   {size(sum(self.memory.values()))} a process (of {self.processes}), for micro-batches of "
            f"{counted(micro, 'sample')} in {recipe.precision} ({recipe.accumulate} a step): {parts}",
            f"time     {span(recipe.steps * self.step_seconds)}, {span(self.step_seconds)} a step: "
            f"{self.cost.flops / micro / 1e9:,.1f} GFLOP a forward of a sample, {self.rate.source}",
        ]


def estimate(
    recipe: Recipe,
    *,
    processes: int = 1,
    fsdp: bool = False,
    device: str = "cpu",
    tflops: float | None = None,
) -> Estimate:
    """Estimate a run on so many processes, each with a `device` like this machine's, or one that sustains `tflops`.

    InputError if the batch does not fall into equal parts, or the network cannot take the crops.
    """
    parts = processes * recipe.accumulate
    if recipe.batch % parts:
        raise InputError(f"a batch of {recipe.batch} does not split into {parts} equal parts; change batch or devices")
    if tflops is not None and tflops <= 0:
        raise InputError(f"tflops is more than 0, got {tflops:g}")
    rate = measured(device, recipe.precision) if tflops is None else Rate(
        tflops * 1e12, math.inf, f"at {tflops:g} TFLOP/s on each process, as told"
    )  # fmt: skip
    found = tuple(sets.about(name) for name in recipe.sets)
    return Estimate(recipe, found, processes, fsdp, forward_cost(recipe, recipe.batch // parts), rate)


def passes(recipe: Recipe) -> tuple[float, float]:
    """Mean number of forwards (with a backward, without one) that a sample sees in a step."""
    weights = recipe.click_weights
    lengths = range(shortest(weights), len(weights) + 1) if recipe.random_length else [len(weights)]
    learning = [1 if recipe.objective == "last_click" else sum(w != 0 for w in weights[:n]) for n in lengths]
    return sum(learning) / len(lengths), (sum(lengths) - sum(learning)) / len(lengths)


def forward_cost(recipe: Recipe, samples: int) -> Cost:
    """Count one forward of the recipe's network in training mode, on fake tensors."""
    cost = _counted(recipe, samples, recompute=recipe.activation_checkpointing)
    if not recipe.activation_checkpointing:
        return cost
    with torch.device("meta"):
        blocks = len(layers.blocks(built(recipe).backbone))  # type: ignore[arg-type]
    everything = _counted(recipe, samples, recompute=False).saved_bytes
    one_block = (everything - cost.saved_bytes) // max(blocks, 1)  # the backward pass recomputes block by block
    return Cost(cost.parameters, cost.flops, cost.saved_bytes + one_block, cost.moved_bytes)


def _counted(recipe: Recipe, samples: int, recompute: bool) -> Cost:
    with torch.device("meta"):
        net = built(recipe).train()
    saved = Saved(net)
    if recompute:
        for block in layers.blocks(net.backbone):  # type: ignore[arg-type]
            layers.recompute(block)
            block.register_forward_pre_hook(lambda _, inputs: saved.keep(*inputs))
    low = torch.float16 if recipe.precision == "fp16" else torch.bfloat16
    flops: Any = FlopCounterMode(display=False, custom_mapping={SDPA_CPU: _attention_flops})
    with FakeTensorMode(allow_non_fake_inputs=True):  # the network's buffers on the meta device, before to_empty
        net.to_empty(device="cpu")
        image, prev = (torch.empty(samples, channels, *recipe.crop_hw) for channels in (3, 1))
        clicks = torch.empty(samples, recipe.max_clicks, 3)
        with (
            Traffic() as traffic,
            flops,
            torch.autograd.graph.saved_tensors_hooks(saved.keep, lambda x: x),
            torch.autocast("cpu", low, enabled=recipe.precision != "fp32"),
        ):
            WithAux(net, aux=recipe.aux_weight > 0)(image, clicks, prev)
        parameters = sum(p.numel() for p in net.parameters())
        return Cost(parameters, int(flops.get_total_flops()), saved.bytes, traffic.bytes)


class Saved:
    """The memory that autograd keeps: each storage once, those of weights not."""

    def __init__(self, net: ClickNet) -> None:
        self.net = net
        self.storages: dict[int, torch.UntypedStorage] = {}

    def keep(self, *tensors: Tensor | None) -> Tensor | None:
        """Note tensors; the first is returned, as a hook of autograd must."""
        for x in tensors:
            if x is not None:
                storage = x.untyped_storage()
                self.storages[storage._cdata] = storage
        return tensors[0]

    @property
    def bytes(self) -> int:
        """Count what is kept so far."""
        state = (*self.net.parameters(), *self.net.buffers())
        weights = {x.untyped_storage()._cdata for x in state}
        return sum(storage.nbytes() for key, storage in self.storages.items() if key not in weights)


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the sizes of what operations read and write; views read nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves: Sequence[Any] = tree_leaves((args, kwargs, out))
            self.bytes += sum(x.numel() * x.element_size() for x in leaves if isinstance(x, Tensor))
        return out


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def measured(device: str, precision: str, seconds: float = 0.1) -> Rate:
    """The rates of this machine's device for large matrix products and additions, each measured for `seconds`."""
    if device not in ("cpu", "cuda", "mps"):
        raise InputError(f"training does not know '{device}'; there are: auto, cpu, cuda, mps")
    if device != "cpu" and not getattr(torch, device).is_available():
        raise InputError(f"there is no {device} here whose speed could be measured; pass --tflops N, what one sustains")
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    side, length = (1024, 1 << 24) if device == "cpu" else (8192, 1 << 28)
    a = torch.rand(side, side, device=device).to(kind)
    b, c = torch.rand(2, length, device=device)
    flops = 2 * side**3 / _quickest(lambda: a @ a, device, seconds)
    moved = 3 * b.nbytes / _quickest(lambda: torch.add(b, c, out=c), device, seconds)
    where = f"cpu, threads: {torch.get_num_threads()}" if device == "cpu" else device
    how = f"at this machine's {flops / 1e12:.2g} TFLOP/s and {moved / 1e9:.0f} GB/s ({where}), times {OVERHEAD:g}"
    return Rate(flops, moved, f"{how}; right to a factor of two or three; for another machine pass --tflops")


def _quickest(work: Any, device: str, seconds: float) -> float:
    """The shortest time of a piece of work, of as many tries as the seconds allow; what else a CPU does, left out."""

    def once() -> float:
        if device == "cpu":
            began = time.process_time()
            work()
            return (time.process_time() - began) / torch.get_num_threads()
        began = time.perf_counter()
        work()
        getattr(torch, device).synchronize()
        return time.perf_counter() - began

    once()
    tries = [once(), once(), once()]
    while sum(tries) < seconds:
        tries.append(once())
    return min(tries)


def data_lines(about: sets.About) -> list[str]:
    """A set, found or not."""
    count = ", ".join(
        counted(n, what) for n, what in ((about.photos, "photo"), (about.objects, "object")) if n is not None
    )
    lines = [f"data     {about.name}: {about.title}" + (f"; {count}" if count else "")]
    if about.problem:
        lines.append(f"         MISSING: {about.problem}")
    elif about.place:
        lines.append(f"         found in {about.place}")
    lines += [f"         get it: {about.get}"] if about.get else []
    return lines + ([f"         terms: {about.terms}"] if about.terms else [])


def start(recipe: Recipe) -> str:
    """The weights that a run begins with."""
    if recipe.init:
        return f"starts from {recipe.init}"
    if recipe.starts_from:
        return f"fresh weights, but the published run starts from {recipe.starts_from}: give init=PATH"
    return "fresh weights"


def size(count: float) -> str:
    """Bytes for people."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = min(int(math.log(max(count, 1), 1024)), len(units) - 1)
    return f"{count / 1024**power:.3g} {units[power]}"


def span(seconds: float) -> str:
    """A time for people."""
    for length, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.2g} s"
