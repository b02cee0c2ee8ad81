"""Object-contextual representations (Yuan et al., ECCV 2020) for one class, as in RITM (Sofiiuk et al., ICIP 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.errors import InputError
from fewclicks.models.prompt import xavier_gluon
from fewclicks.models.segmenter import Outputs


def conv_bn(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> list[nn.Module]:
    """kxk convolution without bias and BatchNorm."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)]


class ConvBNReLU(nn.Sequential):
    """1x1 convolution without bias, BatchNorm, ReLU, in the nesting of published names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        conv, norm = conv_bn(inputs, outputs)
        super().__init__(conv, nn.Sequential(norm, nn.ReLU()))


class ObjectContext(nn.Module):
    """The object's vector -> what every pixel gets of it.

    Pixels attend to objects; there is one, so that each attends to it by exactly 1 and `f_pixel` and `f_object`, of
    which the attention is made, have no influence and never run. Published checkpoints hold them.
    """

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.f_pixel, self.f_object = (
            nn.Sequential(*ConvBNReLU(channels, key_channels), *ConvBNReLU(key_channels, key_channels))
            for _ in range(2)
        )
        self.f_down = ConvBNReLU(channels, key_channels)
        self.f_up = ConvBNReLU(key_channels, channels)

    def forward(self, vector: Tensor) -> Tensor:
        """BxCx1x1 -> BxCx1x1; InputError in training where B is 1, for BatchNorm would see one value a channel."""
        if self.training and len(vector) == 1:
            raise InputError("HRNet's OCR learns from 2 or more samples at a time; raise batch or lower accumulate")
        context: Tensor = self.f_up(self.f_down(vector))
        return context


class OCRDistribution(nn.Module):
    """Hands the object's context to every pixel and mixes it with the pixel's own features."""

    def __init__(self, channels: int, key_channels: int) -> None:
        super().__init__()
        self.object_context_block = ObjectContext(channels, key_channels)
        self.conv_bn_dropout = nn.Sequential(*ConvBNReLU(2 * channels, channels), nn.Dropout2d(0.05))

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """BxCxhxw features and the object's BxCx1x1 -> BxCxhxw."""
        # The context is the same at all pixels: its half of the 1x1 convolution is computed once.
        conv, norm, dropout = self.conv_bn_dropout
        of_context, of_pixel = conv.weight.chunk(2, 1)  # type: ignore[operator]
        mixed = F.conv2d(x, of_pixel) + F.conv2d(self.object_context_block(vector), of_context)
        out: Tensor = dropout(norm(mixed))
        return out


class OCR(nn.Module):
    """A coarse mask gathers the object's vector, the pixels get it back, and a 1x1 convolution gives the logits."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.feature_channels = 2 * width
        self.conv3x3_ocr = nn.Sequential(
            nn.Conv2d(channels, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True)
        )
        self.ocr_distri_head = OCRDistribution(2 * width, width)
        self.cls_head = nn.Conv2d(2 * width, 1, 1)
        self.aux_head = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, 1, 1)
        )
        self.apply(xavier_gluon)

    def forward(self, x: Tensor) -> Outputs:
        """BxCxhxw -> logits and auxiliary logits Bx1xhxw, and the feature Bx2widthxhxw."""
        aux: Tensor = self.aux_head(x)
        pixels: Tensor = self.conv3x3_ocr(x)
        share = torch.softmax(aux.flatten(2), -1)  # Bx1xhw: where the object is
        vector = (pixels.flatten(2) @ share.transpose(1, 2)).unsqueeze(-1)  # BxDx1x1
        feature: Tensor = self.ocr_distri_head(pixels, vector)
        return Outputs(self.cls_head(feature), aux, feature)
