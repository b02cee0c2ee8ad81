"""FocalClick: a coarse mask of the object's crop, then details where the newest click has changed something.

Chen, Zhao, Zhang, Duan, Qi, Zhao: "FocalClick: Towards Practical Interactive Image Segmentation", CVPR 2022; rows
"FocalClick" of Table 4. SegFormer-B0, B3 and HRNet18s, 32; S1 shrinks the crop, S2 does not. A mask to begin with is
only changed in the part that the newest click is on (progressive merge).

CFR, Flip and ClickConsistency suit it; ZoomIn is its own coarse step, with the options of ZoomIn.

The release compares logits with a threshold for probabilities where it looks for what has changed, and a click that
changes nothing at its own place turns the whole mask over (alibaba/ClickSEG, issue 2). Both are mended here;
`release_faults` brings them back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.geometry import Box, Frame
from fewclicks.methods.networks import NetworkOptions, Presets, chosen_options, described, network, sigmoid
from fewclicks.predictor import Predictor, State, blank
from fewclicks.transforms import Fit, ZoomIn
from fewclicks.types import Image, Mask, Prob

if TYPE_CHECKING:
    from fewclicks.models.focalclick import Focal

PRESETS: Presets = {
    "released": {
        "threshold": 0.5, "region_threshold": 0.49, "zoom": 256, "fit": "square", "skip_clicks": -1, "min_crop_px": 10,
        "recompute_iou": 1.0, "outside": "zero", "corners": True, "anchor": False, "flip": False,
        "release_faults": True,
    },
}  # fmt: skip

SMALL = {"backbone": "segformer", "size": "b0", "refiner": "focalclick_gate"}
"""A network to try the method with."""

CHANGED = 0.49
"""Above this a probability is of the object where changes are looked for."""

SMALL_PART, HALF_SIDE = 1 / 3, 0.2
"""A change less high or wide than this share of the object's box is looked at in a square around the click, whose half
side is that share of the box's longer side."""

EXPANSION = 1.4
FEW_PX = 10
"""Masks of fewer pixels than this have no box: the whole photo is looked at."""

REFINED_CLICKS = 10
"""After so many clicks nothing but the part in focus is changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(NetworkOptions):
    """The options of `build`."""

    zoom: int = 256
    fit: Fit = "square"
    min_crop_px: int = 10
    recompute_iou: float = 1.0
    refine: bool = True
    """Whether the second, local step is done."""
    merge: bool = True
    """Whether a mask to begin with is only changed in the part that the newest click is on."""
    release_faults: bool = False
    """Do as the release, faults included."""


@dataclass(frozen=True, slots=True)
class Coarse:
    """The first step as a predictor: it leaves what the network has found in its memo."""

    focal: Focal
    threshold: float

    def start(self, image: Image) -> State:
        """The empty mask."""
        return blank(image, self.threshold)

    def step(self, state: State, clicks: Clicks) -> State:
        """One forward of the coarse network."""
        points = clicks.to_array()
        found = self.focal.look(state.image, points, state.prob)
        return replace(state, prob=sigmoid(found.logits[0, 0].cpu().numpy()), memo={"found": found})


@dataclass(frozen=True, slots=True)
class FocalClick:
    """Both steps as a predictor."""

    coarse: ZoomIn
    focal: Focal
    options: Options

    def start(self, image: Image) -> State:
        """The empty mask."""
        return self.coarse.start(image)

    def step(self, state: State, clicks: Clicks) -> State:
        """The coarse mask of the object, the details where it changed, and both merged into the previous mask."""
        given: bool = state.memo.get("given", state.box is not None)  # whether it began with a mask
        after = self.coarse.step(state, clicks)
        view = after.memo["zoom"]
        prob = after.prob
        if self.options.refine and len(clicks):
            focus = self._focus(state, prob, clicks, view.frame.box)
            base = prob if len(clicks) <= REFINED_CLICKS else state.prob
            prob = base.copy()
            prob[focus.slices] = self._refined(state.image, clicks, view, focus)
        if self.options.merge and given and len(clicks):
            pixel = clicks[-1].pixel((prob.shape[0], prob.shape[1]))
            prob = merged(state.prob, prob, state.threshold, pixel, self.options.release_faults)
        return replace(after, prob=prob, memo={**after.memo, "given": given})

    def _focus(self, state: State, prob: Prob, clicks: Clicks, region: Box) -> Box:
        """Tell where to look again, within the region of the coarse step."""
        now = prob > (1 / (1 + math.exp(-CHANGED)) if self.options.release_faults else CHANGED)
        before = state.prob > CHANGED
        hw = (prob.shape[0], prob.shape[1])
        object_ = _box(now)
        if before.any():
            pixel = clicks[-1].pixel(hw)
            changed = part_at(np.asarray(now != before), pixel)
            box = _box(changed)
            height, width = (min(a, b) for a, b in zip(box.hw, hw, strict=True))
            if height < SMALL_PART * object_.hw[0] or width < SMALL_PART * object_.hw[1]:
                half = int(HALF_SIDE * max(object_.hw))
                row, column = pixel
                box = Box(column - half, row - half, column + half + 1, row + half + 1)
        else:
            box = object_
        grown = _expanded(box)
        return grown.intersection(region) or region

    def _refined(self, image: Image, clicks: Clicks, view: Any, focus: Box) -> Prob:
        """The answer of the refiner in the focus."""
        size = self.coarse.size if isinstance(self.coarse.size, int) else self.coarse.size[0]
        frame = Frame(focus, (size, size), corners=self.coarse.corners)
        points = frame.clicks(clicks).to_array()
        rows, columns = (seen / side for seen, side in zip(view.frame.hw, view.frame.box.hw, strict=True))
        box = focus.relative_to(view.frame.box)
        corners = (box.x0 * columns, box.y0 * rows, box.x1 * columns, box.y1 * rows)
        return sigmoid(self.focal.refine(frame.image(image), points, view.memo["found"], corners, focus.hw))


def merged(before: Prob, now: Prob, threshold: float, pixel: tuple[int, int], faults: bool = False) -> Prob:
    """The previous prob, changed to the new one only in the connected part of the change that a pixel is in.

    Where nothing has changed at the pixel, nothing is; with `faults` all that has not changed is turned over then.
    """
    changed = np.asarray((before > threshold) != (now > threshold))
    if changed[pixel]:
        return np.where(part_at(changed, pixel), now, before)
    return np.where(changed, before, 1 - before) if faults else before


def part_at(mask: Mask, pixel: tuple[int, int]) -> Mask:
    """The part of a mask, connected by edges and corners, that a pixel is in; empty if it is in none."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    label = labels[pixel]
    return np.asarray(labels == label) if label else np.zeros_like(mask)


def _box(mask: NDArray[np.bool_]) -> Box:
    """The box of a mask; that of the photo where hardly anything is marked."""
    found = Box.around(mask) if np.count_nonzero(mask) >= FEW_PX else None
    return found or Box.whole((mask.shape[0], mask.shape[1]))


def _expanded(box: Box) -> Box:
    """The box, larger about its center."""
    height, width = box.hw
    y, x = (box.y0 + box.y1 - 1) / 2, (box.x0 + box.x1 - 1) / 2
    half_h, half_w = EXPANSION * height / 2, EXPANSION * width / 2
    return Box(max(0, int(x - half_w)), max(0, int(y - half_h)), int(x + half_w) + 1, int(y + half_h) + 1)


def chosen(**options: Any) -> Options:
    """The options as they are used."""
    return chosen_options(Options, options, PRESETS)


def describe(**options: Any) -> dict[str, Any]:
    """Tell what a result names as its settings."""
    return described("focalclick", chosen(**options))


def build(**options: Any) -> Predictor:
    """FocalClick on the weights that the options name, with what they put around it."""
    used = chosen(**options)
    net = network(used, "focalclick")
    from fewclicks.models.focalclick import Focal  # needs torch, whose absence `network` has told by now

    focal = Focal(net)
    coarse = ZoomIn(
        Coarse(focal, used.threshold), used.zoom or 256, skip_clicks=used.skip_clicks, expansion=used.expansion,
        outside=used.outside, fit=used.fit, crop=used.crop, multiple=used.multiple or net.multiple,
        corners=used.corners, region_threshold=used.region_threshold, min_crop_px=used.min_crop_px,
        recompute_iou=used.recompute_iou,
    )  # fmt: skip
    return replace(used, zoom=0).around(FocalClick(coarse, focal, used), net.multiple)
