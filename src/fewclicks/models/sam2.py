"""SAM 2.1 for single photos (Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025).

A Hiera encodes the photo, squashed into a square, at three scales. The prompts and the decoder are SAM's; the decoder
also reads the two finer scales, which are narrowed once for each photo. Where its single mask is not stable, the best
of the three that may be meant takes its place. What published files hold for videos, the memory, is left out.
Sizes: tiny, small, base_plus, large; and mini, for trying out.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.arrays import image_tensor
from fewclicks.models.hiera import Hiera
from fewclicks.models.hiera import Size as EncoderSize
from fewclicks.models.sam import DIM, PATCH_PX, SAM
from fewclicks.models.sam_decoder import MaskDecoder, PromptEncoder
from fewclicks.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, ClickNet
from fewclicks.types import Image

SIZES = {
    "tiny": EncoderSize(96, 1, (1, 2, 7, 2), (5, 7, 9), 7),
    "small": EncoderSize(96, 1, (1, 2, 11, 2), (7, 10, 13), 7),
    "base_plus": EncoderSize(112, 2, (2, 3, 16, 3), (12, 16, 20), 14),
    "large": EncoderSize(144, 2, (2, 6, 36, 4), (23, 33, 43), 7, (8, 4, 16, 8)),
    "mini": EncoderSize(16, 1, (1, 1, 2, 1), (3,), 7),
}
SIDE_PX = 1024
MINI_PX = 256
STABLE, MARGIN = 0.98, 0.05
"""A mask is stable if so much of it at a threshold of -MARGIN is left at MARGIN."""
MOST = 32.0
"""Logits are kept within +- this."""


def build_net(size: str = "tiny") -> SAM2:
    """A SAM 2.1 of size tiny, small, base_plus, large or mini with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no sam2 of size '{size}'; there are: {', '.join(SIZES)}")
    return SAM2(SIZES[size], MINI_PX if size == "mini" else SIDE_PX)


class Lateral(nn.Module):
    """One scale to the width of all."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, DIM, 1)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx256xhxw."""
        out: Tensor = self.conv(x)
        return out


class Neck(nn.Module):
    """Every scale to one width; the coarsest is added to the one before it."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Lateral(dim) for dim in reversed(dims))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Features, finest first -> the same but the last, Bx256xhixwi."""
        coarsest, *rest = (conv(x) for conv, x in zip(self.convs, reversed(features), strict=True))
        rest[0] = rest[0] + F.interpolate(coarsest, rest[0].shape[-2:], mode="nearest")
        return rest[::-1]


class ImageEncoder(nn.Module):
    """A square photo -> three scales of features."""

    def __init__(self, size: EncoderSize) -> None:
        super().__init__()
        self.trunk = Hiera(size)
        self.neck = Neck(size.dims)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Normalised photo Bx3xSxS -> Bx256xhixwi, strides 4, 8 and 16."""
        scales: list[Tensor] = self.neck(self.trunk(image))
        return scales


class ScalesDecoder(MaskDecoder):
    """SAM's decoder, which also reads finer scales, and says whether the object is there, which photos need not ask."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.obj_score_token = nn.Embedding(1, dim)
        self.conv_s0 = nn.Conv2d(dim, dim // 8, 1)
        self.conv_s1 = nn.Conv2d(dim, dim // 4, 1)

    def decoded(
        self, scales: tuple[Tensor, Tensor, Tensor], positions: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode as forward; `scales` are finest first, the two finer ones narrowed."""
        finest, finer, embedding = scales
        own = (self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight)
        tokens, photo = self.met(own, embedding, positions, sparse, dense)
        first, norm, act, second, last = self.output_upscaling
        pixels = last(second(act(norm(first(photo) + finer))) + finest)
        return self.weighed(tokens[:, 2:], pixels), self.iou_prediction_head(tokens[:, 1]).sigmoid()


class SAM2(SAM):
    """Photo, clicks and previous mask -> logits, in two steps: `embed` the photo once, `decode` every prompt."""

    mask_decoder: ScalesDecoder

    def __init__(self, size: EncoderSize, side: int = SIDE_PX) -> None:
        ClickNet.__init__(self)
        self.side, self.grid = side, side // PATCH_PX
        self.image_encoder = ImageEncoder(size)  # type: ignore[assignment]
        self.prompt_encoder = PromptEncoder(DIM, self.grid, side)
        self.mask_decoder = ScalesDecoder(DIM)
        self.no_mem_embed = nn.Parameter(torch.empty(1, 1, DIM))
        nn.init.trunc_normal_(self.no_mem_embed, std=0.02)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def embed(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Bx3xSxS in [0,1] -> Bx32x4gridx4grid, Bx64x2gridx2grid, Bx256xgridxgrid."""
        finest, finer, embedding = self.image_encoder((image - self.mean) / self.std)
        without_memory = self.no_mem_embed.view(1, -1, 1, 1)
        return self.mask_decoder.conv_s0(finest), self.mask_decoder.conv_s1(finer), embedding + without_memory

    def masks(self, embedded: Any, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Decode an encoded prompt with what `embed` made of a photo -> as `decode`."""
        logits, expected = self.mask_decoder.decoded(embedded, self.prompt_encoder.positions(), sparse, dense)
        return (logits, expected) if self.training else steadied(logits, expected)

    def fitted(self, hw: tuple[int, int]) -> tuple[int, int]:
        """The whole square: photos are squashed into it."""
        return self.side, self.side

    def enlarged(self, low: Tensor, hw: tuple[int, int], full_hw: tuple[int, int]) -> Tensor:
        """Logits BxMx4gridx4grid -> BxMxHxW of the photo."""
        return F.interpolate(low.float(), full_hw, mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def embed_photo(self, photo: Image) -> Any:
        """HxWx3 RGB of 0 to 255 -> as `embed`, on the network's device."""
        image = image_tensor(photo, self.mean.device)
        return self.embed(F.interpolate(image, (self.side, self.side), mode="bilinear", antialias=True))


def steadied(logits: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Four masks Bx4xhxw and their expected IoUs Bx4, the best of the last three for a first one that is not stable."""
    inner, outer = ((logits[:, 0] > margin).sum((1, 2)).float() for margin in (MARGIN, -MARGIN))
    stable = (outer == 0) | (inner >= STABLE * outer)
    best = torch.where(stable, 0, 1 + expected[:, 1:].argmax(1))
    rows = torch.arange(len(logits), device=logits.device)
    logits = torch.cat((logits[rows, best].unsqueeze(1), logits[:, 1:]), 1)
    expected = torch.cat((expected[rows, best].unsqueeze(1), expected[:, 1:]), 1)
    return logits.clamp(-MOST, MOST), expected
