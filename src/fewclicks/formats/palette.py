"""The colours of Pascal VOC: id 1 is dark red, 2 dark green, 3 olive, 255 (not counted) beige."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def voc_palette() -> NDArray[np.uint8]:
    """256x3: the bits of an id, from the lowest, go in turn to red, green and blue, from their highest bit down."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= (((ids >> bit) & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours


def colour_of(index: int) -> tuple[int, int, int]:
    """A colour for the label of this index, from 0 on."""
    red, green, blue = voc_palette()[1 + index % 254].tolist()
    return red, green, blue
