"""Hiera (Ryali et al., ICML 2023) as SAM 2 has it: a transformer of four stages, most of whose blocks see windows.

A stage begins with a block whose queries are pooled 2x2, which halves the resolution, and doubles the channels. Three
blocks of the third stage see everything. Positions are a coarse map, enlarged, and one window that is repeated
(Bolya et al., "Window Attention is Bugged", ICLR 2024). The names of the weights are the published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 4
"""Of the first stage."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    dim: int
    """Channels of the first stage; each other has twice those of the one before."""
    heads: int
    stages: tuple[int, int, int, int]
    """Blocks of each."""
    global_blocks: tuple[int, ...]
    """Which blocks see everything, counted from 0 over all stages."""
    positions: int
    """Side of the coarse map of positions."""
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    """Side of the windows of each stage."""

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim << i for i in range(len(self.stages)))


class MLP(nn.Module):
    """Two linear layers with four times the width between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList((nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)))

    def forward(self, x: Tensor) -> Tensor:
        """...xC -> ...xC."""
        out: Tensor = self.layers[1](F.gelu(self.layers[0](x)))
        return out


def pooled(x: Tensor) -> Tensor:
    """BxhxwxC -> Bxh/2xw/2xC, the largest of each 2x2."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


class PoolingAttention(nn.Module):
    """Multi-head attention within a map; `pools`: its queries are pooled, and so is the result."""

    def __init__(self, dim: int, outputs: int, heads: int, pools: bool) -> None:
        super().__init__()
        self.heads, self.pools = heads, pools
        self.qkv = nn.Linear(dim, 3 * outputs)
        self.proj = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """BxhxwxC -> BxhxwxD, or Bxh/2xw/2xD."""
        query, key, value = self.qkv(x).chunk(3, -1)
        query = pooled(query) if self.pools else query
        parts = (part.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(*parts).transpose(1, 2)
        out: Tensor = self.proj(mixed.reshape(query.shape))
        return out


class Block(nn.Module):
    """Attention and MLP, each after a norm and around a residual connection."""

    def __init__(self, dim: int, outputs: int, heads: int, window: int) -> None:
        super().__init__()
        self.window, self.pools = window, outputs != dim
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = PoolingAttention(dim, outputs, heads, self.pools)
        self.norm2 = nn.LayerNorm(outputs, eps=1e-6)
        self.mlp = MLP(outputs)
        if self.pools:
            self.proj = nn.Linear(dim, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """BxhxwxC -> the same, or Bxh/2xw/2x2C; windows at the bottom and the right are filled up with zeros."""
        seen = self.norm1(x)
        rest = pooled(self.proj(seen)) if self.pools else x
        x = rest + (self._within_windows(seen) if self.window else self.attn(seen))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def _within_windows(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        side = self.window
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, cols = x.shape[1] // side, x.shape[2] // side
        windows = x.reshape(batch, rows, side, cols, side, dim).transpose(2, 3).reshape(-1, side, side, dim)
        mixed = self.attn(windows)
        side = mixed.shape[1]
        whole = mixed.reshape(batch, rows, cols, side, side, -1).transpose(2, 3)
        whole = whole.reshape(batch, rows * side, cols * side, -1)
        halved = self.window // side
        cut: Tensor = whole[:, : height // halved, : width // halved]
        return cut


class PatchEmbed(nn.Module):
    """A photo -> overlapping patches."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 7, STRIDE, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW -> BxH/4xW/4xC."""
        tokens: Tensor = self.proj(x)
        return tokens.permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """A photo -> the features of each stage."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.pos_embed = nn.Parameter(torch.empty(1, size.dim, size.positions, size.positions))
        self.pos_embed_window = nn.Parameter(torch.empty(1, size.dim, size.windows[0], size.windows[0]))
        for weight in (self.pos_embed, self.pos_embed_window):
            nn.init.trunc_normal_(weight, std=0.02)
        self.patch_embed = PatchEmbed(size.dim)
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []
        """The number of each stage's last block."""
        for stage, depth in enumerate(size.stages):
            outputs, heads = size.dim << stage, size.heads << stage
            for i in range(depth):
                first = stage > 0 and i == 0  # it sees what the stage before made, in that one's windows
                window = 0 if len(self.blocks) in size.global_blocks else size.windows[stage - first]
                self.blocks.append(Block(outputs >> first, outputs, heads, window))
            self.ends.append(len(self.blocks) - 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised photo Bx3xHxW, 32 divides its sides -> BxCixhixwi, finest first, strides 4, 8, 16 and 32."""
        x = self.patch_embed(image)
        coarse = F.interpolate(self.pos_embed, x.shape[1:3], mode="bicubic")
        repeats = [1, 1, *(whole // self.size.windows[0] for whole in x.shape[1:3])]
        x = x + (coarse + self.pos_embed_window.tile(repeats)).permute(0, 2, 3, 1)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.ends:
                features.append(x.permute(0, 3, 1, 2))
        return features
