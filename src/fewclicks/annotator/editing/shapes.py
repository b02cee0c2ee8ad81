"""Pixels within what a hand has drawn: strokes, polygons, a part of an outline that was drawn anew."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fewclicks.annotator.editing.actions import Brushed, Outlined, Painted
from fewclicks.annotator.editing.brush import OFF, ON, painted
from fewclicks.errors import InputError
from fewclicks.formats.polygon_masks import box_of, by_edges
from fewclicks.geometry import Box
from fewclicks.types import Mask


def covers(drawn: Painted, hw: tuple[int, int]) -> Iterator[tuple[int, Box, Mask]]:
    """Give the pixels of a photo of size `hw` that join the object (ON) or leave it (OFF), as a box and its mask."""
    if isinstance(drawn, Brushed):
        found = painted(drawn, hw)
        if found:
            yield OFF if drawn.erase else ON, *found
    elif isinstance(drawn, Outlined):
        within = polygon(drawn.points, hw)
        if within:
            yield OFF if drawn.erase else ON, *within
    else:
        before, after = polygon(drawn.before, hw), polygon(drawn.after, hw)
        for side, more, less in ((OFF, before, after), (ON, after, before)):
            found = _without(more, less)
            if found:
                yield side, *found


def polygon(points: tuple[tuple[float, float], ...], hw: tuple[int, int]) -> tuple[Box, Mask] | None:
    """The pixels of a photo whose centres lie within a polygon, by even-odd, as a box and its mask; None for none."""
    ring = np.array(points, np.float64) + 0.5
    box = box_of([ring], hw)
    if box is None:
        return None
    try:
        mask = by_edges([ring - (box.x0, box.y0)], box.hw)
    except ValueError as error:
        raise InputError(f"the polygon cannot be filled: it is {error}; draw it in parts") from None
    return (box, mask) if mask.any() else None


def _without(more: tuple[Box, Mask] | None, less: tuple[Box, Mask] | None) -> tuple[Box, Mask] | None:
    """The pixels of one that the other does not have."""
    if more is None:
        return None
    box, mask = more
    both = box.intersection(less[0]) if less else None
    if less and both:
        mask = mask.copy()
        mask[both.relative_to(box).slices] &= ~less[1][both.relative_to(less[0]).slices]
    return (box, mask) if mask.any() else None
