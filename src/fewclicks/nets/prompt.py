"""Clicks and previous mask as image channels: the disk maps of RITM (CVPRW 2022), radius 5 in CFR-ICL."""

import torch
from torch import Tensor


def disk_maps(clicks: Tensor, hw: tuple[int, int], radius_px: float = 5.0) -> Tensor:
    """clicks BxNx3 (x, y, label 1 | 0, -1 pads) -> Bx2xHxW: 1 inside a disk around a positive | negative click.

    A pixel (i, j) lies in a disk when its squared distance to the click is <= radius_px ** 2; clicks may have
    fractions and may lie outside the map.
    """
    rows = torch.arange(hw[0], device=clicks.device, dtype=torch.float32)
    cols = torch.arange(hw[1], device=clicks.device, dtype=torch.float32)
    x, y, label = clicks.float().unbind(-1)  # BxN
    dy2 = (rows - y.unsqueeze(-1)) ** 2  # BxNxH
    dx2 = (cols - x.unsqueeze(-1)) ** 2  # BxNxW
    inside = dy2.unsqueeze(-1) + dx2.unsqueeze(-2) <= radius_px**2  # BxNxHxW
    polarity = torch.stack((label == 1, label == 0), 1)  # Bx2xN
    hit = inside.unsqueeze(1) & polarity[..., None, None]  # Bx2xNxHxW
    return hit.any(2).float()


def prompt_maps(clicks: Tensor, prev: Tensor, radius_px: float = 5.0) -> Tensor:
    """clicks BxNx3 and prev Bx1xHxW -> Bx3xHxW: previous mask, positive disks, negative disks."""
    height, width = prev.shape[-2:]
    return torch.cat((prev, disk_maps(clicks, (height, width), radius_px).to(prev.dtype)), 1)
