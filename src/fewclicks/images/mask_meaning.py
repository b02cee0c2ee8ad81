"""What the values of a mask picture mean: ids of objects, levels from black to white, or probabilities. One rule.

| picture                                                          | means                                            |
|------------------------------------------------------------------|--------------------------------------------------|
| black and one other value, bool                                  | one object                                       |
| palette (but for one of greys)                                   | ids; 255 is "not counted"                        |
| grey, values 0..63 (and 255: "not counted", where areas are flat)| ids                                              |
| grey, flat areas, values below 128 or hardly a number left out   | ids                                              |
| 16 bits and more, flat areas                                     | ids                                              |
| grey, black and white with few pixels between them               | levels: a soft-edged mask, 128 or more is in     |
| grey, not flat, up to white                                      | probability, white is 1                          |
| float up to 1                                                    | probability                                      |
| float, whole numbers                                             | as grey                                          |
| one color in several strengths                                   | as grey                                          |
| several colors, flat areas                                       | ids, in the order of the color codes             |
| opacity that is not the same everywhere                          | its opacity, as grey                             |
| others                                                           | refused with a sentence that names the option    |

Flat: most of the pixels in question lie in a 2x2 square of one value. Edges that were smoothed do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from fewclicks.errors import InputError, counted
from fewclicks.types import Prob

MaskIs: TypeAlias = Literal["ids", "levels", "probability"]

NOT_COUNTED = 255
MAX_COLORS = 2000
"""A color picture with more colors than this is a photo and no mask."""
SMALL_ID = 63
FEW_BETWEEN = 0.1
"""Share of the pixels that may lie between black and white in a soft-edged mask."""
STEP = 0.1
"""Share of the grey pixels from which on those of one value are an area of their own, and no shade."""
OPTION = "say what it holds by mask_is (--mask-is): ids, levels or probability"


@dataclass(frozen=True, slots=True, eq=False)
class Meant:
    """HxW values and what they mean. `ids` of a picture of one object: 0 and its id, or 0 and 1."""

    values: NDArray[Any]
    what: MaskIs
    not_counted: int | None = NOT_COUNTED
    """The id that is none."""

    def prob(self) -> Prob:
        """HxW prob of the one object; InputError where there are several."""
        if self.what == "ids":
            return self._of_one_id()
        if self.values.dtype == np.bool_:
            return self.values.astype(np.float32)
        if self.values.dtype.kind == "f":
            return self._of_floats()
        if self.what == "levels":
            return (self.values > _white(self.values) // 2).astype(np.float32)
        return self.values.astype(np.float32) / np.float32(_white(self.values))

    def ids(self, notes: list[str]) -> NDArray[Any]:
        """HxW whole numbers, 0 where nothing is; "not counted" becomes 0, which is told."""
        if self.what != "ids":
            return (self.prob() >= 0.5).astype(np.uint8)
        values = self.values.astype(np.uint8) if self.values.dtype == np.bool_ else self.values
        if count := int(np.count_nonzero(values == self.not_counted)):
            notes.append(f"the value {self.not_counted} is not counted: {counted(count, 'pixel')}")
            values = np.where(values == self.not_counted, np.zeros((), values.dtype), values)
        return values

    def _of_one_id(self) -> Prob:
        values = self.values
        values = np.where(values == self.not_counted, np.zeros((), values.dtype), values)
        if not values.any() and self.values.any():
            raise InputError(f"the mask holds nothing but 255, which is 'not counted' among ids; {OPTION}")
        high = int(values.max(initial=0))
        if not bool(((values == 0) | (values == high)).all()):
            raise InputError(
                f"the mask holds several ids up to {high}; choose one object, for example by ids == {high}, or {OPTION}"
            )
        return (values > 0).astype(np.float32)

    def _of_floats(self) -> Prob:
        low, high = (self.values.min(), self.values.max()) if self.values.size else (0, 0)
        if not (low >= 0 and high <= 1):  # true for NaN too
            raise InputError(
                "a float mask is a probability in [0, 1]; pass 1 / (1 + exp(-logits)) if it holds logits, "
                f"else {OPTION}"
            )
        return self.values.astype(np.float32)


def require_mask_is(name: str | None) -> MaskIs | None:
    """Return one of the three words as it is, None too; InputError for anything else."""
    if name is not None and name not in get_args(MaskIs):
        raise InputError(f"a mask holds ids, levels or probability, not '{name}'")
    return cast(MaskIs | None, name)


def meant_by_picture(picture: PIL.Image.Image, mask_is: MaskIs | None = None) -> Meant:
    """Tell what an undecided mask picture means; `mask_is` decides by hand. InputError where it is ambiguous."""
    if "A" in picture.getbands():
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < 255 and not _is_colored_in(picture, alpha):
            return meant_by_values(alpha, mask_is)
        clear = (alpha < 128)[..., None] if picture.mode == "RGBA" else np.zeros((1, 1, 1), bool)
        rgb = np.where(clear, np.uint8(0), np.asarray(picture.convert("RGB")))
        return _meant_by_colors(rgb, mask_is)
    if picture.mode == "P":
        return _meant_by_palette(picture, mask_is)
    if picture.mode in ("1", "L", "F") or picture.mode.startswith("I"):
        return meant_by_values(np.asarray(picture), mask_is)
    return _meant_by_colors(np.asarray(picture.convert("RGB")), mask_is)


def meant_by_values(values: NDArray[Any], mask_is: MaskIs | None = None) -> Meant:
    """Tell what HxW values mean; `mask_is` decides by hand. InputError where it is ambiguous."""
    if values.dtype.kind not in "biuf":
        raise InputError(f"a mask is bool, integer or float, got {values.dtype}; pass mask.astype(bool)")
    if values.dtype.kind == "f":
        values = _plain_numbers(values, mask_is)
    if values.dtype.kind in "bf":
        return Meant(values, "probability" if values.dtype.kind == "f" else mask_is or "levels")
    if int(values.min(initial=0)) < 0:
        raise InputError("the mask has negative values; pass truth == 1 to take the object alone")
    if mask_is is None and _is_two_valued(values):
        is_white = int(values.max(initial=0)) == _white(values)
        return Meant(values > 0, "levels") if is_white else Meant(values, "ids")
    return Meant(values, mask_is or _what(values))


def _plain_numbers(values: NDArray[Any], mask_is: MaskIs | None) -> NDArray[Any]:
    """Whole numbers above 1 as such, and what is said to be grey from 0 to 255 or 65535 as 0 to 1; else as it is."""
    high = float(values.max(initial=0))
    if not (float(values.min(initial=0)) >= 0 and 1 < high <= 65535):
        is_whole = mask_is == "ids" and bool((values == np.rint(values)).all())
        return values.astype(np.int64) if is_whole else values
    if bool((values == np.rint(values)).all()):
        return values.astype(np.int64)
    return values / np.float32(_white(values)) if mask_is in ("levels", "probability") else values


def _is_two_valued(values: NDArray[Any]) -> bool:
    """Tell whether there is one value beside 0, at most."""
    return bool(((values == 0) | (values == values.max(initial=0))).all())


def _what(values: NDArray[Any]) -> MaskIs:
    """Tell what grey values of more than one kind mean."""
    high = int(values.max())
    white = _white(values)
    low_end, high_end = white // 16, white - white // 16
    middle = (values > low_end) & (values < min(high_end, high))
    between = (values > 0) & (values < high)
    small = values[(values > 0) & (values != NOT_COUNTED)]
    if not small.size or int(small.max()) <= SMALL_ID:  # ids, unless the small values are noise about black
        is_noise = high == NOT_COUNTED and small.size and _flatness(values, between) < 0.5
        return "levels" if is_noise else "ids"
    is_deep = high > 255
    flat = _flatness(values, middle if middle.any() and not is_deep else between)
    if flat >= 0.5 and (middle.any() or is_deep):
        kinds = len(np.unique(small))
        if is_deep or int(small.max()) < 128 or kinds * 2 >= int(small.max()):
            return "ids"
    elif high * 2 > white:
        if float(middle.mean()) <= FEW_BETWEEN and bool((values <= low_end).any()) and high >= high_end:
            return "levels"
        if flat < 0.5 and not _has_steps(values, (values > low_end) & (values < high_end)):
            return "probability"
    shown = ", ".join(str(value) for value in np.unique(values)[:6])
    raise InputError(f"the values of the mask ({shown} ...) may be ids or grey levels; {OPTION}")


def _has_steps(values: NDArray[Any], chosen: NDArray[np.bool_]) -> bool:
    """Tell whether two values or more have large flat areas among the chosen pixels: ids whose edges were smoothed."""
    _, counts = np.unique(values[_in_squares(values) & chosen], return_counts=True)
    return int(np.count_nonzero(counts >= STEP * np.count_nonzero(chosen))) > 1


def _white(values: NDArray[Any]) -> int:
    return 255 if int(values.max(initial=0)) <= 255 else 65535


def _flatness(values: NDArray[Any], chosen: NDArray[np.bool_]) -> float:
    """The share of the chosen pixels that lie in a 2x2 square of one value; 1 where none is chosen."""
    count = int(np.count_nonzero(chosen))
    return float(np.count_nonzero(_in_squares(values) & chosen)) / count if count else 1.0


def _in_squares(values: NDArray[Any]) -> NDArray[np.bool_]:
    """HxW: the pixels that lie in a 2x2 square of one value."""
    flat = np.zeros(values.shape, bool)
    across = values[:, 1:] == values[:, :-1]
    square = across[1:] & across[:-1] & (values[1:, 1:] == values[:-1, 1:])
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            flat[rows, columns] |= square
    return flat


# Palettes and colors


def _meant_by_palette(picture: PIL.Image.Image, mask_is: MaskIs | None) -> Meant:
    """Ids, unless the palette has nothing but greys: then it is a grey picture that was saved with fewer colors."""
    index = np.asarray(picture)
    palette = np.asarray(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(index)
    colors = palette[used] if int(used.max()) < len(palette) else np.zeros((0, 3), np.uint8)
    is_grey = len(colors) > 0 and bool((colors == colors[:, :1]).all())
    if is_grey and (mask_is in ("levels", "probability") or (mask_is is None and _shows_levels(palette, index, used))):
        grey = np.zeros(256, np.uint8)
        grey[: len(palette)] = palette[:, 0]
        return meant_by_values(grey[index] > 0 if len(used) <= 2 else grey[index], mask_is)
    if mask_is in ("levels", "probability"):
        return _meant_by_colors(np.asarray(picture.convert("RGB")), mask_is)
    return Meant(index, "ids")


def _shows_levels(palette: NDArray[np.uint8], index: NDArray[np.uint8], used: NDArray[np.uint8]) -> bool:
    """Tell whether the greys of a palette are a mask by themselves: black and white alone, or with soft edges."""
    grey = palette[:, 0]
    if len(used) <= 2:
        return int(grey[used].min()) == 0 and int(grey[used].max()) == 255 and NOT_COUNTED in used
    try:
        return _what(grey[index]) != "ids"
    except InputError:
        return False


def _meant_by_colors(rgb: NDArray[np.uint8], mask_is: MaskIs | None) -> Meant:
    strength = rgb.max(axis=2)
    brightest = rgb.reshape(-1, 3)[int(strength.argmax())].astype(np.float32)
    shades = strength[..., None] * (brightest / max(1.0, float(brightest.max())))
    if mask_is in ("levels", "probability") or bool((np.abs(rgb - shades) <= 8).all()):
        if _is_two_valued(strength) and not mask_is:
            return Meant(strength > 0, "levels")
        return meant_by_values(strength, mask_is)
    codes, index = _color_codes(rgb)
    if mask_is is None:
        squares = _in_squares(index)
        flat = len(np.unique(index[squares & (index > 0)]))
        if len(codes) - flat > max(4, flat):
            raise InputError(
                f"the mask has {len(codes)} colors, most of them on edges between others; save it without smoothing, "
                f"or {OPTION}"
            )
    return Meant(index, "ids", not_counted=None)


def _color_codes(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The color codes but black, ascending, and HxW: 0 for black, 1, 2 ... for each of them."""
    packed = rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    codes, index = np.unique(packed, return_inverse=True)
    if len(codes) > MAX_COLORS:
        raise InputError(f"the mask has {len(codes)} colors, so it is a photo; save the mask as an index PNG")
    numbers = np.cumsum(codes > 0)
    return codes[codes > 0], np.asarray(numbers[index].reshape(packed.shape), np.int32)


def _is_colored_in(picture: PIL.Image.Image, alpha: NDArray[np.uint8]) -> bool:
    """Tell whether the visible part is several flat colors on a clear ground, and not one cut-out."""
    if picture.mode != "RGBA" or not bool(((alpha == 0) | (alpha == 255)).all()):
        return False
    rgb = np.where((alpha > 0)[..., None], np.asarray(picture)[..., :3], np.uint8(0)).astype(np.int32)
    packed = rgb @ np.array([65536, 256, 1], np.int32)
    kinds = len(np.unique(packed[alpha > 0]))
    return 2 <= kinds <= 64 and _flatness(packed, alpha > 0) >= 0.8
