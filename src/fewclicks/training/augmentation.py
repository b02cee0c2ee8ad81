"""Augmentation: one affine map for crop, resize, stretch, rotation and flip, then colour. Pure functions of `rng`.

`crop_matrix` cuts around an object, or a window relative to the photo's side. `native_matrix` is the augmentation of
RITM (Sofiiuk et al., ICIP 2022) and SimpleClick: resize the photo, flip and turn it, pad it, cut anywhere. As all of it
is one map, a pixel is interpolated once, and a rotation shows what lay beyond the edge rather than black corners.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.images.denoising import denoised
from fewclicks.images.reading import read_image
from fewclicks.training.recipe import Recipe
from fewclicks.types import IGNORE_ID, Image, Mask, Scene

Matrix = NDArray[np.float64]

NOISE = (3.0, 25.0)
"""Between which the noise of a worse photo is drawn, standard deviation in grey levels of 256."""
QUALITY = (10, 50)
"""Between which the quality of a worse JPEG file is drawn."""


def crop_matrix(target: Mask, recipe: Recipe, rng: np.random.Generator) -> Matrix:
    """2x3 matrix from photo to crop pixels; either around the object or anywhere in the resized photo."""
    turns = int(rng.integers(4)) if recipe.rotate90_prob and rng.random() < recipe.rotate90_prob else 0
    crop = np.array(recipe.crop_hw[::-1])  # width, height
    size = crop[::-1] if turns % 2 else crop  # of what is cut, before it is turned
    near = rng.random() < recipe.zoom_crop_prob
    box = _zoom_box(target, recipe, size, rng) if near else _random_box(target.shape, recipe, size, rng)
    if near or rng.random() < 0.5:  # what zoom-in sees never reaches beyond the photo
        box = np.clip(box, 0, np.tile(target.shape[::-1], 2))
    zoom = size / (box[2:] - box[:2])
    zoom[0] *= np.exp(rng.uniform(-1, 1) * np.log(recipe.stretch))
    turn = _rotation(rng.uniform(-recipe.rotate_deg, recipe.rotate_deg))
    mirror = -1.0 if rng.random() < recipe.flip_prob else 1.0
    linear = _quarters(turns) @ np.diag([mirror * zoom[0], zoom[1]]) @ turn
    return np.column_stack((linear, crop / 2 - 0.5 - linear @ ((box[:2] + box[2:]) / 2 - 0.5)))


def native_matrix(hw: tuple[int, ...], recipe: Recipe, rng: np.random.Generator) -> Matrix:
    """2x3 matrix from photo to crop pixels: a place anywhere in the resized, flipped and turned photo of size `hw`."""
    linear = np.eye(2) * rng.uniform(*recipe.resize)
    size = linear[0, 0] * np.array(hw[::-1])  # width, height
    if rng.random() < recipe.flip_prob:
        signs = ((-1, 1), (1, -1), (-1, -1)) if recipe.flip_vertical else ((-1, 1),)
        linear = np.diag(signs[rng.integers(len(signs))]) @ linear
    if rng.random() < recipe.rotate90_prob:
        turns = int(rng.integers(4))
        linear = _quarters(turns) @ linear
        size = size[::-1] if turns % 2 else size
    move = np.zeros(2)
    if rng.random() < recipe.rotate_prob:
        linear = _rotation(rng.uniform(-recipe.rotate_deg, recipe.rotate_deg)) @ linear
        move = rng.uniform(-recipe.shift, recipe.shift, 2) * size
    crop = np.array(recipe.crop_hw[::-1])
    move += rng.uniform(-0.5, 0.5, 2) * np.maximum(size - crop, 0)  # a smaller photo stays in the middle of its padding
    return np.column_stack((linear, crop / 2 - 0.5 + move - linear @ (np.array(hw[::-1]) / 2 - 0.5)))


def _rotation(degrees: float) -> Matrix:
    """2x2."""
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _quarters(turns: int) -> Matrix:
    """2x2, clockwise on a screen."""
    return np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), turns)


def _zoom_box(target: Mask, recipe: Recipe, crop: NDArray[np.int64], rng: np.random.Generator) -> Matrix:
    """xyxy around the object, as ZoomIn crops it; a square half of the time."""
    rows, cols = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    low, high = np.array([cols[0], rows[0]], float), np.array([cols[-1] + 1, rows[-1] + 1], float)
    size = np.maximum((high - low) * rng.uniform(*recipe.zoom_margin), 0.3 * crop)
    if rng.random() < 0.5:
        size[:] = size.max()
    centre = (low + high) / 2 + rng.uniform(-0.35, 0.35, 2) * np.maximum(size - (high - low), 0)
    return np.concatenate((centre - size / 2, centre + size / 2))


def _random_box(hw: tuple[int, ...], recipe: Recipe, crop: NDArray[np.int64], rng: np.random.Generator) -> Matrix:
    """xyxy of a window of the crop's shape anywhere on the photo, or around it."""
    size = max(hw) / rng.uniform(*recipe.resize) * (crop / crop.max())
    spans = [sorted((side / 2, length - side / 2)) for side, length in zip(size, (hw[1], hw[0]), strict=True)]
    centre = np.array([rng.uniform(low, high) for low, high in spans])
    return np.concatenate((centre - size / 2, centre + size / 2))


def warp(scene: Scene, matrix: Matrix, hw: tuple[int, int], beyond: int = IGNORE_ID) -> Scene:
    """The crop of height and width `hw` that `matrix` cuts; beyond the photo, black and of the id `beyond`."""
    image = cv2.warpAffine(scene.image, matrix, hw[::-1], flags=cv2.INTER_LINEAR)
    layers = scene.ids[..., None] if scene.ids.ndim == 2 else scene.ids
    cut = [
        cv2.warpAffine(
            np.ascontiguousarray(layers[..., k]), matrix, hw[::-1],
            flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=beyond,
        )
        for k in range(layers.shape[2])
    ]  # fmt: skip
    ids: NDArray[Any] = np.asarray(cut[0] if scene.ids.ndim == 2 else np.dstack(cut))
    return replace(scene, image=np.asarray(image), ids=ids)


def worsen(image: Image, recipe: Recipe, rng: np.random.Generator) -> Image:
    """With a chance of worsen_prob, a noisy photo or one of a JPEG file of low quality, cleaned as the default does.

    So a network learns what it is shown of such photos: what `images.denoising` leaves of them.
    """
    if not recipe.worsen_prob or rng.random() >= recipe.worsen_prob:
        return image
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(*NOISE), image.shape)
        return denoised(np.clip(np.rint(image + noise), 0, 255).astype(np.uint8))
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=int(rng.integers(QUALITY[0], QUALITY[1] + 1)))
    return denoised(read_image(io.BytesIO(file.getvalue())))


def recolour(image: Image, recipe: Recipe, rng: np.random.Generator) -> Image:
    """Brightness and contrast with a chance of 3/4, then a shift of each channel with the same chance; or grey."""
    gain, shift = np.ones(3), np.zeros(3)
    if rng.random() < 0.75:
        gain += rng.uniform(*recipe.contrast)
        shift += 255 * rng.uniform(-recipe.brightness, recipe.brightness)
    if rng.random() < 0.75:
        shift += rng.uniform(-recipe.shift_rgb, recipe.shift_rgb, 3)
    table = np.clip(np.arange(256)[:, None] * gain + shift, 0, 255).astype(np.uint8)  # 256x3
    image = np.asarray(cv2.LUT(image, table[None]))
    if recipe.grey_prob and rng.random() < recipe.grey_prob:
        image = np.dstack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)
    return image
