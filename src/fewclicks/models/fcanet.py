"""FCA-Net (Lin et al., "Interactive Image Segmentation with First Click Attention", CVPR 2020).

The first click says most about the object, and so has a branch of its own beside the ResNet; both meet before the ASPP
of a DeepLabV3+. There is no previous mask. Images are read as they are, in [0,1]; clicks as Gaussians. The names, order
and shapes of the weights are the published ones. Sizes: resnet, res2net; and tiny, for trying out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.prompt import squared_distances
from fewclicks.models.resnet import Bottleneck
from fewclicks.models.segmenter import ClickNet, Outputs

SIGMA_PX, FIRST_SIGMA_PX = 10.0, 30.0
"""Width at half the height of the Gaussians of all clicks, and of the first one's."""

FAR_PX = 255.0
"""Distances are cut off here."""

MULTI_GRID = (2, 4, 8)
"""Dilations of the last stage's blocks."""

RATES = (0, 6, 12, 18)
DIM = 256
SIDE_DIM = 48
"""Channels that the fine features keep in the decoder."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    blocks: tuple[int, int, int, int]
    res2net: bool = False


SIZES = {"resnet": Size((3, 4, 23, 3)), "res2net": Size((3, 4, 23, 3), True), "tiny": Size((1, 1, 1, 1))}


def build_net(size: str = "resnet") -> FCANet:
    """An FCA-Net of size resnet, res2net or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no fcanet of size '{size}'; there are: {', '.join(SIZES)}")
    return FCANet(SIZES[size])


class Res2Block(nn.Module):
    """A bottleneck whose 3x3 convolution is three on a quarter of the channels each, one after the other.

    Gao et al., "Res2Net", TPAMI 2021, 26w x 4s. In the first block of a stage they stand beside each other.
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        outputs, part, dilation = 4 * width, width * 26 // 64, dilations[0]
        self.first = stride != 1 or inputs != outputs
        self.conv1 = nn.Conv2d(inputs, 4 * part, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4 * part)
        self.pool = nn.AvgPool2d(3, stride, 1) if self.first else nn.Identity()
        self.convs = nn.ModuleList(nn.Conv2d(part, part, 3, stride, dilation, dilation, bias=False) for _ in range(3))
        self.bns = nn.ModuleList(nn.BatchNorm2d(part) for _ in range(3))
        self.conv3 = nn.Conv2d(4 * part, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if self.first:
            pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            self.downsample = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxC'xH/stridexW/stride."""
        *parts, last = F.relu(self.bn1(self.conv1(x))).chunk(4, 1)
        done: list[Tensor] = []
        for part, conv, norm in zip(parts, self.convs, self.bns, strict=True):
            done.append(F.relu(norm(conv(part if self.first or not done else done[-1] + part))))
        y = self.bn3(self.conv3(torch.cat((*done, self.pool(last)), 1)))
        return F.relu(y + self.downsample(x))


class Pre(nn.Module):
    """Image and Gaussians -> the first stage's features at 1/4."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv1: nn.Module = nn.Conv2d(5, 64, 7, 2, 3, bias=False)
        if size.res2net:
            first = (nn.Conv2d(5, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
            second = (nn.Conv2d(32, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
            self.conv1 = nn.Sequential(*first, *second, nn.Conv2d(32, 64, 3, 1, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = stage(size, 0, 64, 1, (1,))

    def forward(self, x: Tensor) -> Tensor:
        """Bx5xHxW -> Bx256xH/4xW/4."""
        out: Tensor = self.layer1(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1))
        return out


class Last(nn.Module):
    """The other three stages, at 1/16."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layer2 = stage(size, 1, 256, 2, (1,))
        self.layer3 = stage(size, 2, 512, 2, (1,))
        self.layer4 = stage(size, 3, 1024, 1, MULTI_GRID)

    def forward(self, x: Tensor) -> Tensor:
        """Bx256xH/4xW/4 -> Bx2048xH/16xW/16."""
        out: Tensor = self.layer4(self.layer3(self.layer2(x)))
        return out


def stage(size: Size, number: int, inputs: int, stride: int, dilations: tuple[int, ...]) -> nn.Sequential:
    """The blocks of one stage, with these dilations one after the other."""
    block = Res2Block if size.res2net else Bottleneck
    width = 64 << number
    blocks: list[nn.Module] = []
    for i in range(size.blocks[number]):
        dilation = dilations[i % len(dilations)]
        blocks.append(block(4 * width if i else inputs, width, 1 if i else stride, (dilation, dilation)))
    return nn.Sequential(*blocks)


def conv_bn_relu(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """kxk convolution without bias, BatchNorm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class FirstBranch(nn.Module):
    """The first stage's features and the first click -> what they say of the object, at 1/16."""

    def __init__(self) -> None:
        super().__init__()
        dims = (257, 256, 256, 256, 512, 512, 512)
        strides = (2, 1, 1, 2, 1, 1)
        self.convs = nn.ModuleList(nn.Sequential(*conv_bn_relu(dims[i], dims[i + 1], 3, strides[i])) for i in range(6))

    def forward(self, x: Tensor) -> Tensor:
        """Bx257xh xw -> Bx512xh/4xw/4."""
        for conv in self.convs:
            x = conv(x)
        return x


class Atrous(nn.Module):
    """1x1 convolution, or 3x3 with a dilation; BatchNorm, ReLU."""

    def __init__(self, inputs: int, rate: int) -> None:
        super().__init__()
        self.atrous_conv = nn.Conv2d(inputs, DIM, 3 if rate else 1, padding=rate, dilation=rate or 1, bias=False)
        self.bn = nn.BatchNorm2d(DIM)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx256xhxw."""
        return F.relu(self.bn(self.atrous_conv(x)))


class ASPP(nn.Module):
    """Mixes what is here, farther and farther around, and in the whole picture."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.aspp1, self.aspp2, self.aspp3, self.aspp4 = (Atrous(inputs, rate) for rate in RATES)
        self.global_avg_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(inputs, DIM, 1))
        self.conv1 = nn.Conv2d(5 * DIM, DIM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(DIM)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx256xhxw."""
        parts = [self.aspp1(x), self.aspp2(x), self.aspp3(x), self.aspp4(x)]
        parts.append(self.global_avg_pool(x).expand(-1, -1, *x.shape[-2:]))
        out: Tensor = self.dropout(F.relu(self.bn1(self.conv1(torch.cat(parts, 1)))))
        return out


class Decoder(nn.Module):
    """The coarse features beside the fine ones, at 1/4."""

    def __init__(self) -> None:
        super().__init__()
        self.side_conv = nn.Sequential(*conv_bn_relu(256, SIDE_DIM, 1))
        second = (nn.Dropout(0.1), *conv_bn_relu(DIM, DIM))
        self.merge_conv = nn.Sequential(*conv_bn_relu(DIM + SIDE_DIM, DIM), *second[1:], second[0])

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Bx256xhxw, Bx256xHxW -> Bx256xHxW."""
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=True)
        out: Tensor = self.merge_conv(torch.cat((coarse, self.side_conv(fine)), 1))
        return out


class PredDecoder(nn.Module):
    """Two 3x3 convolutions, then a logit for each position."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        inner = inputs // 2
        self.pred_conv = nn.Sequential(
            *conv_bn_relu(inputs, inner), *conv_bn_relu(inner, inner), nn.Conv2d(inner, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> Bx1xhxw."""
        out: Tensor = self.pred_conv(x)
        return out


class FCANet(ClickNet):
    """Image and clicks -> logits; the first click counts for more than the others."""

    lr_factors: Mapping[str, float] = {}

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.backbone_pre = Pre(size)
        self.backbone_last = Last(size)
        self.my_aspp = ASPP(2048 + 512)
        self.my_decoder = Decoder()
        self.pred_decoder = PredDecoder(DIM)
        self.first_conv = FirstBranch()
        self.first_pred_decoder = PredDecoder(512)  # in training it judges the first click's branch

    @property
    def backbone(self) -> nn.Module:
        """The larger part of the ResNet."""
        return self.backbone_last

    def forward(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Tensor:
        """image Bx3xHxW in [0,1]; clicks BxNx3 (x, y, label 1|0, -1 pads), oldest first -> logits Bx1xHxW."""
        return self.outputs(image, clicks, prev).logits

    def outputs(self, image: Tensor, clicks: Tensor, prev: Tensor) -> Outputs:
        """Answer as forward, and what the first click alone says as auxiliary logits. `prev` is not looked at."""
        hw = (image.shape[-2], image.shape[-1])
        positive = clicks[..., 2] == 1
        first = torch.where((positive & (positive.cumsum(1) == 1)).unsqueeze(-1), clicks, -1.0)
        near = gaussians(squared_distances(clicks, hw), SIGMA_PX).to(image.dtype)
        near_first = gaussians(squared_distances(first, hw)[:, :1], FIRST_SIGMA_PX).to(image.dtype)
        return self.from_maps(image, near, near_first)

    def from_maps(self, image: Tensor, near: Tensor, near_first: Tensor) -> Outputs:
        """Image Bx3xHxW, Gaussians Bx2xHxW of the positive | negative clicks, and Bx1xHxW of the first one."""
        hw = image.shape[-2:]
        fine = self.backbone_pre(torch.cat((image, near), 1))
        at = F.interpolate(near_first, fine.shape[-2:], mode="bilinear", align_corners=True)
        first = self.first_conv(torch.cat((fine, at), 1))
        coarse = self.my_aspp(torch.cat((first, self.backbone_last(fine)), 1))
        logits = self.pred_decoder(self.my_decoder(coarse, fine))
        aux = self.first_pred_decoder(first) if self.training else None
        return Outputs(*(None if x is None else _enlarged(x, hw) for x in (logits, aux)))  # type: ignore[arg-type]


def gaussians(squared: Tensor, sigma_px: float) -> Tensor:
    """Squared distances -> 1 at a click, 1/2 at half of sigma_px from it, 0 far away."""
    return torch.exp(-4 * math.log(2) * squared.clamp(max=FAR_PX**2) / sigma_px**2)


def _enlarged(x: Tensor, hw: torch.Size) -> Tensor:
    return F.interpolate(x.float(), hw, mode="bilinear", align_corners=True)
