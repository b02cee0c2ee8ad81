"""What CDNet (Chen et al., ICCV 2021) adds to DeepLabV3+: clicks spread over alike features and alike pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.models.deeplab import SepConvHead
from fewclicks.models.prompt import disk_maps
from fewclicks.models.segmenter import Backbone, ClickNet, Segmenter

RADIUS_PX = 24.0
"""Of the clicks' disks on features."""

CONFIDENT = 0.8
"""Above this probability a position speaks for its side as a click does."""

LATENT = 4
"""Masks of the latent head: so many guesses at what the clicks may mean, of which training needs one to be right."""

DILATIONS = (1, 2, 4, 8)
STEPS = 5
UNSURE = 0.25
"""Up to here a mask in [-1, 1] says nothing to other pixels."""

CLICK = 10.0
"""What a clicked pixel says, where a mask says up to 1."""


class FeatureDiffusion(nn.Module):
    """Positions gather from those that a click, or a sure first guess, put on their own side."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gate_head_pos = SepConvHead(dim, dim, 1)
        self.t, self.p, self.g, self.z = (nn.Conv2d(dim, dim, 1, bias=False) for _ in range(4))
        self.bn = nn.BatchNorm2d(dim)
        self.z2 = nn.Conv2d(dim, dim, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor, clicks: Tensor, hw: tuple[int, int]) -> Tensor:
        """BxCxhxw features of an image of size hw, clicks BxNx3 in its frame -> BxCxhxw."""
        on = self.gate(x)
        if not self.training:  # here the gate learns through what it lets pass, not by a loss of its own
            on = on.detach()
        disks = disk_maps(clicks, hw, RADIUS_PX).to(x.dtype)
        disks = F.interpolate(disks, x.shape[-2:], mode="bilinear", align_corners=True)
        query, key, value = self.t(x), self.p(x), self.g(x)
        # A factor on all products with a key is a factor on the key: the matrix of attention need not be made.
        positive, negative = (
            side * attend(query, key * (disk + (side > CONFIDENT)), value)
            for disk, side in zip(disks.chunk(2, 1), (on, 1 - on), strict=True)
        )
        out: Tensor = x + self.bn(self.z(positive)) + self.bn2(self.z2(negative))
        return out

    def gate(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx1xhxw: the probability of the object, a first guess."""
        probability: Tensor = self.gate_head_pos(x).sigmoid()
        return probability


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention without scale between the positions of three maps BxCxhxw -> BxCxhxw."""
    q, k, v = (x.flatten(2).transpose(1, 2).unsqueeze(1) for x in (query, key, value))  # Bx1xNxC
    mixed = F.scaled_dot_product_attention(q, k, v, scale=1.0)
    return mixed.squeeze(1).transpose(1, 2).reshape(value.shape)


class DiffusionHead(SepConvHead):
    """The head of DeepLabV3+, and beside it the parts that do not run in a forward of the network.

    `latent_head`, on the same features, is for training; `PDM` comes after the network.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim // 2, 2)
        self.latent_head = SepConvHead(dim, dim // 2, 2, LATENT)
        self.PDM = PixelDiffusion()


class PixelDiffusion(nn.Module):
    """Sharpens logits with the image: each pixel takes the mask of neighbours of its colour, several times.

    The affinities are those of Araslanov & Roth (CVPR 2020). The kernels are constants that checkpoints hold.
    """

    def __init__(self) -> None:
        super().__init__()
        self.aff_x, self.aff_m, self.aff_std = (Kernel(kind) for kind in ("difference", "neighbour", "all"))

    def forward(self, logits: Tensor, image: Tensor, clicks: Tensor, radius_px: float = 5.0) -> Tensor:
        """logits Bx1xHxW, image Bx3xHxW in [0,1], clicks BxNx3 -> logits Bx1xHxW."""
        height, width = image.shape[-2:]
        mask: Tensor = 2 * logits.sigmoid() - 1
        positive, negative = disk_maps(clicks, (height, width), radius_px).chunk(2, 1)
        said = torch.where(mask.abs() > UNSURE, mask, 0.0) + CLICK * (positive - negative)
        spread = self.aff_std(image).std(2, keepdim=True)  # Bx3x1xHxW
        alike = -self.aff_x(image).abs() / (1e-8 + 0.1 * spread)
        share = alike.mean(1, keepdim=True).softmax(2)  # Bx1x32xHxW
        for _ in range(STEPS):
            said = (self.aff_m(said) * share).sum(2)
        return said + mask


class Kernel(nn.Module):
    """Looks at the 3x3 pixels around each, at several distances."""

    kernel: Tensor

    def __init__(self, kind: str) -> None:
        super().__init__()
        around = torch.eye(9).view(9, 1, 3, 3)
        if kind != "all":
            centre = around[4:5]
            around = torch.cat((around[:4], around[5:]))
            around = centre - around if kind == "difference" else around
        self.register_buffer("kernel", around)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxCxPxHxW, P = kernels x distances; pixels beyond the border are as those on it."""
        batch, channels, height, width = x.shape
        planes = x.reshape(batch * channels, 1, height, width)
        seen = [F.conv2d(F.pad(planes, (d,) * 4, "replicate"), self.kernel, dilation=d) for d in DILATIONS]
        return torch.cat(seen, 1).reshape(batch, channels, -1, height, width)


class WithPixelDiffusion(ClickNet):
    """A CDNet whose logits are those after the pixel diffusion."""

    def __init__(self, net: Segmenter) -> None:
        super().__init__()
        if not isinstance(net.head, DiffusionHead):
            raise InputError("this network has no pixel diffusion; CDNet's have: take pixel_diffusion=false")
        self.net, self.diffusion = net, net.head.PDM

    @property
    def backbone(self) -> Backbone:
        """That of the network."""
        return self.net.backbone

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads) -> logits Bx1xHxW."""
        logits: Tensor = self.diffusion(self.net(image, clicks, prev), image, clicks)
        return logits
