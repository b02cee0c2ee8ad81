"""Plain vision transformer of SimpleClick (Liu et al., ICCV 2023), which is also the network of CFR-ICL (AAAI 2024).

A ViT (Dosovitskiy et al., ICLR 2021) made for masked autoencoding (He et al., CVPR 2022) whose blocks attend within
windows, but for four (ViT-B: two) that attend globally, as in ViTDet (Li et al., ECCV 2022). The names, order and
shapes of its weights are those of the published checkpoints. Sizes: xtiny, base, large, huge.

Any input whose sides are multiples of the patch is taken as it is. Windows are those of the published code wherever it
runs: along h patches stand h // 14 windows of equal height (for the huge model h // 16, at least 1), so that they are
the 224 pixels of the training at 448 and at 672. Where they do not divide the grid, it is padded at the bottom and the
right to as many windows of the next whole height as hold it, and no patch attends to the padding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.pretrained import fill
from fewclicks.models.simple_fpn import SimpleFPN
from fewclicks.models.simple_head import SimpleHead

TRAIN_PX = 448
"""Side of the square images that the stored position embedding belongs to."""

WINDOW_PX = 224
"""Side of an attention window in training."""

UNUSED = ("mask_token", "decoder_", "norm.", "fc_norm.", "head.")
"""What MAE checkpoints hold beside the encoder's blocks, by prefix: nothing that runs here."""


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
    """Three (or other) channels -> one vector for each patch."""

    def __init__(self, patch_px: int, dim: int, channels: int = 3) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch_px, stride=patch_px)
        nn.init.xavier_uniform_(self.proj.weight.detach().flatten(1))  # as the linear layer that it is

    def forward(self, x: Tensor) -> Tensor:
        """BxchannelsxHxW -> BxCxhxw, h = H / patch_px."""
        tokens: Tensor = self.proj(x)
        return tokens


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """BxNxC -> BxNxC; `seen` BxN, bool, says which tokens may be attended to (None: all)."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # BxNx3xheadsxD
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind()  # BxheadsxNxD
        mask = None if seen is None else seen[:, None, None]  # Bx1x1xN
        mixed = F.scaled_dot_product_attention(query, key, value, mask)
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

    def __init__(self, dim: int, heads: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.attn = Attention(dim, heads)
        self.mlp = MLP(dim)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """BxNxC -> BxNxC; `seen` as in Attention."""
        x = x + self.attn(self.norm1(x), seen)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


def to_windows(x: Tensor, rows: int, cols: int) -> Tensor:
    """BxCxhxw -> BxNxC, window after window: rows x cols windows, row-major, as are the tokens within each."""
    batch, dim, height, width = x.shape
    x = x.reshape(batch, dim, rows, height // rows, cols, width // cols)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(batch, height * width, dim)


def from_windows(x: Tensor, hw: tuple[int, int], rows: int, cols: int) -> Tensor:
    """BxNxC in the order of to_windows -> BxCxhxw, channels last in memory, as convolutions like it."""
    batch, _, dim = x.shape
    height, width = hw
    x = x.reshape(batch, rows, cols, height // rows, width // cols, dim)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, dim).permute(0, 3, 1, 2)


class ViT(nn.Module):
    """The plain transformer. Published checkpoints also hold `cls_token`, `fc_norm` and `head`, which never run."""

    pads = True

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.multiple = size.patch_px
        self.layers = size.depth + 1  # the highest number that layer_of gives
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

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Previous mask and click maps enter as a second patch embedding, added to the image's."""
        return PatchEmbed(self.size.patch_px, self.size.dim, channels)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """SimpleFPN and the SimpleClick head: logits at 1 / (patch_px / 4) of the input."""
        return SimpleFPN(self.size.dim, self.size.neck_dims), SimpleHead(self.size.neck_dims, self.size.head_channels)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt BxCxhxw -> [BxCxhxw], h = H / patch_px; no norm at the end."""
        x = self.patch_embed(image) + coords
        batch, dim, height, width = x.shape
        x = x + self.positions((height, width))
        rows, cols = self.windows(height), self.windows(width)
        padding = (0, -width % cols, 0, -height % rows)
        seen = None
        if any(padding):
            x = F.pad(x, padding)
            seen = to_windows(F.pad(x.new_ones(batch, 1, height, width), padding), rows, cols).squeeze(-1).bool()
        hw = (height + padding[3], width + padding[1])
        x = to_windows(x, rows, cols)  # BxNxC
        # Global attention does not depend on the order of tokens, so they stay in window order throughout.
        for i, block in enumerate(self.blocks, 1):
            groups = batch if i % self.size.global_every == 0 else batch * rows * cols
            x = block(x.reshape(groups, -1, dim), None if seen is None else seen.reshape(groups, -1))
        return [from_windows(x.reshape(batch, -1, dim), hw, rows, cols)[..., :height, :width]]

    def windows(self, patches: int) -> int:
        """How many windows stand along a side of so many patches, none of them all padding."""
        side = math.ceil(patches / max(1, patches // (WINDOW_PX // self.size.patch_px)))
        return math.ceil(patches / side)

    def positions(self, hw: tuple[int, int]) -> Tensor:
        """Position embedding 1xCxhxw of a grid of h x w patches, interpolated bicubically from the stored one."""
        stored = self.pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        if hw != (self.grid, self.grid):
            stored = F.interpolate(stored, hw, mode="bicubic", align_corners=False)
        return stored

    def layer_of(self, name: str) -> int:
        """The layer of a Segmenter's parameter, for layer-wise learning rates: lr * decay ** (layers - layer_of(name)).

        As in MAE's fine-tuning (He et al., CVPR 2022, A.1, after BEiT): 0 is what makes the tokens, 1 to depth are the
        blocks, and depth + 1 = `layers` is the rest, which starts without pretraining: neck, head and
        `patch_embed_coords`.
        """
        part = name.removeprefix("backbone.")
        if part == name:
            return self.layers
        if part.startswith("blocks."):
            return 1 + int(part.split(".")[1])
        return 0 if part.startswith(("cls_token", "pos_embed", "patch_embed.")) else self.layers


def load_pretrained(backbone: ViT, tensors: Mapping[str, Tensor]) -> None:
    """Fill a ViT with the encoder of an MAE checkpoint (He et al., CVPR 2022), whose names ours are.

    Its position embedding, of a square grid of another size (14x14, huge 16x16), is interpolated bicubically.
    CheckpointError where something is missing, unknown or of another shape; the backbone is then as it was.
    """
    values = {key.removeprefix("model."): value for key, value in tensors.items()}
    if "pos_embed" in values:
        values["pos_embed"] = _regrid(values["pos_embed"], backbone.grid)
    fill(backbone, values, "an MAE-trained ViT", UNUSED)


def _regrid(pos_embed: Tensor, side: int) -> Tensor:
    """1x(1+N)xC -> 1x(1+side*side)xC: the embedding of the class token, then those of a square grid of patches."""
    stored = math.isqrt(max(0, pos_embed.shape[1] - 1)) if pos_embed.ndim == 3 else 0
    if stored in (0, side) or pos_embed.shape[1] != 1 + stored**2:
        return pos_embed
    grid = pos_embed[:, 1:].transpose(1, 2).reshape(1, -1, stored, stored)
    grid = F.interpolate(grid.float(), (side, side), mode="bicubic", align_corners=False)
    return torch.cat((pos_embed[:, :1], grid.flatten(2).transpose(1, 2)), 1)


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
