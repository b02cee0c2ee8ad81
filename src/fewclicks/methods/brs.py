"""BRS, backpropagating refinement: where the mask contradicts a click, the maps of clicks are changed until it agrees.

Jang, Kim: "Interactive Image Segmentation via Backpropagating Refinement Scheme", CVPR 2019; the row "BRS" of Table 4.
Kept: a DenseNet with a coarse and a fine decoder on maps 1 - min(distance, 255) / 255, the whole photo at 480 pixels
and windows of 480 pixels around positive clicks, averaged; L-BFGS over the maps where the newest click is not met,
which stops once all are, its changes being kept; from then on windows count alone where they are. Ours: windows are
made only of photos that are larger than one. The published weights are not read: a .caffemodel of a Caffe network, for
research only. `fewclicks train brs` makes others.

Flip and ClickConsistency suit it. ZoomIn does not: the windows are its own way of looking closer. CFR changes nothing:
it looks at no previous mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network
from fewclicks.predictor import Predictor, State, blank
from fewclicks.types import Image, Prob

if TYPE_CHECKING:
    from fewclicks.models.segmenter import Segmenter

PRESETS: Presets = {"paper": {"anchor": False}}

SMALL = {"backbone": "densenet", "size": "tiny", "maps": "proximity", "radius_px": 255.0, "with_prev": False}
"""A network to try the method with."""

MEMO = "brs"
STEP = 400 / 480
"""Windows begin so far from each other, as a share of their side."""

Changes = Mapping[tuple[int, ...], NDArray[np.float16]]
"""What was added to the maps of each view, by its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 0
    side_px: int = 480
    """The longest side of the photo as a whole, and the side of a window."""
    iterations: int = 100
    """Of L-BFGS, at most; 0: the network alone."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of the photo as the network sees it."""

    box: Box
    hw: tuple[int, int]
    whole: bool

    @property
    def place(self) -> tuple[int, ...]:
        """By which its change is remembered."""
        return self.box.x0, self.box.y0, self.box.x1, self.box.y1

    def crop(self, photo: Image) -> Image:
        """The photo's part, resized."""
        part = photo[self.box.y0 : self.box.y1, self.box.x0 : self.box.x1]
        if part.shape[:2] == self.hw:
            return part
        return np.asarray(cv2.resize(part, self.hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)

    def points(self, clicks: Clicks) -> NDArray[np.float32]:
        """The clicks in its frame, Nx3; those outside are left out of a window."""
        points = clicks.to_array()
        scale = np.array([self.hw[1] / self.box.hw[1], self.hw[0] / self.box.hw[0]], np.float32)
        points[:, :2] = (points[:, :2] - (self.box.x0, self.box.y0) + 0.5) * scale - 0.5
        inside = (points[:, :2] > -0.5).all(1) & (points[:, 0] < self.hw[1] - 0.5) & (points[:, 1] < self.hw[0] - 0.5)
        return points if self.whole else points[inside]

    def holds(self, click: Click) -> bool:
        """Tell whether a click lies in it."""
        return self.box.x0 - 0.5 <= click.x < self.box.x1 - 0.5 and self.box.y0 - 0.5 <= click.y < self.box.y1 - 0.5


@dataclass(frozen=True, slots=True)
class BRS:
    """A network and its refinement as a predictor."""

    net: Segmenter
    threshold: float = 0.5
    side_px: int = 480
    iterations: int = 100

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """Look at the whole and the windows; where the newest click is not met, change their maps."""
        from fewclicks.models.interaction_maps import answer

        changes: Changes = state.memo.get(MEMO, {})
        views = list(self.views(state.image, clicks))
        kept, probs = dict[tuple[int, ...], NDArray[np.float16]](), list[Prob]()
        for view in views:
            crop, points, change = view.crop(state.image), view.points(clicks), changes.get(view.place)
            found = answer(self.net, crop, points, change, 0)
            if self.iterations and self._is_wrong(found.prob, view, views, clicks):
                found = answer(self.net, crop, points, change, self.iterations)
            if found.change is not None:
                kept[view.place] = found.change
            probs.append(found.prob)
        for place, change in changes.items():  # of windows that no click needs at the moment
            kept.setdefault(place, change)
        windows_alone = any(not view.whole and view.place in kept for view in views)
        return replace(state, prob=merged(state.image, views, probs, windows_alone), memo={MEMO: kept})

    def views(self, photo: Image, clicks: Clicks) -> Iterator[View]:
        """The whole photo, and in a larger one each window with a positive click."""
        height, width = photo.shape[:2]
        scale = min(1.0, self.side_px / max(height, width))
        hw = max(1, round(height * scale)), max(1, round(width * scale))
        yield View(Box.whole((height, width)), hw, True)
        if scale == 1:
            return
        for top in starts(height, self.side_px):
            for left in starts(width, self.side_px):
                box = Box(left, top, min(left + self.side_px, width), min(top + self.side_px, height))
                window = View(box, (box.y1 - box.y0, box.x1 - box.x0), False)
                if any(click.positive and window.holds(click) for click in clicks):
                    yield window

    def _is_wrong(self, prob: Prob, view: View, views: list[View], clicks: Clicks) -> bool:
        """Tell whether the newest click is not met, and this is the view to mend it in."""
        if not len(clicks):
            return False
        newest = clicks[-1]
        if view.whole and any(other.holds(newest) for other in views if not other.whole):
            return False  # windows see it closer
        if not view.holds(newest):
            return False
        x, y, label = view.points(Clicks((newest,)))[0]
        row, column = min(max(round(float(y)), 0), view.hw[0] - 1), min(max(round(float(x)), 0), view.hw[1] - 1)
        return bool((prob[row, column] > self.threshold) != bool(label))


def starts(length: int, side: int) -> list[int]:
    """Tell where windows of a side begin along a photo's side: no farther apart than `STEP`, the last at its end."""
    last = max(0, length - side)
    return [*range(0, last, max(1, round(STEP * side))), last]


def merged(photo: Image, views: list[View], probs: list[Prob], windows_alone: bool) -> Prob:
    """The mean of what all views say of each pixel; with `windows_alone` the whole counts where there is no window."""
    total, count = np.zeros(photo.shape[:2], np.float32), np.zeros(photo.shape[:2], np.float32)
    for view, prob in zip(views, probs, strict=True):
        size = view.box.x1 - view.box.x0, view.box.y1 - view.box.y0
        part = prob if prob.shape == size[::-1] else cv2.resize(prob, size, interpolation=cv2.INTER_LINEAR)
        weight = 1e-3 if view.whole and windows_alone else 1.0
        area = np.s_[view.box.y0 : view.box.y1, view.box.x0 : view.box.x1]
        total[area] += weight * np.asarray(part, np.float32)
        count[area] += weight
    return np.asarray((total / count).clip(0, 1), np.float32)


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("brs", chosen(**options))


def build(**options: Any) -> Predictor:
    """BRS on the weights that the options name."""
    used = chosen(**options)
    net = network(used, "brs")
    return used.around(BRS(net, used.threshold, used.side_px, used.iterations), net.multiple)
