"""Clicks and previous mask as image channels, and how these enter a convolutional backbone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fewclicks.errors import InputError


@dataclass(frozen=True, slots=True)
class Prompt:
    """Clicks BxNx3 and previous mask Bx1xHxW -> BxchannelsxHxW: previous mask, positive clicks, negative clicks.

    With maps "first" there is one map only: the disk of the first positive click (EMC-Click).
    """

    radius_px: float = 5.0
    maps: str = "disk"
    with_prev: bool = True

    def __post_init__(self) -> None:
        if self.maps not in MAPS:
            raise InputError(f"maps of clicks are {', '.join(MAPS)}, got '{self.maps}'")
        if not 0 <= self.radius_px < math.inf or (self.radius_px == 0 and self.maps not in ("disk", "first")):
            raise InputError(f"radius_px must be a positive number of pixels, got {self.radius_px}")

    @property
    def channels(self) -> int:
        """Of the maps: 3, or 2 without the previous mask; one less for the first click alone, and for outlines."""
        return (1 if self.maps in ("first", "contour") else 2) + self.with_prev

    def __call__(self, clicks: Tensor, prev: Tensor) -> Tensor:
        """clicks BxNx3 (x, y, label 1 | 0, -1 pads) and prev Bx1xHxW -> BxchannelsxHxW, of prev's type."""
        draw = MAPS[self.maps]
        height, width = prev.shape[-2:]
        if self.maps == "first":
            positive = clicks[..., 2] == 1
            clicks = torch.where((positive & (positive.cumsum(1) == 1)).unsqueeze(-1), clicks, -1.0)
        maps = draw(clicks, (height, width), self.radius_px).to(prev.dtype)
        maps = maps[:, : self.channels - self.with_prev]
        return torch.cat((prev, maps), 1) if self.with_prev else maps


def disk_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 5.0) -> Tensor:
    """clicks BxNx3 (x, y, label 1 | 0, -1 pads) -> Bx2xHxW: 1 inside a disk around a positive | negative click.

    RITM (Sofiiuk et al., ICIP 2022); radius 5 in CFR-ICL. A pixel (i, j) lies in a disk when its squared distance to
    the click is <= radius_px ** 2; clicks may have fractions and may lie outside the map. Only the square around each
    click is computed, so that memory hardly grows with the number of clicks.
    """
    (height, width), reach = hw, math.floor(radius_px)
    around = torch.arange(-reach, reach + 2, device=clicks.device, dtype=torch.float32)  # K = 2 reach + 2
    x, y, label = clicks.float().unsqueeze(-1).unbind(-2)  # BxNx1
    rows, cols = y.floor() + around, x.floor() + around  # BxNxK
    hit = ((rows - y) ** 2).unsqueeze(-1) + ((cols - x) ** 2).unsqueeze(-2) <= radius_px**2  # BxNxKxK
    hit = hit & ((rows >= 0) & (rows < height)).unsqueeze(-1) & ((cols >= 0) & (cols < width)).unsqueeze(-2)
    label = label.unsqueeze(-1)  # BxNx1x1
    hit = hit & ((label == 1) | (label == 0))
    plane = torch.where(hit, 1 - label, 2.0)  # a third plane takes what lies in neither map
    index = (plane, torch.where(hit, rows.unsqueeze(-1), 0.0), torch.where(hit, cols.unsqueeze(-2), 0.0))
    picture = torch.arange(len(clicks), device=clicks.device).view(-1, 1, 1, 1)
    maps = torch.zeros(len(clicks), 3, height, width, 1, device=clicks.device)  # ONNX wants an axis without an index
    maps = maps.index_put((picture, *(i.long() for i in index)), torch.ones_like(plane).unsqueeze(-1))
    return maps.squeeze(-1)[:, :2]


def tanh_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 260.0) -> Tensor:
    """clicks BxNx3 -> Bx2xHxW: tanh(2 d / radius_px), d the distance to the nearest positive | negative click.

    1 where there is no such click (f-BRS, Sofiiuk et al., CVPR 2020).
    """
    return torch.tanh(2 * squared_distances(clicks, hw).sqrt() / radius_px)


def squared_distances(clicks: Tensor, hw: tuple[int, int]) -> Tensor:
    """clicks BxNx3 -> Bx2xHxW: of each pixel to the nearest positive | negative click, infinite where there is none."""
    rows, cols = (torch.arange(length, device=clicks.device, dtype=torch.float32) for length in hw)
    return squared_distances_at(clicks, rows, cols)


def squared_distances_at(clicks: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Measure as `squared_distances`, at the pixels alone that lie in these H rows and W columns -> Bx2xHxW."""
    rows = rows.view(-1, 1)
    nearest = torch.full((len(clicks), 2, len(rows), len(cols)), math.inf, device=clicks.device)
    polarities = torch.tensor([1.0, 0.0], device=clicks.device)
    for click in clicks.float().unbind(1):  # one by one: memory does not grow with the number of clicks
        x, y, label = click[:, :, None, None, None].unbind(1)  # Bx1x1x1
        squared = (rows - y) ** 2 + (cols - x) ** 2  # Bx1xHxW
        squared = torch.where(label == polarities.view(2, 1, 1), squared, math.inf)
        nearest = torch.minimum(nearest, squared)
    return nearest


def truncated_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 255.0) -> Tensor:
    """clicks BxNx3 -> Bx2xHxW in [0, 1]: the distance to the nearest positive | negative click, over `radius_px`.

    1 where it is farther away, or where there is none (DIOS, Xu et al., CVPR 2016: 255).
    """
    return (squared_distances(clicks, hw).sqrt() / radius_px).clamp(max=1.0)


def proximity_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 255.0) -> Tensor:
    """clicks BxNx3 -> Bx2xHxW in [0, 1]: 1 at a positive | negative click, 0 from `radius_px` on (BRS: 255)."""
    return 1 - truncated_maps(clicks, hw, radius_px)


def contour_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 10.0) -> Tensor:
    """clicks BxNx3, points of an outline whatever their label -> Bx1xHxW: a bump of width `radius_px` at each."""
    alike = torch.where(clicks[..., 2:] >= 0, torch.ones_like(clicks[..., 2:]), clicks[..., 2:])
    squared = squared_distances(torch.cat((clicks[..., :2], alike), -1), hw)[:, :1]
    return torch.exp(-squared / (2 * radius_px**2))


MAPS: Mapping[str, Callable[[Tensor, tuple[int, int], float], Tensor]] = {
    "disk": disk_maps, "first": disk_maps, "tanh": tanh_maps, "truncated": truncated_maps,
    "proximity": proximity_maps, "contour": contour_maps,
}  # fmt: skip
"""How clicks are drawn, by name."""


class ScaleLayer(nn.Module):
    """Multiplication by |scale|, one learnt number that begins small."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return x * self.scale.abs()


class MapsEmbedding(nn.Sequential):
    """Prompt maps BxCxHxW -> Bxoutputsxceil(H/2)xceil(W/2): RITM's "Conv1S"."""

    def __init__(self, channels: int, outputs: int = 64) -> None:
        super().__init__(
            nn.Conv2d(channels, 16, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, outputs, 3, 2, 1),
            ScaleLayer(),
        )
        self.apply(xavier_gluon)


class InputFusion(nn.Sequential):
    """Image and prompt maps Bx(3+channels)xHxW -> the Bx3xHxW that a backbone reads (f-BRS; "DMF" of RITM)."""

    def __init__(self, channels: int) -> None:
        inner = 6 + channels
        super().__init__(
            nn.Conv2d(3 + channels, inner, 1), nn.LeakyReLU(0.2), nn.BatchNorm2d(inner), nn.Conv2d(inner, 3, 1)
        )
        self.apply(xavier_gluon)


def xavier_gluon(module: nn.Module) -> None:
    """Fresh weights of a convolution or BatchNorm as RITM draws them, for `nn.Module.apply`.

    Glorot & Bengio (AISTATS 2010) in the form of MXNet: normal, variance 2 / mean(fan in, fan out); biases 0.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight, gain=math.sqrt(2))
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
