"""Neutro-connectedness (Xian, Zhang, Cheng, Xu, Ding, IEEE TIP 2016): how well each pixel hangs together with seeds.

Two pixels are connected by the path between them whose weakest link is strongest. Such a path has two values: its
truth, the strength of that link, and its indeterminacy, how uncertain the ground is that it runs over. All best paths
of a photo lie in one tree, the maximum spanning tree of its links, which is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.models.graph_cut import neighbors
from fewclicks.types import Image

Floats = NDArray[np.float64]
BEGIN = 1.0
"""What a step from the seeds costs; links cost more. SciPy takes 0 for no link."""


@dataclass(frozen=True, slots=True)
class Connectedness:
    """Of each pixel of a HxW photo, with a set of seeds."""

    truth: Floats
    """In [0, 1]: the strength of the weakest link on the best path to a seed; 1 at seeds, 0 where there are none."""
    indeterminacy: Floats
    """In [0, 1]: the mean over that path of how uncertain the ground is."""
    seed: NDArray[np.int64]
    """The number of the seed that the path leads to; -1 where there are none."""


@dataclass(frozen=True, slots=True)
class Forest:
    """The maximum spanning tree of a photo, and how uncertain the ground is at each of its pixels."""

    tree: Any
    """A csr_array of the links, each by its cost: `BEGIN` + its weakness."""
    ground: Floats
    """HxW in [0, 1]: how much the photo changes around a pixel."""
    scale: float
    """The weakness of a link whose strength is exp(-1)."""

    @classmethod
    def grown(cls, image: Floats, ground: Floats, doubt: float = 0.0) -> Forest:
        """Grow the tree of a HxWxC image, in which a link is as weak as the colors at its ends differ."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import minimum_spanning_tree

        height, width = image.shape[:2]
        flat = image.reshape(height * width, -1)
        trust = 1 - doubt * ground.ravel()
        links = [
            (a, b, np.linalg.norm(flat[a] - flat[b], axis=1) * np.sqrt(trust[a] * trust[b]))
            for a, b, _ in neighbors(height, width)
        ]
        first, second, weakness = (np.concatenate(parts) for parts in zip(*links, strict=True))
        tree = minimum_spanning_tree(csr_array((BEGIN + weakness, (first, second)), shape=(flat.shape[0],) * 2))
        return cls(tree, ground, max(float(weakness.mean()), 1e-6) if len(weakness) else 1.0)

    def connect(self, seeds: NDArray[np.bool_]) -> Connectedness:
        """How each pixel is connected with the nearest of these HxW seeds."""
        from scipy.sparse import coo_array, csr_array
        from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

        count, hw = self.ground.size, self.ground.shape
        begins = np.flatnonzero(seeds)
        if not len(begins):
            return Connectedness(np.zeros(hw), np.ones(hw), np.full(hw, -1))
        # Every seed hangs on one root more; the tree of all that holds the best path from the root to each pixel.
        links = coo_array(self.tree)
        ends = np.r_[links.row, np.full(len(begins), count)], np.r_[links.col, begins]
        costs = np.r_[links.data, np.full(len(begins), BEGIN / 2)]
        rooted = minimum_spanning_tree(csr_array((costs, ends), shape=(count + 1, count + 1)))
        _, parent = breadth_first_order(rooted, count, directed=False)
        parent[count] = count
        both = (rooted + rooted.T).tocsr()
        pixels = np.arange(count)
        weakest = np.append(both[pixels, parent[:count]].__array__() - BEGIN, 0.0)
        uncertain, length = np.append(self.ground.ravel(), 0.0), np.append(np.ones(count), 0.0)
        top = np.where(parent == count, np.arange(count + 1), parent)  # a seed is the top of its own path
        while (parent != count).any():  # each round doubles the length of path that a pixel knows
            weakest = np.maximum(weakest, weakest[parent])
            uncertain, length = uncertain + uncertain[parent], length + length[parent]
            parent, top = parent[parent], top[top]
        truth = np.exp(-np.maximum(weakest[:count], 0) / self.scale)
        mean = uncertain[:count] / np.maximum(length[:count], 1)
        return Connectedness(truth.reshape(hw), mean.reshape(hw), top[:count].reshape(hw))


def colors_and_ground(photo: Image) -> tuple[Floats, Floats]:
    """L*a*b* colors HxWx3 of the photo smoothed by mean shift; how much each pixel's surroundings vary, in [0, 1]."""
    small = min(photo.shape[:2]) < 3  # mean shift needs some pixels
    smooth = photo if small else np.asarray(cv2.pyrMeanShiftFiltering(photo, 5, 12, maxLevel=0))
    colors = np.asarray(cv2.cvtColor(smooth.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float64)
    light = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = cv2.blur(light**2, (5, 5)) - cv2.blur(light, (5, 5)) ** 2
    deviation = np.sqrt(np.maximum(variance, 0)).astype(np.float64)
    return colors, 1 - np.exp(-deviation / max(float(deviation.mean()), 1e-6))
