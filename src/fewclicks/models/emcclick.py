"""EMC-Click (Du et al., "Efficient Mask Correction for Click-Based Interactive Image Segmentation", CVPR 2023).

A base network looks at the photo and the first click, once. Every click is then answered by a small correction network
on what the base network has found: it looks for the pixels that are most like the clicks, compares all others with
them, and redraws the mask. The base networks are those of RITM and FocalClick; the names of the weights are in
models/key_maps.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.prompt import Prompt, disk_maps, squared_distances
from fewclicks.models.refiner import ConvBNReLU
from fewclicks.models.segmenter import ClickNet, Outputs, Segmenter
from fewclicks.plugins import find

WIDTH = 96
"""Channels of the correction network; as many pixels of either kind are compared with."""

STRIDE = 4
"""At which part of the photo's resolution it works."""

HEADS = 4
RADIUS_PX = 5.0
BACKBONES = ("hrnet", "segformer")


def build_net(backbone: str = "hrnet", size: str = "18s") -> EMCClick:
    """An EMC-Click on an hrnet or a segformer of a size with fresh weights; InputError for other backbones."""
    if backbone not in BACKBONES:
        raise InputError(f"EMC-Click is made on {' or '.join(BACKBONES)}, got the backbone '{backbone}'")
    return EMCClick(Segmenter(find("models", backbone).build(size), Prompt(RADIUS_PX, "first", False)))


class DoubleXConv(nn.Module):
    """Two depthwise 3x3 convolutions with a BatchNorm between them, a 1x1 one, BatchNorm, ReLU."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv3x3_1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv3x3_2 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs)
        self.conv1x1 = nn.Conv2d(inputs, WIDTH, 1)
        self.norm2 = nn.BatchNorm2d(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx96xhxw."""
        return F.relu(self.norm2(self.conv1x1(self.conv3x3_2(self.norm1(self.conv3x3_1(x))))))


class Correction(nn.Module):
    """Photo, clicks, previous mask and the base network's feature -> logits, at a quarter of the resolution."""

    def __init__(self, feature_channels: int) -> None:
        super().__init__()
        self.feature_convq = nn.Conv2d(WIDTH, WIDTH, 1)
        self.feature_convk = nn.Conv2d(WIDTH, WIDTH, 1)
        self.corr_conv = DoubleXConv(WIDTH)
        self.corr_conv_pos = self.corr_conv_neg = self.corr_conv  # published files hold it three times
        self.corr_fusion = DoubleXConv(2 * WIDTH)
        self.image_conv1 = nn.Sequential(nn.PixelUnshuffle(STRIDE), DoubleXConv(WIDTH))
        self.image_conv2 = DoubleXConv(WIDTH)
        self.refine_fusion = ConvBNReLU(feature_channels, WIDTH, 1)
        self.cross_attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.fusion1 = nn.Sequential(DoubleXConv(2 * WIDTH), DoubleXConv(WIDTH))
        self.all_fusion = DoubleXConv(2 * WIDTH)
        self.refine_fusion1 = DoubleXConv(WIDTH)
        self.refine_fusion2 = DoubleXConv(WIDTH)
        self.refine_pred = nn.Conv2d(WIDTH, 1, 3, padding=1)

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor, feature: Tensor) -> Tensor:
        """Normalised image Bx3xHxW with sides that 4 divides, clicks BxNx3, prev Bx1xHxW, feature -> Bx1xH/4xW/4."""
        maps = disk_maps(clicks, (image.shape[-2], image.shape[-1]), RADIUS_PX).to(image.dtype)
        seen = self.image_conv2(self.image_conv1(torch.cat((image, maps, prev), 1)))
        known = F.interpolate(self.refine_fusion(feature), seen.shape[-2:], mode="bilinear", align_corners=True)
        x = self.fusion1(torch.cat((known, seen), 1))
        templates = alike(x.detach(), clicks, (image.shape[-2], image.shape[-1]))
        related = self.corr_fusion(torch.cat([self._correlation(x, places) for places in templates], 1))
        every = x.flatten(2).transpose(1, 2)  # BxhwxC
        chosen = every.gather(1, torch.cat(templates, 1).unsqueeze(-1).expand(-1, -1, WIDTH))
        attended, _ = self.cross_attention(every, chosen, chosen, need_weights=False)
        x = x + attended.transpose(1, 2).reshape(x.shape)
        x = self.all_fusion(torch.cat((x, related), 1))
        logits: Tensor = self.refine_pred(self.refine_fusion2(self.refine_fusion1(x)))
        return logits

    def _correlation(self, x: Tensor, places: Tensor) -> Tensor:
        """BxCxhxw and the numbers of pixels BxK -> what all pixels have in common with each of them."""
        query, key = self.feature_convq(x).flatten(2), self.feature_convk(x).flatten(2)  # BxCxhw
        chosen = query.gather(2, places.unsqueeze(1).expand(-1, WIDTH, -1))  # BxCxK
        products = (chosen.transpose(1, 2) @ key).unflatten(2, x.shape[-2:])
        out: Tensor = self.corr_conv(F.pad(products, (0, 0, 0, 0, 0, WIDTH - products.shape[1])))
        return out


def alike(x: Tensor, clicks: Tensor, hw: tuple[int, int]) -> list[Tensor]:
    """BxCxhxw of an image of size hw, clicks BxNx3 in it -> which pixels are most like either side's, 2 of BxK numbers.

    A pixel is like the positive clicks if it resembles one of them, none of the negative ones, and lies near one; and
    the other way round.
    """
    height, width = x.shape[-2:]
    at = (clicks[..., :2] / STRIDE).round().long()
    number = at[..., 1].clamp(0, height - 1) * width + at[..., 0].clamp(0, width - 1)
    unit = F.normalize(x.flatten(2), dim=1)  # BxCxhw
    clicked = unit.gather(2, number.unsqueeze(1).expand(-1, x.shape[1], -1))
    similar = clicked.transpose(1, 2) @ unit  # BxNxhw
    distance = squared_distances(clicks, hw).sqrt() / math.hypot(*hw)  # Bx2xHxW
    distance = torch.where(distance.isinf(), 0.0, distance)  # a side without clicks is near nowhere, all alike
    near = 1 - F.interpolate(distance, (height, width), mode="bilinear", align_corners=True).flatten(2)
    sides = [(clicks[..., 2] == side).unsqueeze(-1) for side in (1, 0)]
    found = (torch.where(side, similar, -torch.inf).amax(1) for side in sides)
    positive, negative = (torch.where(best.isinf(), 0.0, best) for best in found)
    scores = (positive + 1 - negative) * near[:, 0], (negative + 1 - positive) * near[:, 1]
    return [score.topk(min(WIDTH, height * width), 1).indices for score in scores]


class EMCClick(ClickNet):
    """The base network, which answers the first click, and the correction network, which answers all."""

    def __init__(self, base: Segmenter) -> None:
        super().__init__()
        self.base = base
        self.refiner = Correction(base.head.feature_channels)  # type: ignore[arg-type]
        if base.backbone.__class__.__name__ == "MiT":  # published files lack the one and hold the other: both are idle
            del base.patch_embed_coords.maps_transform
            dim: int = base.backbone.size.dims[0]  # type: ignore[attr-defined]
            base.backbone.norm_add = nn.LayerNorm(dim, eps=1e-6)  # type: ignore[attr-defined]

    @property
    def backbone(self) -> nn.Module:
        """That of the base network."""
        return self.base.backbone  # type: ignore[return-value]

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads); prev Bx1xHxW prob -> logits Bx1xHxW."""
        return self.outputs(image, clicks, prev).logits

    def outputs(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Outputs:
        """Answer as forward, and the base network's own answer as auxiliary logits."""
        found = self.base.outputs(image, clicks, prev)
        given = prev.amax((1, 2, 3), keepdim=True) > 0
        prev = torch.where(given, prev, found.logits.detach().sigmoid())
        return Outputs(self.correct(image, clicks, prev, found), found.logits)

    def correct(self, image: Tensor, clicks: Tensor, prev: Tensor, found: Outputs) -> Tensor:
        """One click more on what the base network has found in the same image."""
        height, width = image.shape[-2:]
        image = (image - self.base.mean) / self.base.std
        padding = (0, -width % STRIDE, 0, -height % STRIDE)
        low = self.refiner(F.pad(image, padding), clicks, F.pad(prev, padding), found.feature)
        size = (height + padding[3], width + padding[1])
        return F.interpolate(low.float(), size, mode="bilinear", align_corners=True)[..., :height, :width]

    @torch.inference_mode()
    def look(self, photo: NDArray[Any], clicks: NDArray[np.float32]) -> Look:
        """The base network on a photo HxWx3 of 0 to 255 and the first positive of the clicks Nx3."""
        image = image_tensor(photo, self.base.mean.device)
        points = clicks_tensor(clicks, image.device)
        return Look(image, self.base.outputs(image, points, torch.zeros_like(image[:, :1])))

    @torch.inference_mode()
    def answer(self, look: Look, clicks: NDArray[np.float32], prob: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Clicks Nx3 and the previous mask HxW (None: that of the base network) -> logits HxW."""
        device = look.image.device
        prev = look.found.logits.sigmoid() if prob is None else map_tensor(prob, device)
        logits = self.correct(look.image, clicks_tensor(clicks, device), prev, look.found)
        return np.asarray(logits[0, 0].cpu().numpy(), np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """Holds what the base network has seen and found."""

    image: Tensor
    found: Outputs
