"""The cheapest cut between object and background of a photo (Boykov and Jolly, ICCV 2001), by SciPy's maximum flow.

SciPy is under the BSD license and well kept. PyMaxflow, which is made for pictures, is under the GPL; OR-tools asks for
other versions of what fewclicks is built on; OpenCV's graph is within `grabCut`, which fits its own colors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import MissingExtra

Floats = NDArray[np.float64]
UNITS = 1000
"""Costs are counted in thousandths: SciPy's flow is in whole numbers."""
MOST = 2**31 - 1
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Each pixel's neighbors to the right and below, as (rows, columns); the others are theirs."""
CERTAIN = 1e6
"""A cost that no cut pays: of a pixel that has to be on one side."""


def require_scipy(what: str) -> None:
    """MissingExtra, naming the pip command, unless SciPy is there."""
    try:
        import scipy.sparse.csgraph  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra(f"{what} needs scipy; install it with: pip install 'fewclicks[classical]'") from None


def neighbors(height: int, width: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], float]]:
    """Yield for each of `OFFSETS` the numbers of the pixels, those of their neighbors, and the distance of the two."""
    numbers = np.arange(height * width).reshape(height, width)
    for down, across in OFFSETS:
        left, right = max(0, -across), width - max(0, across)
        first = numbers[: height - down, left:right]
        second = numbers[down:, left + across : right + across]
        yield first.ravel(), second.ravel(), float(np.hypot(down, across))


@dataclass(frozen=True, slots=True)
class Borders:
    """The pairs of neighbors in a photo, and what a border between them costs: 1 where nothing changes, 0 at an edge.

    It depends on the photo alone: several cuts of one photo share it.
    """

    first: NDArray[np.int64]
    """The numbers of pixels, and below those of their neighbors: each pair stands here once."""
    second: NDArray[np.int64]
    contrast: Floats

    @classmethod
    def of(cls, image: Floats) -> Borders:
        """Tell those of a HxWxC image.

        exp(-|difference|^2 / twice its mean), over the distance of the pixels, as in GrabCut (Rother et al., SIGGRAPH
        2004).
        """
        height, width = image.shape[:2]
        flat = image.reshape(height * width, -1)
        pairs = list(neighbors(height, width))
        first, second = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
        far = np.concatenate([np.full(len(pair[0]), pair[2]) for pair in pairs])
        square = ((flat[first] - flat[second]) ** 2).sum(1)
        scale = 2 * float(square.mean()) if square.any() else 1.0
        return cls(first, second, np.exp(-square / scale) / far)


def cut(cost: Floats, borders: Borders, smoothness: float) -> NDArray[np.bool_]:
    """Return the HxW mask that costs least: `cost` of its pixels, and `smoothness` times the contrast of its border.

    HxW `cost` is that of the object less that of the background: negative where a pixel looks like the object,
    +-`CERTAIN` where it has to be on one side. Only the others are nodes of the graph.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    flat = cost.ravel()
    mask = flat <= -CERTAIN
    open_ = np.abs(flat) < CERTAIN
    count = int(open_.sum())
    source, sink, nodes = count, count + 1, np.arange(count)
    node = np.where(mask, source, sink)
    node[open_] = nodes
    ends = node[borders.first], node[borders.second]
    room = in_units(smoothness * borders.contrast)
    # What a node costs at either terminal: its own cost, and its borders with pixels that are certain.
    to_source, to_sink = in_units(-flat[open_].clip(max=0)), in_units(flat[open_].clip(min=0))
    for one, other in (ends, ends[::-1]):
        for terminal, sum_ in ((source, to_source), (sink, to_sink)):
            here = (one < count) & (other == terminal)
            sum_ += np.bincount(one[here], room[here], count).astype(np.int64)
    inner = (ends[0] < count) & (ends[1] < count)
    first, second, between = ends[0][inner], ends[1][inner], room[inner]
    tails = np.concatenate((np.full(count, source), nodes, first, second))
    heads = np.concatenate((nodes, np.full(count, sink), second, first))
    capacity = np.minimum(np.concatenate((to_source, to_sink, between, between)), MOST).astype(np.int32)
    used = capacity > 0
    graph = csr_array((capacity[used], (tails[used], heads[used])), shape=(count + 2, count + 2))
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)  # what the object's side still can reach
    object_ = np.zeros(count + 2, bool)
    object_[reached] = True
    mask[open_] = object_[:count]
    return np.asarray(mask.reshape(cost.shape))


def in_units(costs: Floats) -> NDArray[np.int64]:
    """Costs in `UNITS`, whole numbers."""
    return np.rint(costs * UNITS).astype(np.int64)
