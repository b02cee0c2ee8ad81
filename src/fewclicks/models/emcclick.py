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
from fewclicks.models.prompt import Prompt, disk_maps, squared_distances_at
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
        if not self.training:
            return self.share(x).relu_()
        return F.relu(self.norm2(self.conv1x1(self.conv3x3_2(self.norm1(self.conv3x3_1(x))))))

    def joined(self, *parts: Tensor) -> Tensor:
        """Forward of the parts' channels one after another; for inference without putting them together."""
        if self.training:
            out: Tensor = self(torch.cat(parts, 1))
            return out
        first, *others = parts
        x, begin = self.share(first), first.shape[1]
        for part in others:
            x = self.share(part, begin, onto=x)
            begin += part.shape[1]
        return x.relu_()

    def share(self, x: Tensor, begin: int = 0, onto: Tensor | None = None) -> Tensor:
        """Some of the input's channels, those from `begin` on, BxCxhxw -> their share of the sum before the ReLU.

        The first ones bring its bias along. `onto`: the shares of others, Bx96xhxw, to which it is added; they stay.

        For inference. Up to there all is linear, and the channels meet in the 1x1 convolution only; the norms, which
        then are fixed numbers, are multiplied into the convolutions before them. That convolution is a product of
        matrices, whose rows are pixels: so no copy is made of what lies channels last.
        """
        some, first, second = slice(begin, begin + x.shape[1]), self.conv3x3_1, self.conv3x3_2
        factor, shift = scale_and_shift(self.norm1, first.bias)
        factor, shift = factor[some], shift[some]
        x = F.conv2d(x, first.weight[some] * factor.view(-1, 1, 1, 1), shift, padding=1, groups=x.shape[1])
        x = F.conv2d(x, second.weight[some], second.bias[some], padding=1, groups=x.shape[1])  # type: ignore[index]
        factor, shift = scale_and_shift(self.norm2, self.conv1x1.bias)
        weight = self.conv1x1.weight[:, some].flatten(1) * factor.unsqueeze(1)
        pixels = rows_of(x).flatten(0, 1)
        if onto is not None:
            mixed = torch.addmm(rows_of(onto).flatten(0, 1), pixels, weight.T)
        else:
            mixed = F.linear(pixels, weight, None if begin else shift)
        return as_map(mixed, x.shape[-2:])


def rows_of(x: Tensor) -> Tensor:
    """BxCxhxw -> BxhwxC, a row for each pixel; no copy of what lies channels last."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, x.shape[1])


def as_map(rows: Tensor, hw: tuple[int, ...]) -> Tensor:
    """The inverse of `rows_of`: BxhwxC, or as many rows -> BxCxhxw, channels last."""
    return rows.reshape(-1, *hw, rows.shape[-1]).permute(0, 3, 1, 2)


def scale_and_shift(norm: nn.BatchNorm2d, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """A fixed BatchNorm after a convolution with this bias: by what the weights are multiplied, and what is added."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    before = norm.running_mean if bias is None else norm.running_mean - bias
    return factor, norm.bias - before * factor


@dataclass(frozen=True, slots=True)
class Known:
    """Holds what depends on the photo alone, for every correction: shares of two layers' sums."""

    image: Tensor
    """Of the photo, in that of the layer that reads photo, clicks and mask."""
    feature: Tensor
    """Of the base network's feature, in that of the layer that joins it with them."""


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
        if not self.training:
            return self.correct(self.known(image, feature), clicks, prev)
        hw = (image.shape[-2], image.shape[-1])
        maps = disk_maps(clicks, hw, RADIUS_PX).to(image.dtype)
        seen = self.image_conv2(self.image_conv1(torch.cat((image, maps, prev), 1)))
        return self._answer(self.fusion1(torch.cat((self._known(feature, seen.shape[-2:]), seen), 1)), clicks, hw)

    def known(self, image: Tensor, feature: Tensor) -> Known:
        """For inference: what forward makes of image and feature alone."""
        unshuffled = unshuffle(image)
        at_feature = channels_last(self._known(feature, unshuffled.shape[-2:]))
        return Known(self.image_conv1[1].share(unshuffled), self.fusion1[0].share(at_feature))  # type: ignore[operator]

    def correct(self, known: Known, clicks: Tensor, prev: Tensor) -> Tensor:
        """For inference: forward, with what it makes of the image and the feature already known."""
        hw = (prev.shape[-2], prev.shape[-1])
        maps = disk_maps(clicks, hw, RADIUS_PX).to(prev.dtype)
        asked = unshuffle(torch.cat((maps, prev), 1))
        reads, joins = self.image_conv1[1], self.fusion1[0]
        seen = self.image_conv2(reads.share(asked, WIDTH - asked.shape[1], known.image).relu_())  # type: ignore[operator]
        joined = joins.share(seen, WIDTH, known.feature).relu_()  # type: ignore[operator]
        return self._answer(self.fusion1[1](joined), clicks, hw)

    def _known(self, feature: Tensor, hw: tuple[int, ...]) -> Tensor:
        return F.interpolate(self.refine_fusion(feature), hw, mode="bilinear", align_corners=True)

    def _answer(self, x: Tensor, clicks: Tensor, hw: tuple[int, int]) -> Tensor:
        """All that was seen BxCxhxw, and the clicks in an image of size hw -> logits."""
        places = alike(x.detach(), clicks, hw)
        every, size = rows_of(x), x.shape[-2:]
        sides = [every.gather(1, place.unsqueeze(-1).expand(-1, -1, WIDTH)) for place in places]
        related = self.corr_fusion.joined(*(self.corr_conv(self._products(every, side, size)) for side in sides))
        attended = as_map(every + self._attended(every, torch.cat(sides, 1)), size)
        x = self.all_fusion.joined(attended, related)
        return self._predicted(self.refine_fusion2(self.refine_fusion1(x)))

    def _predicted(self, x: Tensor) -> Tensor:
        """The last convolution, 3x3 to one channel: what each pixel gives to its neighbors, added up there.

        As one product of matrices that takes a third of the time.
        """
        if self.training:
            logits: Tensor = self.refine_pred(x)
            return logits
        bias = self.refine_pred.bias
        assert bias is not None
        given = self.refine_pred.weight[0].flip(1, 2).flatten(1)  # Cx9
        there = F.fold((rows_of(x) @ given).transpose(1, 2), x.shape[-2:], 3, padding=1)
        return there + bias

    def _products(self, every: Tensor, chosen: Tensor, hw: tuple[int, ...]) -> Tensor:
        """All pixels BxhwxC and K <= 96 chosen ones BxKxC -> Bx96xhxw: what each has in common with each of them.

        That is the product of two linear maps of them. It is less work to apply both maps to the few.
        """
        query = F.linear(chosen, self.feature_convq.weight.flatten(1), self.feature_convq.bias)
        bias = self.feature_convk.bias
        assert bias is not None
        both = query @ self.feature_convk.weight.flatten(1)
        products = torch.baddbmm((query @ bias).unsqueeze(1), every, both.transpose(1, 2))
        missing = WIDTH - products.shape[2]
        return as_map(F.pad(products, (0, missing)) if missing else products, hw)

    def _attended(self, every: Tensor, chosen: Tensor) -> Tensor:
        """All pixels BxhwxC look at the chosen ones BxKxC -> BxhwxC: `cross_attention`, which would copy them."""
        layer = self.cross_attention
        weights, biases = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
        query, key, value = (
            F.linear(x, weight, bias).view(*x.shape[:2], HEADS, -1).transpose(1, 2)
            for x, weight, bias in zip((every, chosen, chosen), weights, biases, strict=True)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = layer.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


def channels_last(x: Tensor) -> Tensor:
    """The same with its channels next to each other in memory, as convolutions of few channels each like it."""
    return x.contiguous(memory_format=torch.channels_last)


def unshuffle(x: Tensor) -> Tensor:
    """BxCxHxW -> Bx16CxH/4xW/4, as `pixel_unshuffle`, channels last with one copy."""
    batch, channels, height, width = x.shape
    squares = x.reshape(batch, channels, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
    rows = squares.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * STRIDE**2)
    return as_map(rows, (height // STRIDE, width // STRIDE))


def alike(x: Tensor, clicks: Tensor, hw: tuple[int, int]) -> list[Tensor]:
    """BxCxhxw of an image of size hw, clicks BxNx3 in it -> which pixels are most like either side's, 2 of BxK numbers.

    A pixel is like the positive clicks if it resembles one of them, none of the negative ones, and lies near one; and
    the other way round.
    """
    height, width = x.shape[-2:]
    at = (clicks[..., :2] / STRIDE).round().long()
    number = at[..., 1].clamp(0, height - 1) * width + at[..., 0].clamp(0, width - 1)
    every = x.flatten(2).transpose(1, 2)  # BxhwxC
    clicked = F.normalize(every.gather(1, number.unsqueeze(-1).expand(-1, -1, x.shape[1])), dim=-1)
    length = torch.linalg.vector_norm(every, dim=-1, keepdim=True).clamp(min=1e-12)
    similar = (every @ clicked.transpose(1, 2) / length).transpose(1, 2)  # BxNxhw
    near = 1 - distances(clicks, hw, (height, width)).flatten(2) / math.hypot(*hw)  # Bx2xhw
    sides = [(clicks[..., 2] == side).unsqueeze(-1) for side in (1, 0)]
    found = (torch.where(side, similar, -torch.inf).amax(1) for side in sides)
    positive, negative = (torch.where(best.isinf(), 0.0, best) for best in found)
    scores = (positive + 1 - negative) * near[:, 0], (negative + 1 - positive) * near[:, 1]
    return [score.topk(min(WIDTH, height * width), 1).indices for score in scores]


def distances(clicks: Tensor, hw: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Distances to the nearest click of either side in an image of size hw, reduced bilinearly (corners aligned).

    clicks BxNx3 -> Bx2xheightxwidth, 0 for a side without clicks. Only pixels that the reduction
    reads are looked at.
    """
    places, weights = [], []
    for long, short in zip(hw, size, strict=True):
        at = torch.arange(short, device=clicks.device) * ((long - 1) / max(short - 1, 1))
        low = at.floor()
        places.append(torch.stack((low, (low + 1).clamp(max=long - 1))).flatten())  # 2 x short
        weights.append(at - low)
    found = squared_distances_at(clicks, *places).sqrt()
    found = torch.where(found.isinf(), 0.0, found)  # a side without clicks is near nowhere, all alike
    found = found.reshape(len(clicks), 2, 2, size[0], 2, size[1])
    down, across = weights[0].view(-1, 1, 1), weights[1]
    found = found[:, :, 0] * (1 - down) + found[:, :, 1] * down
    reduced: Tensor = found[..., 0, :] * (1 - across) + found[..., 1, :] * across
    return reduced


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
        low = self.refiner(self._normalized(image), clicks, self._padded(prev), found.feature)
        return self._enlarged(low, prev)

    @torch.inference_mode()
    def look(self, photo: NDArray[Any], clicks: NDArray[np.float32]) -> Look:
        """The base network on a photo HxWx3 of 0 to 255 and the first positive of the clicks Nx3."""
        image = image_tensor(photo, self.base.mean.device)
        points = clicks_tensor(clicks, image.device)
        found = self.base.outputs(image, points, torch.zeros_like(image[:, :1]))
        assert found.feature is not None
        return Look(found.logits, self.refiner.known(self._normalized(image), found.feature))

    @torch.inference_mode()
    def answer(self, look: Look, clicks: NDArray[np.float32], prob: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Clicks Nx3 and the previous mask HxW (None: that of the base network) -> logits HxW."""
        device = look.logits.device
        prev = look.logits.sigmoid() if prob is None else map_tensor(prob, device)
        low = self.refiner.correct(look.known, clicks_tensor(clicks, device), self._padded(prev))
        return np.asarray(self._enlarged(low, prev)[0, 0].cpu().numpy(), np.float32)

    def _normalized(self, image: Tensor) -> Tensor:
        return self._padded((image - self.base.mean) / self.base.std)

    def _padded(self, x: Tensor) -> Tensor:
        """BxCxHxW with zeros at the bottom and the right, until `STRIDE` divides its sides."""
        padding = (0, -x.shape[-1] % STRIDE, 0, -x.shape[-2] % STRIDE)
        return F.pad(x, padding) if any(padding) else x

    def _enlarged(self, low: Tensor, like: Tensor) -> Tensor:
        """Logits of the padded image at the correction's resolution -> Bx1xHxW, of the size of `like`."""
        height, width = like.shape[-2:]
        size = (height + -height % STRIDE, width + -width % STRIDE)
        return F.interpolate(low.float(), size, mode="bilinear", align_corners=True)[..., :height, :width]


@dataclass(frozen=True, slots=True)
class Look:
    """Holds what the base network has found, Bx1xHxW logits, and what corrections need to know of the photo."""

    logits: Tensor
    known: Known
