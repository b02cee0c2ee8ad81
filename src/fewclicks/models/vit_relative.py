"""Transformer blocks with decomposed relative positions and windows (Li et al., ViTDet, ECCV 2022; SAM)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BIAS_ELEMENTS = 2**22
"""So many sums of row and column terms are in memory at once, at most: 16 MB, which stay in a CPU's cache."""


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> the same."""
        shape = (x.shape[1],)
        return F.layer_norm(x.permute(0, 2, 3, 1), shape, self.weight, self.bias, 1e-6).permute(0, 3, 1, 2)


class MLP(nn.Module):
    """Two linear layers with four times the width between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(dim, 4 * dim)
        self.lin2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """...xC -> ...xC."""
        out: Tensor = self.lin2(F.gelu(self.lin1(x)))
        return out


class RelativeAttention(nn.Module):
    """Multi-head attention within a square grid, to which queries add a term for the key's row and one for its column.

    rel_pos_h, rel_pos_w: (2 side - 1)xD, what a query is multiplied with for each difference of rows and of columns.
    """

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads, self.side = heads, side
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))

    def mix(self, qkv: Tensor) -> Tensor:
        """Queries, keys and values Bxsidexsidex3C -> Bxsidexsidex C, before the last linear layer."""
        batch, side, heads = len(qkv), self.side, self.heads
        query, key, value = qkv.reshape(batch, side * side, 3, heads, -1).permute(2, 0, 3, 1, 4)  # BxheadsxNxD
        offset = torch.arange(side, device=qkv.device)
        offset = offset[:, None] - offset[None] + side - 1  # of a query's row (column) from a key's
        grid = query.reshape(batch, heads, side, side, -1)
        by_row = torch.einsum("bnhwd,hkd->bnhwk", grid, self.rel_pos_h[offset])
        by_col = torch.einsum("bnhwd,wkd->bnhwk", grid, self.rel_pos_w[offset])
        # As many rows of queries at a time as the bias has room for, of as many heads.
        rows = max(1, min(side, BIAS_ELEMENTS // (batch * side**3)))
        some = max(1, min(heads, BIAS_ELEMENTS // (batch * rows * side**3)))
        parts = []
        for h in range(0, heads, some):
            one = slice(h, h + some)
            bands = []
            for r in range(0, side, rows):
                band = slice(r, r + rows)
                bias = by_row[:, one, band, :, :, None] + by_col[:, one, band, :, None, :]
                bias = bias.reshape(batch, bias.shape[1], -1, side * side)
                some_queries = query[:, one, r * side : (r + rows) * side]
                bands.append(F.scaled_dot_product_attention(some_queries, key[:, one], value[:, one], bias))
            parts.append(bands[0] if len(bands) == 1 else torch.cat(bands, 2))
        mixed = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        return mixed.transpose(1, 2).reshape(batch, side, side, -1)


class RelativeBlock(nn.Module):
    """Attention and MLP, each after a norm and around a residual connection."""

    def __init__(self, dim: int, heads: int, window: int, grid: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = RelativeAttention(dim, heads, window or grid)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLP(dim)

    def forward(self, x: Tensor) -> Tensor:
        """BxhxwxC -> the same; where windows do not divide the grid, it is padded at the bottom and the right."""
        qkv = self.attn.qkv(self.norm1(x))
        mixed = self._within_windows(qkv) if self.window else self.attn.mix(qkv)
        x = x + self.attn.proj(mixed)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def _within_windows(self, qkv: Tensor) -> Tensor:
        """Bxhxwx3C -> BxhxwxC. Padding is of zeros before the linear layer, and so of its bias after it."""
        batch, height, width, wide = qkv.shape
        side = self.window
        down, right = -height % side, -width % side
        if down or right:
            padded = self.attn.qkv.bias.expand(batch, height + down, width + right, wide).clone()
            padded[:, :height, :width] = qkv
            qkv = padded
        rows, cols = qkv.shape[1] // side, qkv.shape[2] // side
        windows = qkv.reshape(batch, rows, side, cols, side, wide).transpose(2, 3).reshape(-1, side, side, wide)
        mixed = self.attn.mix(windows).reshape(batch, rows, cols, side, side, -1).transpose(2, 3)
        return mixed.reshape(batch, rows * side, cols * side, -1)[:, :height, :width]
