"""The shape of Segment Anything's predictor: a script that has a `SamPredictor` runs with ours in its place.

    from fewclicks.integrations.sam import SamPredictor
    predictor = SamPredictor()
    predictor.set_image(image)
    masks, scores, logits = predictor.predict(np.array([[310, 190]]), np.array([1]))
    masks, scores, logits = predictor.predict(points, labels, mask_input=logits[:1], multimask_output=False)

What differs: `logits` have the size of the photo, so that nothing is lost on the way back; `mask_input` takes them, and
also any mask of any size, of whatever tool; there are no image embeddings.
"""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.clicks import Click, Clicks
from fewclicks.config import resolve
from fewclicks.errors import InputError, counted
from fewclicks.images.reading import read_image
from fewclicks.integrations.replay import Replay, click_inside
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import BoxPrompt, meanings
from fewclicks.types import Prob

Floats = NDArray[np.float32]

SAM_SIDE = 256
"""Logits of SAM itself are of this size: the photo in the upper left corner, its longer side as long."""
EDGE = 1e-6
"""Probs are kept so far from 0 and 1 that their logits are finite."""
ELSEWHERE = (0.2, 0.8)
"""Further masks, where a first click means fewer than three: the prob above these thresholds."""


class SamPredictor:
    """A predictor of the photo that was set last, stateless as SAM's is: each `predict` says all prompts."""

    mask_threshold = 0.0
    """Of the logits."""
    device = "cpu"

    def __init__(self, model: str | os.PathLike[str] | Predictor = "default", **options: Any) -> None:
        """Take a predictor, or a method's name or the path of weights and its options, as `fewclicks.load` does."""
        named = isinstance(model, str | os.PathLike)
        self.model: Predictor = resolve(model, options).build() if named else model  # type: ignore[arg-type,assignment]
        self._replay: Replay | None = None

    def set_image(self, image: NDArray[np.uint8] | PIL.Image.Image, image_format: str = "RGB") -> None:
        """Set the photo: HxWx3 uint8, or a Pillow image. `image_format` "BGR" is for what OpenCV read."""
        if image_format not in ("RGB", "BGR"):
            raise InputError(f"image_format is RGB or BGR, got '{image_format}'")
        pixels = read_image(image)
        self._replay = Replay(self.model, np.ascontiguousarray(pixels[..., ::-1]) if image_format == "BGR" else pixels)

    def reset_image(self) -> None:
        """Forget the photo."""
        self._replay = None

    reset_predictor = reset_image

    @property
    def is_image_set(self) -> bool:
        """Tell whether there is a photo."""
        return self._replay is not None

    @property
    def original_size(self) -> tuple[int, int]:
        """Height and width of the photo."""
        return self._set().hw

    def predict(
        self,
        point_coords: NDArray[Any] | None = None,
        point_labels: NDArray[Any] | None = None,
        box: NDArray[Any] | None = None,
        mask_input: NDArray[Any] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[np.bool_] | Floats, Floats, Floats]:
        """Answer points (N x 2, x and y in pixels; labels 1 object, 0 background, -1 padding), a box (x0, y0, x1, y1).

        `mask_input`: the mask to correct. Logits, as `predict` gave them; or a mask or probability of any size, of
        whatever tool. Points are taken in their order, the last as the newest.

        Returns C x H x W bool masks (`return_logits`: their logits), C scores (the IoU that the model expects) and
        C x H x W logits. C is 1, or 3 with `multimask_output`, from the part to the whole, as SAM has them.
        """
        replay = self._set()
        clicks = self._clicks(point_coords, point_labels)
        prompt = _box(box)
        prev = mask_of_any(mask_input, replay.hw) if mask_input is not None else None
        if not clicks and prompt is None and prev is None:
            raise InputError("there is nothing to answer; pass point_coords and point_labels, a box or a mask_input")
        state = replay.state(clicks, prompt, prev)
        if not len(clicks) and prev is not None:
            state = self.model.step(state, clicks)
        if not multimask_output:
            probs = [_centered(state.prob, state.threshold)]
        elif len(clicks) == 1 and clicks.has_positive and prompt is None and prev is None:
            probs = _three(meanings(self.model, replay.start, clicks))
        else:
            probs = _three([state])
        logits = np.stack([np.log(p / (1 - p)) for p in (np.clip(p, EDGE, 1 - EDGE) for p in probs)]).astype(np.float32)
        scores = np.array([expected_iou(prob) for prob in probs], np.float32)
        masks = logits > self.mask_threshold
        return (logits if return_logits else masks), scores, logits

    def _set(self) -> Replay:
        if self._replay is None:
            raise RuntimeError("An image must be set with .set_image(...) before mask prediction.")
        return self._replay

    def _clicks(self, coords: NDArray[Any] | None, labels: NDArray[Any] | None) -> Clicks:
        if coords is None:
            return Clicks()
        assert labels is not None, "point_labels must be supplied if point_coords is supplied."
        points = np.asarray(coords, np.float64).reshape(-1, 2)
        signs = np.asarray(labels).reshape(-1)
        if len(points) != len(signs):
            raise InputError(
                f"got {counted(len(points), 'point')} and {counted(len(signs), 'label')}; pass a label for each point"
            )
        if not set(signs.tolist()) <= {-1, 0, 1}:
            raise InputError("labels are 1 (object), 0 (background) or -1 (padding); pass a box as box=")
        hw = self._set().hw
        clicks = Clicks()
        for (x, y), sign in zip(points.tolist(), signs.tolist(), strict=True):
            if sign >= 0:
                click = click_inside(x, y, bool(sign), hw)
                if max(abs(click.x - x), abs(click.y - y)) > 1:
                    Clicks((Click(x, y),)).require_inside(hw)
                clicks += click
        return clicks


def mask_of_any(mask: NDArray[Any], hw: tuple[int, int]) -> Prob:
    """The HxW prob of a mask of any size and kind: bool, whole numbers (more than 0: object), prob, or logits.

    Numbers beyond [0, 1] are logits. Those of 256x256, where the photo is not square, lie as SAM's do, in the upper
    left corner of a padded square; everything else is stretched over the photo.
    """
    given = np.asarray(mask)
    while given.ndim > 2 and given.shape[0] == 1:
        given = given[0]
    if given.ndim != 2 or not given.size:
        raise InputError(f"a mask_input is HxW or 1xHxW, got {np.shape(mask)}; pass one mask, as logits[i][None]")
    if given.dtype.kind in "biu":
        values = (given > 0).astype(np.float32)
    else:
        values = np.asarray(given, np.float32)
        if not np.isfinite(values).all():
            raise InputError("a mask_input has numbers that are not finite; pass logits, probabilities or a mask")
        if values.min() < 0 or values.max() > 1:
            values = (1 / (1 + np.exp(-values.clip(-30, 30)))).astype(np.float32)
            if values.shape == (SAM_SIDE, SAM_SIDE) and hw[0] != hw[1]:
                scale = SAM_SIDE / max(hw)
                values = values[: max(1, round(hw[0] * scale)), : max(1, round(hw[1] * scale))]
    if values.shape == hw:
        return values
    return np.clip(cv2.resize(values, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR), 0, 1).astype(np.float32)


def expected_iou(prob: Prob) -> float:
    """The IoU that a prob promises of its own mask: what of it is likely the object, over what is likely in either."""
    mask = prob > 0.5
    inside = float(prob[mask].sum())
    either = float(np.count_nonzero(mask)) + float(prob[~mask].sum())
    return inside / either if either else 0.0


def _centered(prob: Prob, threshold: float) -> Prob:
    """The prob with its threshold at 0.5, where logits are 0."""
    if threshold == 0.5:
        return prob
    below, above = prob * (0.5 / threshold), 0.5 + (prob - threshold) * (0.5 / (1 - threshold))
    return np.asarray(np.where(prob > threshold, above, below), np.float32)


def _three(states: list[State]) -> list[Prob]:
    """Three probs, the smallest mask first: those of the states, and where they are fewer at other thresholds."""
    probs = [_centered(state.prob, state.threshold) for state in states[:3]]
    probs += [_centered(probs[0], threshold) for threshold in ELSEWHERE[: 3 - len(probs)]]
    return sorted(probs, key=lambda prob: int(np.count_nonzero(prob > 0.5)))


def _box(box: NDArray[Any] | None) -> BoxPrompt | None:
    if box is None:
        return None
    numbers = np.asarray(box, np.float64).reshape(-1)
    if numbers.size != 4:
        raise InputError(f"a box is x0, y0, x1, y1, got {numbers.size} numbers; pass one box at a time")
    return BoxPrompt(*map(float, numbers))
