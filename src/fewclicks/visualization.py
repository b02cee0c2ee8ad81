"""Pictures of a segmentation: photo with clicks, mask outline and tint, cut-out; and writing them to files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
from numpy.typing import NDArray

from fewclicks.clicks import Clicks
from fewclicks.errors import InputError
from fewclicks.files.replace import replace_file
from fewclicks.types import Image, Mask, Prob

Colour = tuple[int, int, int]

TINT: Colour = (64, 120, 255)
OUTLINE: Colour = (255, 214, 10)
POSITIVE: Colour = (22, 190, 70)
NEGATIVE: Colour = (230, 40, 50)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

SUBPIXEL_BITS = 4
"""OpenCV draws at 1/16 pixel, so that a dot sits on its click and not on the nearest pixel."""


def overlay(image: Image, mask: Mask, clicks: Clicks) -> Image:
    """HxWx3: the photo with the mask tinted and outlined, and the clicks as dots (green object, red background)."""
    if mask.shape != image.shape[:2]:
        raise InputError(f"the mask is {mask.shape}, the image {image.shape[:2]}; pass a mask of the image's size")
    return dots(outlined(image, mask), clicks)


def outlined(image: Image, mask: Mask, opacity: float = 0.4) -> Image:
    """HxWx3: the mask tinted, with a bright line inside its border and a dark one outside, to show on any photo."""
    canvas = image.copy()
    mixed = image[mask] * (1 - opacity) + np.array(TINT) * opacity
    canvas[mask] = mixed.round().astype(np.uint8)
    width = max(1, round(_unit(image)))
    canvas[mask & ~_eroded(mask, width)] = OUTLINE
    canvas[~mask & ~_eroded(~mask, (width + 1) // 2, beyond=True)] = BLACK
    return canvas


def dots(image: Image, clicks: Clicks) -> Image:
    """HxWx3: the photo with a dot on each click, green for object and red for background, in a white ring."""
    canvas = image.copy()
    radius = max(3.0, 4.5 * _unit(image))
    for click in clicks:
        centre = (round(click.x * 2**SUBPIXEL_BITS), round(click.y * 2**SUBPIXEL_BITS))
        fill = POSITIVE if click.positive else NEGATIVE
        for colour, scale in ((BLACK, 1.5), (WHITE, 1.35), (fill, 1.0)):
            size = round(radius * scale * 2**SUBPIXEL_BITS)
            cv2.circle(canvas, centre, size, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas


def cutout(image: Image, prob_or_mask: Prob | Mask) -> NDArray[np.uint8]:
    """HxWx4 RGBA: the object alone. A bool mask gives a hard edge, a prob one that is soft between 0.25 and 0.75.

    Transparent pixels are black: what was cut away is not hidden in the file.
    """
    if prob_or_mask.shape != image.shape[:2]:
        raise InputError(f"the mask is {prob_or_mask.shape}, the image {image.shape[:2]}; pass one of the image's size")
    if prob_or_mask.dtype == np.bool_:
        opacity = prob_or_mask.astype(np.float32)
    else:
        opacity = np.clip(prob_or_mask.astype(np.float32) * 2 - 0.5, 0, 1)
    alpha = np.round(opacity * 255).astype(np.uint8)
    return np.dstack([np.where(alpha[..., None] > 0, image, 0), alpha]).astype(np.uint8)


def on_checkerboard(rgba: NDArray[np.uint8]) -> Image:
    """HxWx3: an HxWx4 picture laid on the grey squares that stand for transparency."""
    square = max(4, round(5 * _unit(rgba)))
    rows, columns = np.indices(rgba.shape[:2]) // square
    board = np.where((rows + columns) % 2 == 0, 240, 205)[..., None]
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.round(rgba[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def side_by_side(*panels: NDArray[np.uint8], gap_px: int = 8) -> Image:
    """One HxWx3 picture of the panels from left to right on white; HxWx4 panels lie on a checkerboard.

    Panels lower than the highest are scaled up to its height.
    """
    if not panels:
        raise InputError("side_by_side needs at least one picture, got none")
    height = max(panel.shape[0] for panel in panels)
    row: list[NDArray[np.uint8]] = []
    for panel in panels:
        opaque = on_checkerboard(panel) if panel.shape[2] == 4 else panel
        row += [to_height(opaque, height), np.full((height, gap_px, 3), 255, np.uint8)]
    return np.concatenate(row[:-1], axis=1)


def captioned(picture: Image, text: str) -> Image:
    """The HxWx3 picture under a white line of text; one that is less than 360 pixels wide is scaled up to it."""
    if picture.shape[1] < 360:
        picture = to_height(picture, round(picture.shape[0] * 360 / picture.shape[1]))
    line = PIL.Image.new("RGB", (picture.shape[1], 23), "white")
    PIL.ImageDraw.Draw(line).text((4, 3), text, "black", PIL.ImageFont.load_default(15))
    return np.concatenate((np.asarray(line), picture))


def to_height(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """The picture resized to `height`, its aspect kept."""
    if picture.shape[0] == height:
        return picture
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    method = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def save(array: NDArray[np.uint8] | Mask, path: str | os.PathLike[str]) -> Path:
    """Write HxWx3, HxWx4, HxW uint8 or HxW bool (as 0 and 255) to a PNG; the file appears whole or not at all.

    InputError when the path does not end in .png or its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"'{path}' does not end in .png; masks and pictures are saved as PNG, which loses nothing")
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    replace_file(path, lambda file: PIL.Image.fromarray(pixels).save(file, format="PNG"))
    return path


def _unit(image: NDArray[np.uint8]) -> float:
    """The pixel length that lines and dots are counted in, 1/300 of the mean side: equal looks at every size."""
    return float(np.sqrt(image.shape[0] * image.shape[1]) / 300)


def _eroded(region: Mask, width: int, beyond: bool = False) -> Mask:
    """The region without its outermost `width` pixels; `beyond`: whether it goes on outside the image."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    pixels = region.astype(np.uint8)
    return np.asarray(cv2.erode(pixels, disc, borderType=cv2.BORDER_CONSTANT, borderValue=int(beyond)) > 0)
