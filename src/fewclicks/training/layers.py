"""Layers and wrappings that let a network train on many processes as it does on one.

A batch may be split in any way: dropout is drawn for each sample by its number, and BatchNorm takes its statistics over
the samples of all processes. Blocks may be recomputed instead of kept, or sharded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Seed = tuple[int, ...]


class SampleDropout(nn.Module):
    """Dropout whose mask depends on each sample's seed and the layer, not on the sample's place in a batch."""

    def __init__(self, layer: int, p: float, by_channel: bool) -> None:
        super().__init__()
        self.layer, self.p, self.by_channel = layer, p, by_channel
        self.seeds: Sequence[Seed] = ()
        """One for each sample of the next batch."""

    def forward(self, x: Tensor) -> Tensor:
        """BxCx... -> BxCx...; B may be a multiple of the samples (windows)."""
        if not self.training or not self.p:
            return x
        shape = (x.shape[1], *(1 for _ in x.shape[2:])) if self.by_channel else tuple(x.shape[1:])
        each = (x.shape[0] // len(self.seeds), *shape)
        drawn = [np.random.default_rng((*seed, self.layer)).random(each, np.float32) for seed in self.seeds]
        keep = torch.from_numpy(np.concatenate(drawn) >= self.p)
        return x * keep.to(x.device, x.dtype) / (1 - self.p)


def sample_dropout(net: nn.Module) -> list[SampleDropout]:
    """Replace every dropout layer of a network in place, and return the new ones."""
    new: list[SampleDropout] = []

    def make(module: nn.Module) -> nn.Module | None:
        if not isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            return None
        new.append(SampleDropout(len(new), module.p, not isinstance(module, nn.Dropout)))
        return new[-1]

    _replace(net, make)
    return new


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; so is that of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0].contiguous())


class GlobalBatchNorm(_BatchNorm):
    """BatchNorm over the samples of all processes, on any device (torch.nn.SyncBatchNorm runs on GPUs only)."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Any number of dimensions from two on."""

    def forward(self, x: Tensor) -> Tensor:
        """BxCx... -> BxCx...."""
        if not self.training:
            return super().forward(x)
        dims, shape = (0, *range(2, x.ndim)), (1, -1, *(1 for _ in x.shape[2:]))
        wide = x.float()
        local = torch.cat((wide.sum(dims), wide.new_tensor([x.numel() / x.shape[1]])))
        total: Tensor = _Sum.apply(local)  # type: ignore[no-untyped-call]
        mean, count = total[:-1] / total[-1], total[-1].detach()
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(dims)) / count  # type: ignore[no-untyped-call]
        if self.track_running_stats:
            self.follow(mean.detach(), (variance * count / (count - 1)).detach())
        y = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)

    def follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def global_batchnorm(net: nn.Module, device: torch.device) -> None:
    """Replace every BatchNorm of a network in place by one whose statistics are those of all processes."""

    def make(module: nn.Module) -> nn.Module | None:
        if not isinstance(module, _BatchNorm):
            return None
        kind = nn.SyncBatchNorm if device.type == "cuda" else GlobalBatchNorm
        new = kind(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
        for name, value in (*module.named_parameters(), *module.named_buffers()):
            setattr(new, name, value)
        return new

    _replace(net, make)


def freeze_norms(net: nn.Module) -> None:
    """Let every BatchNorm of a network go by the statistics that it has, in whichever mode the network is."""
    for norm in net.modules():
        if isinstance(norm, _BatchNorm):
            norm.train(False)
            norm.train = partial(_stay, norm)  # type: ignore[assignment, method-assign]


def _stay(norm: nn.Module, mode: bool = True) -> nn.Module:
    """Take no notice of a mode, as `nn.Module.train` of what is frozen."""
    return norm


def _replace(module: nn.Module, make: Callable[[nn.Module], nn.Module | None]) -> None:
    for name, child in module.named_children():
        new = make(child)
        if new is None:
            _replace(child, make)
        else:
            setattr(module, name, new)


def blocks(module: nn.Module) -> list[nn.Module]:
    """The repeated parts of a network: the members of its outermost lists that are of one class and hold weights."""
    found: list[nn.Module] = []
    for child in module.children():
        members = list(child.children()) if isinstance(child, nn.ModuleList | nn.Sequential) else []
        alike = len(members) > 1 and len({type(member) for member in members}) == 1
        if alike and not isinstance(members[0], nn.ModuleList) and any(True for _ in members[0].parameters()):
            found += members
        else:
            found += blocks(child)
    return found


def recompute(block: nn.Module) -> None:
    """Let a block keep its input only and compute the rest again in the backward pass (Chen et al., 2016)."""
    contexts = partial(_first_and_again, block)
    block.forward = partial(checkpoint, block.forward, use_reentrant=False, context_fn=contexts)


def _first_and_again(block: nn.Module) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    return nullcontext(), _statistics_kept(block)


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """The second time, BatchNorm's running statistics have seen the batch already."""
    norms = [(module, module.momentum) for module in block.modules() if isinstance(module, _BatchNorm)]
    counts = [(norm.num_batches_tracked, int(norm.num_batches_tracked or 0)) for norm, _ in norms]
    for norm, _ in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in norms:
            norm.momentum = momentum
        for tracked, count in counts:
            if tracked is not None:
                tracked.fill_(count)


def shard(net: nn.Module, mesh: Any) -> nn.Module:
    """Shard the weights of each block of `net.net.backbone`, and of the rest, over a mesh's processes (FSDP; Zhao et
    al., 2023, in its second form).
    """
    from torch.distributed.fsdp import fully_shard

    for block in blocks(net.get_submodule("net.backbone")):
        fully_shard(block, mesh=mesh["data_parallel"])
    fully_shard(net, mesh=mesh["data_parallel"])
    return net
