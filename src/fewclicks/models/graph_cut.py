"""The cheapest cut between object and background of a photo (Boykov and Jolly, ICCV 2001), by SciPy's maximum flow.

SciPy is under the BSD license and well kept. PyMaxflow, which is made for pictures, is under the GPL; OR-tools asks for
other versions of what fewclicks is built on; OpenCV's graph is within `grabCut`, which fits its own colors. Dinic's
method takes 0.2 s for the 40,000 pixels that the methods work on.
"""

from __future__ import annotations

from collections.abc import Iterator

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


def contrasts(image: Floats) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Yield pixels, their neighbors, and what a border between them costs: 1 where nothing changes, 0 at an edge.

    HxWxC image. exp(-|difference|^2 / twice its mean), over the distance of the pixels, as in GrabCut (Rother et al.,
    SIGGRAPH 2004).
    """
    height, width = image.shape[:2]
    flat = image.reshape(height * width, -1)
    links = [
        (first, second, ((flat[first] - flat[second]) ** 2).sum(1), far)
        for first, second, far in neighbors(height, width)
    ]
    squares = np.concatenate([square for _, _, square, _ in links])
    scale = 2 * float(squares.mean()) if len(squares) and squares.any() else 1.0
    for first, second, square, far in links:
        yield first, second, np.exp(-square / scale) / far


def cut(cost: Floats, image: Floats, smoothness: float) -> NDArray[np.bool_]:
    """Return the HxW mask that costs least: `cost` of its pixels, and `smoothness` times the contrast of its border.

    HxW `cost` is that of the object less that of the background: negative where a pixel looks like the object,
    +-`CERTAIN` where it has to be on one side.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    height, width = cost.shape
    count = height * width
    source, sink, pixels = count, count + 1, np.arange(count)
    flat = np.clip(cost.ravel(), -CERTAIN, CERTAIN)
    tails = [np.full(count, source), pixels]
    heads = [pixels, np.full(count, sink)]
    room = [np.maximum(-flat, 0), np.maximum(flat, 0)]
    for first, second, contrast in contrasts(image):
        tails += [first, second]
        heads += [second, first]
        room += [smoothness * contrast] * 2
    capacity = np.minimum(np.rint(np.concatenate(room) * UNITS), MOST).astype(np.int32)
    used = capacity > 0
    ends = np.concatenate(tails)[used], np.concatenate(heads)[used]
    graph = csr_array((capacity[used], ends), shape=(count + 2, count + 2))
    left = graph - maximum_flow(graph, source, sink).flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)  # what the object's side still can reach
    mask = np.zeros(count + 2, bool)
    mask[reached] = True
    return np.asarray(mask[:count].reshape(height, width))
