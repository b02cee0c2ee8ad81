"""The refiner of FocalClick (Chen et al., CVPR 2022): details of a crop, from the crop itself and a coarse mask.

A whole FocalClick network is a Segmenter with `refiner`: the Segmenter alone is the coarse step; its `outputs` on the
whole object are what the local step, `Segmenter.refine`, reads around the last change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError, UnknownName
from fewclicks.models.prompt import disk_maps

RADIUS_PX = 5.0
"""Of the clicks' disks that the refiner reads, whatever the coarse network's are."""

WIDTH = 32
"""Channels of the refiner."""

VARIANTS = ("focalclick", "focalclick_gate")


def build_refiner(variant: str, feature_channels: int) -> Refiner:
    """A refiner with fresh weights; UnknownName for a variant other than the two of FocalClick.

    "focalclick"       as published beside HRNet
    "focalclick_gate"  as published beside SegFormer: it also holds `feature_gate`, which never runs
    """
    if variant not in VARIANTS:
        raise UnknownName(f"no refiner '{variant}'; there are: {', '.join(VARIANTS)}")
    return Refiner(feature_channels, gate=variant == "focalclick_gate")


@dataclass(frozen=True, slots=True)
class Refined:
    """Holds what the local step has to say, each Bx1xhxw in the frame of the crop."""

    logits: Tensor
    """The refiner's own where the trimap says so, else the coarse ones."""
    trimap: Tensor
    """Logits of: here is detail, the refiner decides."""
    coarse: Tensor
    """The coarse logits, cut out and enlarged."""


class ConvBNReLU(nn.Module):
    """kxk convolution, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxDxH/stridexW/stride, rounded up."""
        return F.relu(self.norm(self.conv(x)))


class XConv(nn.Module):
    """Depthwise 3x3 and 1x1 convolution (Chollet, "Xception", CVPR 2017), BatchNorm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3x3 = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)
        self.conv1x1 = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxCxHxW."""
        return F.relu(self.norm(self.conv1x1(self.conv3x3(x))))


class Refiner(nn.Module):
    """Crop, clicks, coarse mask and coarse feature -> logits of the crop."""

    def __init__(self, feature_channels: int, gate: bool = False) -> None:
        super().__init__()
        self.image_conv1 = ConvBNReLU(6, WIDTH, 3, 2)
        self.image_conv2 = XConv(WIDTH)
        self.image_conv3 = XConv(WIDTH)
        self.refine_fusion = ConvBNReLU(feature_channels, WIDTH, 1)
        self.refine_fusion2 = XConv(WIDTH)
        self.refine_fusion3 = XConv(WIDTH)
        if gate:
            self.feature_gate = nn.Sequential(nn.Conv2d(WIDTH, 1, 1), nn.Sigmoid())
        self.refine_pred = nn.Conv2d(WIDTH, 1, 3, 1, 1)
        self.refine_trimap = nn.Conv2d(WIDTH, 1, 3, 1, 1)

    def forward(self, image: Tensor, clicks: Tensor, feature: Tensor, logits: Tensor, boxes: Tensor) -> Refined:
        """Crop Bx3xhxw in [0,1], clicks BxNx3 in its frame, the rest in that of the coarse step -> Bx1xhxw.

        feature BxCxH'xW' and logits Bx1xHxW are those of `Segmenter.outputs`; boxes Bx4 (left, top, right, bottom) say
        where the crop lies in HxW, in pixels.
        """
        height, width = image.shape[-2:]
        if boxes.shape != (len(image), 4):
            raise InputError(
                f"the refiner needs one box (left, top, right, bottom) per image, got {tuple(boxes.shape)}"
            )
        coarse = roi_align(logits, boxes, (height, width))
        stride = math.ceil(logits.shape[-1] / feature.shape[-1])  # rounded, for the feature may be of a padded image
        feature = roi_align(feature, boxes / stride, (feature.shape[-2], feature.shape[-1]))
        maps = disk_maps(clicks, (height, width), RADIUS_PX).to(image.dtype)
        x = torch.cat((image, maps, coarse.sigmoid()), 1)  # Bx6xhxw
        x = self.image_conv3(self.image_conv2(self.image_conv1(x)))  # at half the crop's resolution
        x = x + F.interpolate(self.refine_fusion(feature), x.shape[-2:], mode="bilinear", align_corners=True)
        x = self.refine_fusion3(self.refine_fusion2(x))
        detail, trimap = (
            F.interpolate(conv(x).float(), (height, width), mode="bilinear", align_corners=True)
            for conv in (self.refine_pred, self.refine_trimap)
        )
        share = trimap.sigmoid()
        return Refined(detail * share + coarse * (1 - share), trimap, coarse)


def roi_align(x: Tensor, boxes: Tensor, hw: tuple[int, int]) -> Tensor:
    """BxCxHxW, boxes Bx4 (left, top, right, bottom) in its pixels -> BxCxhxw: each picture's box, enlarged or shrunk.

    RoIAlign of Mask R-CNN (He et al., ICCV 2017) with half-pixel centres: each bin is the mean of bilinear samples, as
    many along a side as the bin has pixels, rounded up. Rows and columns are sampled apart, as two matrix products.
    """
    cut = []
    for picture, box in zip(x, boxes.tolist(), strict=True):
        left, top, right, bottom = box
        rows = _sampling(top, bottom, hw[0], picture.shape[-2]).to(picture)
        cols = _sampling(left, right, hw[1], picture.shape[-1]).to(picture)
        cut.append(rows @ picture @ cols.T)
    return torch.stack(cut)


def _sampling(start: float, end: float, bins: int, pixels: int) -> Tensor:
    """binsxpixels: the weights with which pixels enter each bin of an interval. Beyond a pixel outside, zero."""
    step = (end - start) / bins
    count = max(1, math.ceil(step))
    at = start - 0.5 + step * (torch.arange(bins * count) + 0.5) / count  # of the samples, pixel centres at integers
    inside = (at >= -1) & (at <= pixels)
    nearness = 1 - (at.clamp(0, pixels - 1)[:, None] - torch.arange(pixels)).abs()
    return (nearness.clamp_min(0) * inside[:, None]).reshape(bins, count, pixels).mean(1)
