"""The array types that cross borders. Arrays outside the networks, tensors inside."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""HxWx3 uint8, RGB."""

Prob: TypeAlias = NDArray[np.float32]
"""HxW float32 in [0, 1]: how likely each pixel is to be the object."""

Mask: TypeAlias = NDArray[np.bool_]
"""HxW bool: `prob > threshold`."""

Truth: TypeAlias = NDArray[np.int8]
"""HxW int8: 1 object, 0 background, -1 not counted."""
