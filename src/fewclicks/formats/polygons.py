"""Masks as polygons. Two conventions, each exact in the programs that read the format:

- edges: the polygon runs along the edges of pixels; pixel (x, y) is the square from (x, y) to (x + 1, y + 1). (COCO)
- centres: it runs through the centres of the outermost pixels, (x, y) is a pixel, and who fills it fills its line too.
  (YOLO, LabelMe)

A hole becomes part of the outline by a cut: the polygon goes along a row to the hole, round it, and back the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.geometry import Box
from fewclicks.types import Mask

Ring: TypeAlias = NDArray[np.int64]
"""Nx2 (x, y), closed, every lattice point that it passes."""
Link: TypeAlias = tuple[int, int]

NEAR_POINTS = 2000
"""Points that are compared in the search for the shortest bridges between parts."""
MANY_PARTS = 500
"""From so many parts on (noise), they are bridged in the order of the rows."""


@dataclass(frozen=True, slots=True)
class Part:
    """A connected region of a mask (corners connect) and its holes."""

    outer: Ring
    holes: tuple[Ring, ...]


def parts(mask: Mask, edges: bool) -> list[Part]:
    """The parts of an HxW mask in one of the conventions; none of an empty mask."""
    box = Box.around(np.ascontiguousarray(mask))
    if box is None:
        return []
    crop = mask[box.slices].astype(np.uint8)
    _, labels = cv2.connectedComponents(crop, connectivity=8)
    scale = 2 if edges else 1  # the border pixels of the doubled mask lie on both sides of each edge
    doubled = crop.repeat(scale, axis=0).repeat(scale, axis=1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)  # its trees take quadratic time
    outer: dict[int, Ring] = {}
    holes: dict[int, list[Ring]] = {}
    for contour in contours:
        x, y = contour[0, 0] // scale
        ring = _ring(contour[:, 0], box, edges)
        if cv2.contourArea(contour, oriented=True) > 0:  # holes run the other way round, and are never mere lines
            holes.setdefault(int(labels[y, x]), []).append(ring)
        else:
            outer[int(labels[y, x])] = ring
    return [Part(outer[i], tuple(holes.get(i, ()))) for i in sorted(outer)]


def _ring(contour: NDArray[Any], box: Box, edges: bool) -> Ring:
    points = contour.astype(np.int64)
    if edges:
        points = (points + 1) // 2
        points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    return np.asarray(points + np.array([box.x0, box.y0]))


def with_cuts(part: Part) -> Ring:
    """The outline of a part with its holes joined to it by cuts."""
    if not part.holes:
        return part.outer
    rings = [part.outer, *part.holes]
    return _walk(rings, list(_cuts(rings, 0)))


def in_one(found: Sequence[Part]) -> Ring:
    """One polygon for all parts and holes of an object: holes joined by cuts, parts by short straight bridges."""
    if len(found) == 1:
        return with_cuts(found[0])
    rings: list[Ring] = []
    links: list[Link] = []
    outers: list[int] = []
    start = 0
    for part in found:
        own = [part.outer, *part.holes]
        outers.append(start)
        links += _cuts(own, start)
        rings += own
        start += sum(len(ring) for ring in own)
    return _walk(rings, links + _bridges([part.outer for part in found], outers))


def _cuts(rings: Sequence[Ring], start: int) -> Iterator[Link]:
    """(a, b) for each hole: b is its leftmost point, a the next point of another ring to the left of it in its row.

    `rings`: the outer one first; nodes are numbered from `start` through all rings. Between a and b all is object,
    and the ring of a begins at or left of b, so that joining the holes from left to right reaches all.
    """
    first = np.cumsum([0, *(len(ring) for ring in rings)])
    leftmost = [int(ring[:, 0].argmin()) for ring in rings]
    order = sorted(range(1, len(rings)), key=lambda i: int(rings[i][leftmost[i], 0]))
    rank = np.zeros(len(rings), np.int64)
    rank[order] = np.arange(1, len(rings))
    points = np.concatenate(rings)
    width = int(points[:, 0].max()) + 1
    keys = (points[:, 1] * width + points[:, 0]) * len(rings) + np.repeat(rank, np.diff(first))
    by_key = np.argsort(keys, kind="stable")
    ordered = keys[by_key]
    for i in order:
        hole = int(first[i]) + leftmost[i]
        before = int(np.searchsorted(ordered, keys[hole])) - 1
        yield start + int(by_key[before]), start + hole


def _bridges(outers: Sequence[Ring], starts: Sequence[int]) -> list[Link]:
    """Links that join all outer rings, each to the nearest of those joined before it."""
    if len(outers) > MANY_PARTS:
        return [(starts[i], starts[i + 1]) for i in range(len(outers) - 1)]
    step = -(-sum(len(ring) for ring in outers) // NEAR_POINTS)
    nodes = np.concatenate([start + np.arange(0, len(ring), step) for ring, start in zip(outers, starts, strict=True)])
    points = np.concatenate([ring[::step] for ring in outers]).astype(np.float32)
    owner = np.repeat(np.arange(len(outers)), [len(ring[::step]) for ring in outers])
    best = np.full(len(points), np.inf, np.float32)
    nearest = np.zeros(len(points), np.int64)
    links: list[Link] = []
    joined = 0
    for _ in range(len(outers) - 1):
        mine = owner == joined
        apart = ((points[:, None] - points[mine][None]) ** 2).sum(axis=2)
        closer = apart.min(axis=1) < best
        best[closer] = apart.min(axis=1)[closer]
        nearest[closer] = nodes[mine][apart.argmin(axis=1)[closer]]
        best[mine] = np.nan  # joined: no candidate any more
        chosen = int(np.nanargmin(best))
        links.append((int(nearest[chosen]), int(nodes[chosen])))
        joined = int(owner[chosen])
    return links


def _walk(rings: Sequence[Ring], links: Sequence[Link]) -> Ring:
    """The one closed way through all rings that the links make, each link being passed forth and back."""
    points = np.concatenate(rings)
    after: list[int] = []
    for ring in rings:
        after += [*range(len(after) + 1, len(after) + len(ring)), len(after)]
    place = list(range(len(points)))
    for a, b in links:  # a -> copy of b -> round b's ring -> b -> copy of a -> on as before
        copy_a, copy_b = len(after), len(after) + 1
        after += [after[a], after[b]]
        place += [place[a], place[b]]
        after[a], after[b] = copy_b, copy_a
    way, node = [], 0
    for _ in range(len(after)):
        way.append(place[node])
        node = after[node]
    return np.asarray(points[way])


def straightened(ring: Ring, tolerance_px: float = 0.0) -> Ring:
    """The polygon without repeated points and points on straight lines; with a tolerance, at most so far off."""
    if len(ring) > 1:
        ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    if len(ring) < 3:
        return ring
    came, goes = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = came[:, 0] * goes[:, 1] - came[:, 1] * goes[:, 0]
    along = (came * goes).sum(axis=1)
    corners: Ring = ring[(turn != 0) | (along < 0)]
    if tolerance_px <= 0:
        return corners
    fewer = cv2.approxPolyDP(corners.astype(np.int32)[:, None], tolerance_px, True)[:, 0]
    return fewer.astype(np.int64) if len(fewer) > 2 else corners


def at_least_three(ring: Ring) -> Ring:
    """The polygon with its last point repeated, if need be, to three points: a single pixel is one, a line two."""
    missing = max(0, 3 - len(ring))
    return np.concatenate([ring, np.repeat(ring[-1:], missing, axis=0)])
