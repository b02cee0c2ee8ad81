"""HRNet (Wang et al., TPAMI 2020) with OCR, as in RITM (Sofiiuk et al., ICIP 2022), f-BRS (CVPR 2020), FocalClick.

A fine branch runs through the whole network; coarser ones join it one by one, and all exchange what they know after
each module. Sizes: 18s, 18, 32; and tiny, for trying out. The names, order and shapes of the weights are those of the
published checkpoints, with the prefixes of models/key_maps.py. Sides of any length are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import UnknownName
from fewclicks.models.key_maps import Pairs, ours
from fewclicks.models.ocr import OCR, conv_bn
from fewclicks.models.pretrained import fill
from fewclicks.models.prompt import MapsEmbedding, xavier_gluon

STEM = 64
"""Channels of the first two convolutions."""


@dataclass(frozen=True, slots=True)
class Size:
    """The numbers in which the networks differ."""

    width: int
    """Channels of the finest branch; each coarser one has twice as many."""
    ocr_width: int
    blocks: int
    """Residual blocks of a branch within a module, and of the part before the branches."""
    modules: tuple[int, int, int]
    """Modules of the stages with 2, 3 and 4 branches."""


SIZES = {
    "18s": Size(18, 48, 2, (1, 3, 2)),
    "18": Size(18, 64, 4, (1, 4, 3)),
    "32": Size(32, 128, 4, (1, 4, 3)),
    "tiny": Size(8, 8, 1, (1, 1, 1)),
}

IMAGENET: Pairs = (("module.", ""), ("model.", ""))
"""Prefixes that files of HRNetV2 trained on ImageNet may put before our names."""

UNUSED = ("incre_modules.", "downsamp_modules.", "final_layer.", "classifier.", "last_layer.")
"""What those files hold beside the trunk: the classifier's parts, by prefix."""


def build(size: str = "18") -> HRNet:
    """An HRNet of size 18s, 18, 32 or tiny with fresh weights; UnknownName for any other."""
    if size not in SIZES:
        raise UnknownName(f"no hrnet of size '{size}'; there are: {', '.join(SIZES)}")
    return HRNet(SIZES[size])


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around which the input passes (He et al., CVPR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxCxhxw."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        return F.relu(y + x, inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around which the input passes, four times as wide outside as inside."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        outputs = 4 * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None if inputs == outputs else nn.Sequential(*conv_bn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """BxCxhxw -> BxDxhxw."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


def downward(inputs: int, outputs: int, steps: int) -> nn.Sequential:
    """`steps` convolutions to half the resolution each; only the last changes the width and has no ReLU."""
    parts = []
    for step in range(1, steps + 1):
        last = step == steps
        part = conv_bn(inputs, outputs if last else inputs, 3, stride=2)
        parts.append(nn.Sequential(*part) if last else nn.Sequential(*part, nn.ReLU(inplace=True)))
    return nn.Sequential(*parts)


class Module(nn.Module):
    """Parallel branches, finest first, then each gets the sum of all at its own resolution."""

    def __init__(self, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w) for _ in range(blocks))) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._path(widths, source, target) for source in range(len(widths)))
            for target in range(len(widths))
        )

    @staticmethod
    def _path(widths: tuple[int, ...], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(*conv_bn(widths[source], widths[target]))
        return downward(widths[source], widths[target], target - source)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """[BxC_ixh_ixw_i] -> the same shapes."""
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for target, paths in enumerate(self.fuse_layers):
            shares: list[Tensor] = []
            for source, (path, x) in enumerate(zip(paths, features, strict=True)):  # type: ignore[call-overload]
                shares.append(enlarge(path(x), features[target]) if source > target else path(x))
            fused.append(F.relu(sum(shares[1:], start=shares[0])))
        return fused


class Transition(nn.ModuleList):
    """Branches -> one branch more: a new one from the coarsest, others adapted only where their width changes."""

    def __init__(self, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        paths: list[nn.Module] = []
        for i, width in enumerate(outputs):
            if i == len(inputs):
                paths.append(nn.Sequential(nn.Sequential(*conv_bn(inputs[-1], width, 3, stride=2), nn.ReLU(True))))
            elif inputs[i] != width:
                paths.append(nn.Sequential(*conv_bn(inputs[i], width, 3), nn.ReLU(True)))
            else:
                paths.append(nn.Identity())
        super().__init__(paths)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """n features, finest first -> n + 1."""
        return [path(x) for path, x in zip(self, [*features, features[-1]], strict=True)]


class HRNet(nn.Module):
    """The trunk: two strided convolutions, between which the embedded prompt is added, and four branches."""

    multiple = 1
    pads = True
    fusions = ("add", "input")
    lr_factors: Mapping[str, float] = {"backbone.": 0.1, "head.cls_head.": 0.1, "head.aux_head.": 0.1}
    """As RITM's code trains: not only the pretrained trunk learns slowly, but also the two last layers of the OCR."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.conv1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        widths = tuple(size.width << i for i in range(4))
        self.layer1 = nn.Sequential(*(Bottleneck(4 * STEM if i else STEM, STEM) for i in range(size.blocks)))
        self.transition1 = Transition((4 * STEM,), widths[:2])
        self.stage2 = self._stage(widths[:2], size.modules[0])
        self.transition2 = Transition(widths[:2], widths[:3])
        self.stage3 = self._stage(widths[:3], size.modules[1])
        self.transition3 = Transition(widths[:3], widths)
        self.stage4 = self._stage(widths, size.modules[2])
        self.apply(xavier_gluon)

    def _stage(self, widths: tuple[int, ...], modules: int) -> nn.Sequential:
        return nn.Sequential(*(Module(widths, self.size.blocks) for _ in range(modules)))

    def forward(self, image: Tensor, coords: Tensor | None) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt Bx64xH/2xW/2 or None -> features at 1/4, 1/8, 1/16, 1/32."""
        x = F.relu(self.bn1(self.conv1(image)))
        if coords is not None:
            x = x + coords
        x = F.relu(self.bn2(self.conv2(x)))
        features = self.stage2(self.transition1([self.layer1(x)]))
        features = self.stage3(self.transition2(features))
        result: list[Tensor] = self.stage4(self.transition3(features))
        return result

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Prompt maps BxchannelsxHxW -> Bx64xH/2xW/2."""
        return MapsEmbedding(channels, STEM)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """All branches side by side at 1/4, and the OCR on them."""
        return Aggregation(), OCR(15 * self.size.width, self.size.ocr_width)


class Aggregation(nn.Module):
    """Branches -> one map at the finest resolution."""

    def forward(self, features: list[Tensor]) -> Tensor:
        """[BxC_ixh_ixw_i], finest first -> Bxsum(C_i)xh_0xw_0."""
        finest = features[0]
        return torch.cat([finest, *(enlarge(x, finest) for x in features[1:])], 1)


def enlarge(x: Tensor, finer: Tensor) -> Tensor:
    """BxCxhxw -> BxCxHxW by bilinear interpolation between the corners, HxW those of `finer`."""
    return F.interpolate(x, finer.shape[-2:], mode="bilinear", align_corners=True)


def load_pretrained(backbone: HRNet, tensors: Mapping[str, Tensor]) -> None:
    """Fill the trunk with HRNetV2 weights trained on ImageNet, the classifier left aside.

    CheckpointError where a tensor is missing, unknown or of another shape; the backbone is then as it was.
    """
    values = {ours(ours(key, IMAGENET[:1]), IMAGENET[1:]): value for key, value in tensors.items()}
    fill(backbone, values, "an HRNetV2 trained on ImageNet", UNUSED)
