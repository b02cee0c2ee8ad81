"""The hierarchical transformer of SegFormer (Xie et al., NeurIPS 2021), "MiT", with the prompt of FocalClick.

FocalClick (Chen et al., CVPR 2022) embeds previous mask and click maps as the first stage embeds the image, and adds
them to what the first stage gives, before the second. Sizes: b0, b3. The names of the weights are those of MiT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.pretrained import fill
from fewclicks.models.prompt import ScaleLayer
from fewclicks.models.segformer_head import SegFormerHead

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
"""By how much each stage shrinks the map that it attends to, along a side."""

DROP_PATH = 0.1
"""Share of the training steps in which the last block is left out; earlier blocks linearly less."""

UNUSED = ("head.",)
"""What ImageNet checkpoints hold beside the four stages: the classifier."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    head_dim: int


SIZES = {
    "b0": Size((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "b3": Size((64, 128, 320, 512), (3, 4, 18, 3), 512),
}


def build(size: str = "b0") -> MiT:
    """A MiT of size b0 or b3 with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no segformer of size '{size}'; there are: {', '.join(SIZES)}")
    return MiT(SIZES[size])


class OverlapEmbed(nn.Module):
    """Convolution whose patches overlap, and a layer norm over the channels."""

    def __init__(self, inputs: int, dim: int, kernel: int = 3, stride: int = 2) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, dim, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxDxhxw, h = H / stride, rounded up."""
        x = self.proj(x)
        return to_map(self.norm(to_tokens(x)), x.shape[-1])


class PromptEmbed(OverlapEmbed):
    """The prompt maps at a quarter of their resolution.

    `maps_transform` never runs: published checkpoints hold it, from the convolutional networks beside which this one
    was trained.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__(channels, dim, 7, 4)
        convs = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
        self.maps_transform = nn.Sequential(convs[0], nn.LeakyReLU(0.2), convs[1], ScaleLayer())


class Attention(nn.Module):
    """Multi-head attention of all positions to a map that is shrunk by a strided convolution."""

    def __init__(self, dim: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        if reduction > 1:
            self.sr = nn.Conv2d(dim, dim, reduction, reduction)
            self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """BxNxC -> BxNxC, the tokens of a map of that width."""
        query = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # BxheadsxNxD
        if self.reduction > 1:
            x = self.norm(to_tokens(self.sr(to_map(x, width))))  # BxMxC
        kv = self.kv(x).unflatten(-1, (2, self.heads, -1))  # BxMx2xheadsxD
        key, value = kv.permute(2, 0, 3, 1, 4).unbind()
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class DepthwiseConv(nn.Module):
    """3x3 convolution of each channel, which tells tokens where they are."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 3, 1, 1, groups=dim)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """BxNxC -> BxNxC."""
        return to_tokens(self.dwconv(to_map(x, width)))


class MixFFN(nn.Module):
    """Two linear layers with four times the width, and a depthwise convolution, between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.dwconv = DepthwiseConv(4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """BxNxC -> BxNxC."""
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(x), width)))
        return out


class Block(nn.Module):
    """Attention and Mix-FFN, each after a norm and around a residual connection."""

    def __init__(self, dim: int, heads: int, reduction: int, drop: float) -> None:
        super().__init__()
        self.drop = drop
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, reduction)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MixFFN(dim)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """BxNxC -> BxNxC, the tokens of a map of that width."""
        x = x + self._kept(self.attn(self.norm1(x), width))
        return x + self._kept(self.mlp(self.norm2(x), width))

    def _kept(self, x: Tensor) -> Tensor:
        """In training, 0 for a random share of the samples (Huang et al., "stochastic depth", ECCV 2016)."""
        if not self.training or not self.drop:
            return x
        keep = 1 - self.drop
        return x * x.new_empty(len(x), 1, 1).bernoulli_(keep) / keep


class MiT(nn.Module):
    """Four stages, at 1/4, 1/8, 1/16 and 1/32 of the input."""

    multiple = 32
    pads = True
    lr_factors: Mapping[str, float] = {"backbone.": 0.1, "patch_embed_coords.": 0.1}  # FocalClick's training

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        inputs = (3, *size.dims)
        drops = torch.linspace(0, DROP_PATH, sum(size.depths), device="cpu").tolist()
        for i, dim in enumerate(size.dims):
            embed = OverlapEmbed(inputs[i], dim, *((7, 4) if i == 0 else (3, 2)))
            self.add_module(f"patch_embed{i + 1}", embed)
        for i, (dim, depth) in enumerate(zip(size.dims, size.depths, strict=True)):
            blocks = [Block(dim, HEADS[i], REDUCTIONS[i], drops.pop(0)) for _ in range(depth)]
            self.add_module(f"block{i + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{i + 1}", nn.LayerNorm(dim, eps=1e-6))
        self.apply(_init)

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Previous mask and click maps are embedded as the image is, and added after the first stage."""
        return PromptEmbed(channels, self.size.dims[0]).apply(_init)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """No neck, SegFormer's all-MLP head: logits at 1/4 of the input."""
        return nn.Identity(), SegFormerHead(self.size.dims, self.size.head_dim)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt BxC1xH/4xW/4 -> features at 1/4, 1/8, 1/16, 1/32."""
        x, features = image, []
        for i in range(1, 5):
            x = getattr(self, f"patch_embed{i}")(x)
            tokens, width = to_tokens(x), x.shape[-1]
            for block in getattr(self, f"block{i}"):
                tokens = block(tokens, width)
            x = to_map(getattr(self, f"norm{i}")(tokens), width)
            features.append(x)
            if i == 1:
                x = x + coords  # the head sees the first stage without the prompt
        return features


def load_pretrained(backbone: MiT, tensors: Mapping[str, Tensor]) -> None:
    """Fill a MiT with ImageNet weights of SegFormer's authors, whose names ours are.

    CheckpointError where something is missing, unknown or of another shape; the backbone is then as it was.
    """
    fill(backbone, tensors, "an ImageNet-trained MiT", UNUSED)


def to_tokens(x: Tensor) -> Tensor:
    """BxCxhxw -> BxNxC, row by row."""
    return x.flatten(2).transpose(1, 2)


def to_map(x: Tensor, width: int) -> Tensor:
    """BxNxC of rows of that width -> BxCxhxw."""
    batch, count, dim = x.shape
    return x.transpose(1, 2).reshape(batch, dim, count // width, width)


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.weight[:, 0].numel() // module.groups
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]
