"""Show a predictor another picture of the photo: ZoomIn the object, Flip also its mirror image, Denoise what is bad.

ZoomIn has the region rules of RITM (Sofiiuk et al. 2021) and of its heirs; Flip is the test-time augmentation of
SimpleClick and CFR-ICL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.geometry import Box, Frame, clamp_clicks
from fewclicks.images.denoising import denoised
from fewclicks.predictor import Predictor, State, step_each
from fewclicks.types import Image, Prob

Outside = Literal["keep", "zero"]
Fit = Literal["longest", "square"]
Crop = Literal["box", "square"]

CARRIED = "carried"
"""What an inner predictor leaves under this in its memo is of the object, not of the view: ZoomIn hands it on."""


@dataclass(frozen=True, slots=True)
class _View:
    """Holds what ZoomIn leaves in `memo["zoom"]`: the region, the inner predictor's image and memo of it."""

    roi: Box | None
    frame: Frame
    image: Image
    memo: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ZoomIn:
    """A predictor that shows `inner` only the region of interest (ROI), resized, and pastes its answer back.

    The ROI is the box of the previous mask and of all positive clicks, grown by `expansion`, at least `min_crop_px`
    wide and high. It is kept until a positive click leaves it or its `axis_iou` with the newly found box falls below
    `recompute_iou`. While the mask is empty it is the whole image.

    `inner` is not shown the clicks outside the ROI.
    """

    inner: Predictor
    size: int | tuple[int, int] = 448
    """Longest side of what `inner` sees in pixels, or its exact (height, width)."""
    skip_clicks: int = -1
    """Up to this many clicks, and while the mask is empty, `inner` sees the whole image at its own size (RITM: 1)."""
    expansion: float = 1.4
    min_crop_px: int = 200
    recompute_iou: float = 0.5
    outside: Outside = "keep"
    """What lies outside the ROI keeps its previous prob, or becomes 0 (RITM, SimpleClick and CFR-ICL)."""
    fit: Fit = "longest"
    """Keep the aspect of the ROI, or squash it to size x size (SimpleClick, CFR-ICL)."""
    crop: Crop = "box"
    """The ROI as found, or grown to a square as far as the image reaches."""
    multiple: int = 32
    """With fit="longest" both sides are rounded to multiples of this, so that no network has to pad."""
    corners: bool = False
    """For reproduction, the conventions of the RITM family: resize and click mapping as in `geometry.Frame`, the last
    row and column of the ROI count as outside, and `inner` sees clicks outside the ROI with coordinates out of range.
    When the mask becomes empty and `skip_clicks` show the whole image again, the answer is squeezed into the old ROI.
    """
    region_threshold: float | None = None
    """Prob above which a pixel belongs to the mask whose box is the ROI; None: that of the state (RITM: 0.5)."""

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple) else (self.size,)
        if min(*sides, self.multiple, self.min_crop_px, 1) < 1 or self.expansion < 1:
            raise InputError("ZoomIn needs size, multiple, min_crop_px and expansion of 1 or more")
        for name, choices in (("outside", Outside), ("fit", Fit), ("crop", Crop)):
            if getattr(self, name) not in get_args(choices):
                raise InputError(
                    f"ZoomIn has no {name}={getattr(self, name)!r}; choose from {', '.join(get_args(choices))}"
                )

    def start(self, image: Image) -> State:
        """The blank state. The first click's view is prepared here."""
        view, threshold = self._look(image, None)
        return State(image, np.zeros(image.shape[:2], np.float32), threshold, {"zoom": view})

    def step(self, state: State, clicks: Clicks) -> State:
        """One step of `inner` on the ROI; its prob is pasted into the previous prob (`outside`)."""
        view, inner, shown = self._zoomed(state, clicks)
        return self._pasted(state, view, self.inner.step(inner, shown))

    def step_each(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """Do as `step` for each, all of them shown to `inner` at once."""
        zoomed = [self._zoomed(state, said) for state, said in zip(states, clicks, strict=True)]
        inner = step_each(self.inner, [inner for _, inner, _ in zoomed], [shown for _, _, shown in zoomed])
        return [self._pasted(state, view, one) for state, (view, _, _), one in zip(states, zoomed, inner, strict=True)]

    def _zoomed(self, state: State, clicks: Clicks) -> tuple[_View, State, Clicks]:
        """The view for this step, and the state and the clicks that `inner` is shown."""
        view: _View | None = state.memo.get("zoom")
        roi = self._roi(state, clicks, view.roi if view else None)
        if view is None or view.frame != self._frame(state.image, roi):
            fresh, _ = self._look(state.image, roi)
            carried = {key: value for key, value in (view.memo.items() if view else ()) if key == CARRIED}
            view = replace(fresh, memo={**fresh.memo, **carried})
        view = replace(view, roi=roi)
        inner = State(view.image, view.frame.prob(state.prob), state.threshold, view.memo)
        return view, inner, self._shown(view.frame, clicks, state.image.shape[:2])

    def _pasted(self, state: State, view: _View, inner: State) -> State:
        """The state after the answer of `inner` to a view."""
        was: _View | None = state.memo.get("zoom")
        roi, place, kept = view.roi, view.frame, was.roi if was else None
        if self.corners and roi is None and kept is not None:  # the peers forget to forget their region
            roi, place = kept, Frame(kept, view.frame.hw, corners=True)
        prob = place.paste(inner.prob, state.prob if self.outside == "keep" else np.zeros(state.prob.shape, np.float32))
        return State(state.image, prob, state.threshold, {"zoom": _View(roi, view.frame, view.image, inner.memo)})

    def _shown(self, frame: Frame, clicks: Clicks, hw: tuple[int, int]) -> Clicks:
        """The clicks in pixels of the view."""
        if self.corners:
            return frame.clicks(clicks)
        inside = (click for click in clamp_clicks(clicks, hw) if frame.box.contains(*click.pixel(hw)))
        return clamp_clicks(frame.clicks(Clicks(tuple(inside))), frame.hw)

    def _look(self, image: Image, roi: Box | None) -> tuple[_View, float]:
        """The view of a region that `inner` has not seen yet, and the threshold of `inner`."""
        frame = self._frame(image, roi)
        inner = self.inner.start(frame.image(image))
        return _View(roi, frame, inner.image, inner.memo), inner.threshold

    def _frame(self, image: Image, roi: Box | None) -> Frame:
        if roi is None:
            roi = Box.whole(image.shape[:2])
            if self.skip_clicks >= 0:
                return Frame(roi, roi.hw, corners=self.corners)
        return Frame(roi, self._fitted(roi.hw), corners=self.corners)

    def _fitted(self, hw: tuple[int, int]) -> tuple[int, int]:
        """The size at which `inner` sees a ROI of size `hw`."""
        if isinstance(self.size, tuple):
            return self.size
        if self.fit == "square":
            return self.size, self.size
        scale = self.size / max(hw) / self.multiple
        return max(1, round(hw[0] * scale)) * self.multiple, max(1, round(hw[1] * scale)) * self.multiple

    def _roi(self, state: State, clicks: Clicks, kept: Box | None) -> Box | None:
        """The region for this step; None: there is none yet, look at the whole image."""
        if len(clicks) <= self.skip_clicks:
            return None
        hw = state.image.shape[:2]
        found = Box.above(state.prob, state.threshold if self.region_threshold is None else self.region_threshold)
        positive = [click.pixel(hw) for click in clicks if click.positive]
        if found is not None:
            for pixel in positive:
                found = found.including(*pixel)
            new = self._around(found, hw)
        elif self.skip_clicks < 0:
            new = Box.whole(hw)
        else:
            return None
        if kept is None or new.axis_iou(kept) < self.recompute_iou:
            return new
        inside = Box(kept.x0, kept.y0, kept.x1 - self.corners, kept.y1 - self.corners)  # the peers' last row is out
        return kept if all(inside.contains(*pixel) for pixel in positive) else new

    def _around(self, box: Box, hw: tuple[int, int]) -> Box:
        """The box grown about its centre and cut at the borders of the image."""
        height, width = (max(self.expansion * side, self.min_crop_px) for side in box.hw)
        x0, x1 = _grown(box.x0, box.x1, width, hw[1])
        y0, y1 = _grown(box.y0, box.y1, height, hw[0])
        if self.crop == "square":
            side = max(x1 - x0, y1 - y0)
            (x0, x1), (y0, y1) = _widened(x0, x1, side, hw[1]), _widened(y0, y1, side, hw[0])
        return Box(x0, y0, x1, y1)


def _grown(start: int, stop: int, length: float, limit: int) -> tuple[int, int]:
    """Half-open range of about `length` around the centre of start..stop, within 0..limit.

    The first and the last pixel are rounded, each for itself, as the peers do: 200 px become 201.
    """
    centre = (start + stop - 1) / 2
    return max(0, round(centre - length / 2)), min(limit, round(centre + length / 2) + 1)


def _widened(start: int, stop: int, length: int, limit: int) -> tuple[int, int]:
    """The range widened to `length` about its centre, pushed inside 0..limit."""
    length = min(length, limit)
    start = min(max(0, start - (length - (stop - start)) // 2), limit - length)
    return start, start + length


CLEAN = "clean"
"""Where Denoise leaves in the memo what it shows of the photo: the photo itself, if nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Denoise:
    """A predictor that shows `inner` a noisy photo, or one of JPEG's blocks, with the noise smoothed away.

    What is smoothed, and when: `images.denoising`. A photo of good quality is shown as it is.
    """

    inner: Predictor

    def start(self, image: Image) -> State:
        """The blank state of the clean photo."""
        clean = denoised(image)
        return self._told(self.inner.start(clean), image, clean)

    def step(self, state: State, clicks: Clicks) -> State:
        """One step of `inner` on the clean photo."""
        shown = self._shown(state)
        return self._told(self.inner.step(shown, clicks), state.image, shown.image)

    def step_each(self, states: Sequence[State], clicks: Sequence[Clicks]) -> list[State]:
        """Do as `step` for each, all of them shown to `inner` at once."""
        shown = [self._shown(state) for state in states]
        after = step_each(self.inner, shown, clicks)
        each = zip(after, states, shown, strict=True)
        return [self._told(one, state.image, seen.image) for one, state, seen in each]

    @staticmethod
    def _shown(state: State) -> State:
        clean = state.memo.get(CLEAN)
        return replace(state, image=denoised(state.image) if clean is None else clean)

    @staticmethod
    def _told(after: State, image: Image, clean: Image) -> State:
        return replace(after, image=image, memo={**after.memo, CLEAN: clean})


EDGE = np.float32(2**-20)
"""Probs are clipped to [EDGE, 1 - EDGE], both exact in float32, so that their logits are finite and symmetric."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Holds what Flip leaves in `memo["flip"]`: the mirrored image, the inner predictor's memo of both."""

    mirrored: Image
    memos: tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Flip:
    """A predictor that asks `inner` twice, of the image and of its mirror image, and averages the two in logits."""

    inner: Predictor
    corners: bool = False
    """For reproduction: clicks are mirrored as they are, though half a pixel beyond the border (see ZoomIn.corners)."""

    def start(self, image: Image) -> State:
        """The blank state of both images."""
        plain = self.inner.start(image)
        return State(plain.image, plain.prob, plain.threshold, {"flip": self._pair(image, plain.memo)})

    def step(self, state: State, clicks: Clicks) -> State:
        """Two steps of `inner`, averaged."""
        pair: _Pair = state.memo.get("flip") or self._pair(state.image, self.inner.start(state.image).memo)
        frame = _mirror(state.image)
        plain = self.inner.step(State(state.image, state.prob, state.threshold, pair.memos[0]), clicks)
        mirrored = State(pair.mirrored, frame.prob(state.prob), state.threshold, pair.memos[1])
        if not self.corners:
            clicks = clamp_clicks(clicks, state.image.shape[:2])
        mirrored = self.inner.step(mirrored, frame.clicks(clicks))
        prob = mean_in_logits(plain.prob, frame.paste(mirrored.prob, state.prob))
        return State(state.image, prob, state.threshold, {"flip": _Pair(pair.mirrored, (plain.memo, mirrored.memo))})

    def _pair(self, image: Image, memo: Mapping[str, Any]) -> _Pair:
        mirrored = self.inner.start(_mirror(image).image(image))
        return _Pair(mirrored.image, (memo, mirrored.memo))


def _mirror(image: Image) -> Frame:
    return Frame(Box.whole(image.shape[:2]), image.shape[:2], mirror=True)


def mean_in_logits(p: Prob, q: Prob) -> Prob:
    """sigmoid((logit p + logit q) / 2) for two HxW probs, written as the ratio of geometric means it is equal to."""
    p, q = np.clip(p, EDGE, 1 - EDGE), np.clip(q, EDGE, 1 - EDGE)
    yes, no = np.sqrt(p * q), np.sqrt((1 - p) * (1 - q))
    return np.asarray(yes / (yes + no), np.float32)
