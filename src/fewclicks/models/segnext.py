"""SegNext (Liu et al., "Rethinking Interactive Image Segmentation with Low Latency, High Quality, and Diverse Prompts",
CVPR 2024): a photo is encoded once, clicks and previous mask are drawn as maps and join its features late.

A plain ViT encodes the photo, squashed into a square. The maps are embedded patch by patch, added to its features, and
one or two blocks of attention let both mix, below the pyramid and the head of SimpleClick. Sizes: base_sa1, base_sa2
(so many blocks); and tiny, for trying out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.prompt import disk_maps
from fewclicks.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, ClickNet
from fewclicks.models.simple_fpn import SimpleFPN
from fewclicks.models.simple_head import ConvReLU
from fewclicks.models.vit import Block, PatchEmbed, ViT
from fewclicks.models.vit import Size as EncoderSize
from fewclicks.types import Image

RADIUS_PX = 5.0
"""Of the clicks' disks, in the square."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    encoder: EncoderSize
    side: int
    """Of the square, in pixels."""
    fusion: int
    """Blocks in which photo and prompt mix."""


BASE = EncoderSize(16, 768, 12, 12, (128, 256, 512, 1024), 256, 3)
SIZES = {
    "base_sa1": Size(BASE, 1024, 1),
    "base_sa2": Size(BASE, 1024, 2),
    "tiny": Size(EncoderSize(16, 96, 4, 3, (32, 64, 96, 128), 64, 2), 256, 1),
}


def build_net(size: str = "base_sa1") -> SegNext:
    """A SegNext of size base_sa1, base_sa2 or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no segnext of size '{size}'; there are: {', '.join(SIZES)}")
    return SegNext(SIZES[size])


class Encoder(ViT):
    """The ViT of SimpleClick on a larger square, without the parts that never run."""

    def __init__(self, size: EncoderSize, side: int) -> None:
        super().__init__(size)
        del self.fc_norm, self.head
        self.grid = side // size.patch_px
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid**2, size.dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)


class Head(nn.Module):
    """All scales to one width and to the finest resolution, fused, one logit per position."""

    def __init__(self, in_dims: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvReLU(dim, channels) for dim in in_dims)
        self.fusion_conv = ConvReLU(channels * len(in_dims), channels)
        self.dropout = nn.Dropout2d(0.1)
        self.seg_conv = nn.Conv2d(channels, 1, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features, finest first, BxCixhixwi -> logits Bx1xh0xw0."""
        fusion, (finest, *coarser) = self.fusion_conv.conv, features
        first, *others = fusion.weight.chunk(len(features), 1)
        fused = F.conv2d(self.convs[0](finest), first, fusion.bias)
        for conv, share, x in zip(self.convs[1:], others, coarser, strict=True):
            x = F.conv2d(conv(x), share)  # it commutes with interpolation, and is cheaper before it
            fused += F.interpolate(x, fused.shape[-2:], mode="bilinear")
        logits: Tensor = self.seg_conv(self.dropout(F.relu(fused, inplace=True)))
        return logits


class SegNext(ClickNet):
    """Photo, clicks and previous mask -> logits, in two steps: `embed` the photo once, `decode` every prompt."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        encoder = size.encoder
        self.backbone = Encoder(encoder, size.side)
        self.neck = SimpleFPN(encoder.dim, encoder.neck_dims)
        self.head = Head(encoder.neck_dims, encoder.head_channels)
        self.visual_prompts_encoder = PatchEmbed(encoder.patch_px, encoder.dim)
        self.fusion_blocks = nn.Sequential(*(Block(encoder.dim, encoder.heads, eps=1e-5) for _ in range(size.fusion)))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def embed(self, image: Tensor) -> Tensor:
        """Image Bx3xHxW in [0,1] -> BxCxgridxgrid."""
        square = self._square((image - self.mean) / self.std)
        features: list[Tensor] = self.backbone(square, square.new_zeros(()))
        return features[0]

    def decode(self, features: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """Decode what `embed` made of an image, clicks BxNx3 and prev Bx1xHxW in it -> logits Bx1xHxW."""
        height, width = prev.shape[-2:]
        factor = clicks.new_tensor([self.size.side / width, self.size.side / height])
        at = (clicks[..., :2] * factor + 0.5).floor()
        points = torch.cat((at, clicks[..., 2:]), -1)
        maps = disk_maps(points, (self.size.side, self.size.side), RADIUS_PX).to(prev.dtype)
        x = features + self.visual_prompts_encoder(torch.cat((self._square(prev), maps), 1))
        tokens = self.fusion_blocks(x.flatten(2).transpose(1, 2))
        x = tokens.transpose(1, 2).reshape(x.shape)
        logits = self.head(self.neck([x])).float()
        square = F.interpolate(logits, (self.size.side, self.size.side), mode="bilinear", align_corners=True)
        return F.interpolate(square, (height, width), mode="bilinear", align_corners=False)

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads); prev Bx1xHxW prob -> logits Bx1xHxW."""
        return self.decode(self.embed(image), clicks, prev)

    def _square(self, x: Tensor) -> Tensor:
        return F.interpolate(x, (self.size.side, self.size.side), mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def embed_photo(self, photo: Image) -> Tensor:
        """HxWx3 RGB of 0 to 255 -> 1xCxgridxgrid on the network's device."""
        return self.embed(image_tensor(photo, self.mean.device))

    @torch.inference_mode()
    def answer(self, features: Tensor, clicks: NDArray[np.float32], prob: NDArray[np.float32]) -> NDArray[np.float32]:
        """Clicks Nx3 and the previous mask HxW of the photo -> logits HxW."""
        points, prev = clicks_tensor(clicks, features.device), map_tensor(prob, features.device)
        return np.asarray(self.decode(features, points, prev)[0, 0].cpu().numpy(), np.float32)
