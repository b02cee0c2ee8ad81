"""FocalClick's two steps (Chen et al., CVPR 2022), arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fewclicks.errors import InputError
from fewclicks.models.arrays import clicks_tensor, image_tensor, map_tensor
from fewclicks.models.segmenter import Outputs, Segmenter

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Focal:
    """A network with a refiner; InputError for one without."""

    net: Segmenter

    def __post_init__(self) -> None:
        if not hasattr(self.net, "refiner"):
            raise InputError("these weights have no refiner; FocalClick's have: take --method ritm, or others")

    @torch.inference_mode()
    def look(self, photo: NDArray[Any], clicks: Floats, prev: Floats) -> Outputs:
        """The coarse step: a crop HxWx3 of 0 to 255, clicks Nx3 and previous mask HxW in it."""
        device = self.net.mean.device
        return self.net.outputs(image_tensor(photo, device), clicks_tensor(clicks, device), map_tensor(prev, device))

    @torch.inference_mode()
    def refine(
        self,
        photo: NDArray[Any],
        clicks: Floats,
        found: Outputs,
        box: tuple[float, float, float, float],
        hw: tuple[int, int],
    ) -> Floats:
        """The local step on another crop, with the clicks in it -> logits at size hw.

        `box` says where the crop lies in what the coarse step saw: left, top, right, bottom, in pixels.
        """
        boxes = torch.tensor([box], dtype=torch.float32)
        device = self.net.mean.device
        refined = self.net.refine(image_tensor(photo, device), clicks_tensor(clicks, device), found, boxes)
        logits = F.interpolate(refined.logits, hw, mode="bilinear", align_corners=True)
        return np.asarray(logits[0, 0].cpu().numpy(), np.float32)
