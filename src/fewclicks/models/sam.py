"""SAM (Kirillov et al., "Segment Anything", ICCV 2023): a photo is embedded once, prompts are decoded in milliseconds.

The image encoder is a ViT with windows, global blocks and decomposed relative positions (Li et al., ViTDet, ECCV 2022).
The decoder lets the prompts and the embedded photo look at each other twice, and makes three masks that may be meant
and a fourth one for prompts that leave no doubt. The names, order and shapes of the weights are the published ones.
Sizes: b, l, h; and tiny, for trying out.

Attention adds to each product of a query and a key what the query says of the key's row and column. That sum is made
for a few queries at a time: the HWxHW bias of a whole block, 800 MB in ViT-B, is never in memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image as Picture
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.sam_decoder import MaskDecoder, PromptEncoder
from fewclicks.models.segmenter import IMAGENET_MEAN, IMAGENET_STD, ClickNet
from fewclicks.models.vit_relative import LayerNorm2d, RelativeBlock
from fewclicks.types import Image

PATCH_PX = 16
WINDOW = 14
"""Side of the windows of attention, in patches."""

DIM = 256
"""Channels of the embedded photo, and of prompts."""

SURE = 1 - 1e-4
"""Probabilities beyond this, and below 1 - SURE, are as this to the mask prompt: its logits are about 9 then."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    dim: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    """Which blocks attend globally, counted from 0; the others attend within windows."""
    grid: int = 64
    """Patches along the side of the square that a photo is put into."""


SIZES = {
    "b": Size(768, 12, 12, (2, 5, 8, 11)),
    "l": Size(1024, 24, 16, (5, 11, 17, 23)),
    "h": Size(1280, 32, 16, (7, 15, 23, 31)),
    "tiny": Size(96, 4, 3, (1, 3), 16),
}


def build_net(size: str = "b") -> SAM:
    """A SAM of size b, l, h or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no sam of size '{size}'; there are: {', '.join(SIZES)}")
    return SAM(SIZES[size])


class PatchEmbed(nn.Module):
    """A photo -> one vector for each patch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH_PX, PATCH_PX)

    def forward(self, x: Tensor) -> Tensor:
        """Bx3xHxW -> BxhxwxC."""
        tokens: Tensor = self.proj(x)
        return tokens.permute(0, 2, 3, 1)


class ImageEncoder(nn.Module):
    """A square photo -> its embedding, 1/16 as large."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.patch_embed = PatchEmbed(size.dim)
        self.pos_embed = nn.Parameter(torch.empty(1, size.grid, size.grid, size.dim))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        windows = (0 if i in size.global_blocks else WINDOW for i in range(size.depth))
        self.blocks = nn.ModuleList(RelativeBlock(size.dim, size.heads, window, size.grid) for window in windows)
        self.neck = nn.Sequential(
            nn.Conv2d(size.dim, DIM, 1, bias=False),
            LayerNorm2d(DIM),
            nn.Conv2d(DIM, DIM, 3, padding=1, bias=False),
            LayerNorm2d(DIM),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Normalised photo Bx3xSxS, S = 16 grid -> Bx256xgridxgrid."""
        return self.both(image)[0]

    def both(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Embed as forward; and what the first global block makes of the photo, BxCxgridxgrid, which is finer."""
        x = early = self.patch_embed(image) + self.pos_embed
        for i, block in enumerate(self.blocks):
            x = block(x)
            early = x if i == self.size.global_blocks[0] else early
        return self.neck(x.permute(0, 3, 1, 2)), early.permute(0, 3, 1, 2)


class SAM(ClickNet):
    """Photo, clicks and previous mask -> logits, in two steps: `embed` the photo once, `decode` every prompt."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.side, self.grid = PATCH_PX * size.grid, size.grid
        self.image_encoder = ImageEncoder(size)
        self.prompt_encoder = PromptEncoder(DIM, size.grid, self.side)
        self.mask_decoder = MaskDecoder(DIM)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    @property
    def backbone(self) -> nn.Module:
        """Tell what is large in it."""
        return self.image_encoder

    def embed(self, image: Tensor) -> Any:
        """Bx3xhxw in [0,1], its longer side that of the square, normalised and padded -> Bx256xgridxgrid.

        Or several such things, in networks that derive from this one: what `masks` reads.
        """
        return self.image_encoder(self.put_into_square(image))

    def put_into_square(self, image: Tensor) -> Tensor:
        """Bx3xhxw in [0,1] -> normalised, with zeros at the bottom and the right, Bx3xSxS."""
        image = (image - self.mean) / self.std
        height, width = image.shape[-2:]
        return F.pad(image, (0, self.side - width, 0, self.side - height))

    def masks(self, embedded: Any, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
        """Decode an encoded prompt with what `embed` made of a photo -> as `decode`."""
        out: tuple[Tensor, Tensor] = self.mask_decoder(embedded, self.prompt_encoder.positions(), sparse, dense)
        return out

    def decode(self, embedded: Any, points: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points BxNx3 (x, y, label 1 | 0, -1 pads) in pixels of the square, mask logits Bx1x4gridx4grid or None.

        -> logits Bx4x4gridx4grid, the first for prompts that leave no doubt, and what the network expects of the IoU
        of each, Bx4.
        """
        return self.masks(embedded, *self.prompt_encoder(points, mask))

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """Image Bx3xHxW in [0,1], clicks BxNx3, previous mask Bx1xHxW -> logits Bx1xHxW of the single mask."""
        height, width = image.shape[-2:]
        hw = self.fitted((height, width))
        shrunk = F.interpolate(image, hw, mode="bilinear", antialias=True)
        points = scaled(clicks, (height, width), hw)
        given = prev.amax((1, 2, 3), keepdim=True) > 0
        sparse, dense = self.prompt_encoder(points, self.as_prompt(prev, hw), given)
        low, _ = self.masks(self.embed(shrunk), sparse, dense)
        return self.enlarged(low[:, :1], hw, (height, width))

    def fitted(self, hw: tuple[int, int]) -> tuple[int, int]:
        """The size of a photo of size `hw` whose longer side is that of the square."""
        scale = self.side / max(hw)
        return max(1, int(hw[0] * scale + 0.5)), max(1, int(hw[1] * scale + 0.5))

    def as_prompt(self, prev: Tensor, hw: tuple[int, int]) -> Tensor:
        """Probabilities Bx1xHxW of a photo that is put into the square at size hw -> logits Bx1x4gridx4grid."""
        quarter = (max(1, round(hw[0] / 4)), max(1, round(hw[1] / 4)))
        prob = F.interpolate(prev, quarter, mode="bilinear", antialias=True).clamp(1 - SURE, SURE)
        side = 4 * self.grid
        padding = (0, side - quarter[1], 0, side - quarter[0])
        return F.pad(torch.logit(prob), padding, value=math.log((1 - SURE) / SURE))

    def enlarged(self, low: Tensor, hw: tuple[int, int], full_hw: tuple[int, int]) -> Tensor:
        """Logits BxMx4gridx4grid -> BxMxHxW of the photo that was put into the square at size hw."""
        square = F.interpolate(low.float(), (self.side, self.side), mode="bilinear", align_corners=False)
        return F.interpolate(square[..., : hw[0], : hw[1]], full_hw, mode="bilinear", align_corners=False)

    @torch.inference_mode()
    def embed_photo(self, photo: Image) -> Any:
        """HxWx3 uint8 RGB -> as `embed`, on the network's device."""
        hw = self.fitted((photo.shape[0], photo.shape[1]))
        if photo.dtype != np.uint8:  # a crop of ZoomIn.corners
            photo = photo.round().astype(np.uint8)
        small = np.asarray(Picture.fromarray(photo).resize(hw[::-1], Picture.Resampling.BILINEAR))
        return self.embed(image_tensor(small, self.mean.device))

    @torch.inference_mode()
    def answer(
        self, embedded: Any, clicks: NDArray[np.float32], hw: tuple[int, int], mask: NDArray[np.float32] | None
    ) -> Answer:
        """Clicks Nx3 in pixels of a photo of size hw, mask logits 4gridx4grid or None -> the four masks."""
        device = self.mean.device
        points = scaled(clicks_tensor(clicks, device), hw, self.fitted(hw))
        prompt = None if mask is None else map_tensor(mask, device)
        low, expected = self.decode(embedded, points, prompt)
        return Answer(low[0].float().cpu().numpy(), expected[0].float().cpu().numpy())

    @torch.inference_mode()
    def logits_of(self, low: NDArray[np.float32], hw: tuple[int, int]) -> NDArray[np.float32]:
        """One mask of an answer, 4gridx4grid -> HxW of the photo."""
        logits = self.enlarged(map_tensor(low, self.mean.device), self.fitted(hw), hw)
        return np.asarray(logits[0, 0].cpu().numpy(), np.float32)

    @torch.inference_mode()
    def prompt_of(self, prob: NDArray[np.float32]) -> NDArray[np.float32]:
        """A mask from elsewhere, HxW prob -> the logits of a mask prompt."""
        hw = self.fitted((prob.shape[0], prob.shape[1]))
        return np.asarray(self.as_prompt(map_tensor(prob, self.mean.device), hw)[0, 0].cpu().numpy(), np.float32)


@dataclass(frozen=True, slots=True)
class Answer:
    """Holds what SAM says to one prompt."""

    low: NDArray[np.float32]
    """Logits 4xhxw: of the single mask, then of the three that may be meant."""
    expected: NDArray[np.float32]
    """The IoU that the network expects of each."""


def scaled(clicks: Tensor, hw: tuple[int, int], to: tuple[int, int]) -> Tensor:
    """Clicks BxNx3 in pixels of an image of size hw -> of one of size `to`, as SAM scales them: corner to corner."""
    factor = clicks.new_tensor([to[1] / hw[1], to[0] / hw[0], 1])
    return clicks * factor
