"""Photos and masks from files: `read_image`, `read_mask`, `read_picture`; the other files make pixels of bytes.

The names are imported when they are first used: many need `levels` alone, and no decoder.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewclicks.images.reading import read_image, read_mask, read_picture

__all__ = ["read_image", "read_mask", "read_picture"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("fewclicks.images.reading"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
