"""Plain vision transformer of SimpleClick (Liu et al., ICCV 2023), which is also the network of CFR-ICL (AAAI 2024).

A ViT (Dosovitskiy et al., ICLR 2021) made for masked autoencoding (He et al., CVPR 2022) whose blocks attend within
windows, but for four (ViT-B: two) that attend globally, as in ViTDet (Li et al., ECCV 2022). The names, order and
shapes of its weights are those of the published checkpoints. Sizes: xtiny, base, large, huge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.nets.simple_fpn import SimpleFPN
from fewclicks.nets.simple_head import SimpleHead

TRAIN_PX = 448
"""Side of the square images that the stored position embedding belongs to."""

WINDOW_PX = 224
"""Side of an attention window; sides of the input are multiples of it."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the four networks differ."""

    patch_px: int
    dim: int
    depth: int
    heads: int
    neck_dims: tuple[int, int, int, int]
    head_channels: int
    global_every: int
    """Of so many successive blocks the last attends globally, the others within windows."""


SIZES = {
    "xtiny": Size(16, 160, 8, 4, (96, 192, 288, 384), 128, 2),
    "base": Size(16, 768, 12, 12, (128, 256, 512, 1024), 256, 6),
    "large": Size(16, 1024, 24, 16, (192, 384, 768, 1536), 256, 6),
    "huge": Size(14, 1280, 32, 16, (240, 480, 960, 1920), 256, 8),
}


def build(size: str = "base") -> ViT:
    """A ViT of size xtiny, base, large or huge with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no vit of size '{size}'; there are: {', '.join(SIZES)}")
    return ViT(SIZES[size])


class PatchEmbed(nn.Module):
    """Three channels -> one vector for each patch."""

    def __init__(self, patch_px: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_px, stride=patch_px)
        nn.init.xavier_uniform_(self.proj.weight.detach().flatten(1))  # as the linear layer that it is

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW -> BxCxhxw, h = H / patch_px."""
        tokens: Tensor = self.proj(x)
        return tokens


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """BxNxC -> BxNxC."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # BxNx3xheadsxD
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()  # BxheadsxNxD
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """Two linear layers with four times the width between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """BxNxC -> BxNxC."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each after a norm and around a residual connection."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads)
        self.mlp = MLP(dim)

    def forward(self, x: Tensor) -> Tensor:
        """BxNxC -> BxNxC."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def to_windows(x: Tensor, rows: int, cols: int) -> Tensor:
    """BxCxhxw -> BxNxC, window after window: rows x cols windows, row-major, as are the tokens within each."""
    batch, dim, height, width = x.shape
    x = x.reshape(batch, dim, rows, height // rows, cols, width // cols)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, height * width, dim)


def from_windows(x: Tensor, hw: tuple[int, int], rows: int, cols: int) -> Tensor:
    """BxNxC in the order of to_windows -> BxCxhxw."""
    batch, _, dim = x.shape
    height, width = hw
    x = x.reshape(batch, rows, cols, height // rows, width // cols, dim)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, dim, height, width)


class ViT(nn.Module):
    """The plain transformer. Published checkpoints also hold `cls_token`, `fc_norm` and `head`, which never run."""

    multiple = WINDOW_PX
    pads = False  # it was trained on whole crops: zoom resizes to a multiple instead

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.grid = TRAIN_PX // size.patch_px
        self.cls_token = nn.Parameter(torch.empty(1, 1, size.dim))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid**2, size.dim))  # the first is the cls_token's
        self.patch_embed = PatchEmbed(size.patch_px, size.dim)
        self.blocks = nn.ModuleList(Block(size.dim, size.heads) for _ in range(size.depth))
        self.fc_norm = nn.LayerNorm(size.dim, eps=1e-6)
        self.head = nn.Linear(size.dim, 1000)
        for weight in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(weight, std=0.02)
        self.apply(_init_linear)

    def coords_embedding(self) -> nn.Module:
        """Previous mask and click maps enter as a second patch embedding, added to the image's."""
        return PatchEmbed(self.size.patch_px, self.size.dim)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """SimpleFPN and the SimpleClick head: logits at 1 / (patch_px / 4) of the input."""
        return SimpleFPN(self.size.dim, self.size.neck_dims), SimpleHead(self.size.neck_dims, self.size.head_channels)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt BxCxhxw -> [BxCxhxw], h = H / patch_px; no norm at the end."""
        rows, cols = image.shape[2] // WINDOW_PX, image.shape[3] // WINDOW_PX
        x = self.patch_embed(image) + coords
        batch, _, height, width = x.shape
        x = to_windows(x + self.positions((height, width)), rows, cols)  # BxNxC
        # Global attention does not depend on the order of tokens, so they stay in window order throughout.
        for i, block in enumerate(self.blocks, 1):
            groups = batch if i % self.size.global_every == 0 else batch * rows * cols
            x = block(x.reshape(groups, -1, self.size.dim))
        return [from_windows(x.reshape(batch, -1, self.size.dim), (height, width), rows, cols)]

    def positions(self, hw: tuple[int, int]) -> Tensor:
        """Position embedding 1xCxhxw of a grid of h x w patches, interpolated bicubically from the stored one."""
        stored = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        if hw != (self.grid, self.grid):
            stored = F.interpolate(stored, hw, mode="bicubic", align_corners=False)
        return stored


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
