"""The all-MLP head of SegFormer (Xie et al., NeurIPS 2021), as FocalClick (Chen et al., CVPR 2022) uses it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fewclicks.models.segmenter import Outputs


class Projection(nn.Module):
    """A linear layer on the channels of a map."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)


class ConvBN(nn.Module):
    """1x1 convolution without bias, and BatchNorm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)


class SegFormerHead(nn.Module):
    """All scales to one width and to the finest resolution, fused, one logit per position."""

    def __init__(self, in_dims: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.feature_channels = dim
        self.scales = len(in_dims)
        for i, inputs in reversed(list(enumerate(in_dims, 1))):
            self.add_module(f"linear_c{i}", Projection(inputs, dim))
        self.linear_fuse = ConvBN(self.scales * dim, dim)
        self.linear_pred = nn.Conv2d(dim, 1, 1)
        self.dropout = nn.Dropout2d(0.1)

    def forward(self, features: list[Tensor]) -> Outputs:
        """Features, finest first, BxCixhixwi -> logits Bx1xh0xw0 and the fused feature Bxdimxh0xw0."""
        shares = self.linear_fuse.conv.weight.flatten(1).chunk(self.scales, 1)  # the coarsest scale has the first
        fused = None
        for i, (x, share) in enumerate(zip(features, reversed(shares), strict=True), 1):
            linear: nn.Linear = getattr(self, f"linear_c{i}").proj
            # Both layers are 1x1 convolutions, which commute with bilinear upsampling: they run on the small map.
            x = F.linear(linear(x.movedim(1, -1)), share).movedim(-1, 1)
            size = x.shape[-2:] if fused is None else fused.shape[-2:]
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
            fused = x if fused is None else fused + x
        feature = self.dropout(F.relu(self.linear_fuse.bn(fused)))
        return Outputs(self.linear_pred(feature), feature=feature)
