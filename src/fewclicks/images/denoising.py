"""Clean a photo that a network was not trained for: sensor noise, and the blocks of a JPEG file of low quality.

A photo of good quality comes back as it is, the same array. Both limits were chosen on the validation split, of whose
photos, as they are, none is over them (docs/robustness.md).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.types import Image

NOISE = 9.0
"""Standard deviation of the noise in grey levels of 256 from which on a photo is cleaned."""
BLOCKS = 1.4
"""How much steeper the borders of JPEG's blocks are than what is between them, from which on a photo is cleaned."""

VISIBLE = 1.0
"""Blocks that differ by fewer grey levels from their neighbours do not count."""

MOST_PX = 3_000_000
"""Photos of more pixels are left as they are."""
ENOUGH_PX = 500_000
"""About so many pixels of a photo tell what it is like."""

_STRIP_PX = 64
_BLOCK_PX = 16
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
"""The difference of two Laplacians: blind to edges that are straight (Immerkær 1996)."""


def denoised(image: Image) -> Image:
    """Smooth a noisy HxWx3 uint8 photo but for its edges (bilateral filter); others are returned themselves.

    So are large ones: shown at a network's size, their noise averages out.
    """
    if image.shape[0] * image.shape[1] > MOST_PX:
        return image
    some = _strips(image)
    noise = noise_level(some)
    if noise >= NOISE:
        return _smoothed(image, 6 * noise)
    if blockiness(some) >= BLOCKS:
        return _smoothed(image, 60)
    return image


def _strips(image: Image) -> Image:
    """Strips of rows that JPEG's blocks fill, evenly spread: enough to tell from."""
    height, width = image.shape[:2]
    every = -(-height * width // ENOUGH_PX)
    if every == 1 or height < every * _STRIP_PX:
        return image
    return np.concatenate([image[y : y + _STRIP_PX] for y in range(0, height - _STRIP_PX + 1, every * _STRIP_PX)])


def noise_level(image: Image) -> float:
    """Estimate the standard deviation of the noise of an HxWx3 uint8 photo, in grey levels.

    By the calmest tenth of its blocks of 16x16 pixels, black and white ones left out: what is drawn there is not taken
    for noise, unless a photo is nothing but fine texture. 0 for photos of less than a block.
    """
    height, width = (side // _BLOCK_PX for side in image.shape[:2])
    if not height or not width:
        return 0.0
    whole = np.ascontiguousarray(image[: height * _BLOCK_PX, : width * _BLOCK_PX])
    response = np.abs(cv2.filter2D(whole, cv2.CV_16S, _LAPLACIANS)).astype(np.float32)
    rough, bright = (
        cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA).mean(2).ravel() for each in (response, whole)
    )
    usual = (bright > _BLOCK_PX) & (bright < 255 - _BLOCK_PX)
    calm = np.percentile(rough[usual] if usual.sum() >= 8 else rough, 10)
    return float(calm * np.sqrt(np.pi / 2) / 6)


def blockiness(image: Image) -> float:
    """Tell how much steeper every eighth step from pixel to pixel is than the others, in the smoother direction.

    About 1 for photos without JPEG's blocks, and for those that were resized after; 1 for photos of under 32 pixels.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.int16)
    return min(_steps(grey), _steps(grey.T))


def _steps(grey: NDArray[np.int16]) -> float:
    if min(grey.shape) < 32:
        return 1.0
    steps = np.abs(np.diff(grey, axis=1)).mean(0)
    border = np.arange(len(steps)) % 8 == 7
    # Medians, for the drawn edges of a screenshot may happen to lie on some of the borders.
    across, within = float(np.median(steps[border])), float(np.median(steps[~border]))
    return across / max(within, 0.1) if across - within >= VISIBLE else 1.0


def _smoothed(image: Image, color: float) -> Image:
    return np.asarray(cv2.bilateralFilter(np.ascontiguousarray(image), 9, color, 4))
