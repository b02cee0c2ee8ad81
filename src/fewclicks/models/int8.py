"""Linear layers in 8 bits, for inference on CPUs: weights by output channel, activations by row, both symmetric.

Dynamic quantisation as in Jacob et al. (CVPR 2018), with a scale for every row of the input instead of one for all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 127


class Int8Linear(nn.Module):
    """y = x W^T + b with W and x rounded to 8 bits and sums in 32; for inference only."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=1e-12) / LEVELS  # O
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8).t())  # IxO
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """...xI -> ...xO."""
        rows = x.reshape(-1, x.shape[-1])
        step = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(LEVELS)  # Nx1
        sums = torch._int_mm((rows / step).round_().to(torch.int8), self.weight)  # NxO, int32
        y = sums.to(x.dtype).mul_(step).mul_(self.scale)
        if self.bias is not None:
            y.add_(self.bias)
        return y.reshape(*x.shape[:-1], -1)


def quantize(net: nn.Module) -> nn.Module:
    """Replace, in place, every linear layer of a network by its Int8Linear; returns the network."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
    return net
