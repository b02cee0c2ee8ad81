"""Which brightness a stored value has: the one rule for 16 bits, 32 bits and float, grey or colour.

| values                                                        | become                                   |
|---------------------------------------------------------------|------------------------------------------|
| 8 bits                                                        | themselves                               |
| float, all in [0, 1]                                          | v * 255                                  |
| integer or float in 0..65535 that span half of that or more   | v / 257                                  |
| others                                                        | smallest..largest -> 0..255              |
| any, with levels (LOW, HIGH)                                  | LOW..HIGH -> 0..255, cut off beyond      |
| NaN, inf, what the file calls "no data"                       | black                                    |

The channels of a color picture share one range, so that colors stay; what is fully transparent has no say in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError

Levels: TypeAlias = tuple[float, float]
"""The stored values that become black and white."""

BAND_VALUES = 2**20
"""Values that are worked on at once."""


def require_levels(levels: Levels) -> Levels:
    """Return two finite numbers, the first below the second, as they are; InputError for anything else."""
    try:
        low, high = (float(value) for value in levels)
    except (TypeError, ValueError):
        raise InputError(f"levels are two numbers, black and white, got {levels!r}; pass (LOW, HIGH)") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"levels go from black up to white, got {low:g} and {high:g}; pass LOW below HIGH")
    return low, high


def parse_levels(text: str) -> Levels:
    """Read "LOW,HIGH", as "0,4095"; InputError for anything else."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"'{text}' are no levels; write LOW,HIGH, as 0,4095") from None
    return require_levels((low, high))


def to_eight_bits(
    values: NDArray[Any], levels: Levels | None = None, counted: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Bring HxW or HxWxC values of any numeric type to 0..255 by the table above.

    `counted` (HxW): the pixels whose values decide the range; None: all.
    """
    if values.dtype == np.uint8 and levels is None:
        return values
    low, high = levels or _range(values, counted)
    found = np.empty(values.shape, np.uint8)
    for rows in _bands(values):
        scaled, finite = _finite(values[rows])
        if high > low:
            scaled = (scaled - low) * (255 / (high - low))
        scaled[~finite] = 0
        found[rows] = np.rint(np.clip(scaled, 0, 255))
    return found


def _range(values: NDArray[Any], counted: NDArray[np.bool_] | None) -> Levels:
    """The values that become 0 and 255."""
    low, high = math.inf, -math.inf
    for rows in _bands(values):
        scaled, deciding = _finite(values[rows])
        if counted is not None:
            deciding &= counted[rows] if values.ndim == 2 else counted[rows][..., None]
        low = min(low, float(scaled.min(where=deciding, initial=np.inf)))
        high = max(high, float(scaled.max(where=deciding, initial=-np.inf)))
    if values.dtype.kind == "f" and 0 <= low <= high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 65535 and high - low >= 32768:
        return 0.0, 65535.0
    if high > low:
        return low, high
    return 0.0, 255.0  # one value only: as it is, cut off beyond


def _finite(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values with 0 for what is no number, and where they are numbers."""
    finite = np.isfinite(values)
    return np.where(finite, values, 0).astype(np.float64), finite


def _bands(values: NDArray[Any]) -> Iterator[slice]:
    """Rows that are worked on at once: a large picture would take many times its size in float64."""
    step = max(1, BAND_VALUES // max(1, values[0].size if len(values) else 1))
    for start in range(0, len(values), step):
        yield slice(start, start + step)
