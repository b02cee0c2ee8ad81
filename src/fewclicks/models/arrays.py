"""From the arrays of predictors to the tensors of networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def image_tensor(photo: NDArray[Any], device: torch.device) -> Tensor:
    """HxWx3 of 0 to 255 -> 1x3xHxW in [0,1]."""
    return torch.from_numpy(photo.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)).to(device)


def clicks_tensor(clicks: NDArray[np.float32], device: torch.device) -> Tensor:
    """Clicks Nx3 (x, y, label) -> 1xNx3, with a pad where there is none."""
    rows = clicks if len(clicks) else np.array([[0, 0, -1]], np.float32)
    return torch.from_numpy(np.array(rows[None], np.float32)).to(device)


def map_tensor(values: NDArray[np.float32], device: torch.device) -> Tensor:
    """HxW -> 1x1xHxW, a copy: the array may be read-only."""
    return torch.from_numpy(np.array(values[None, None], np.float32)).to(device)
