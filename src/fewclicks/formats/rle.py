"""Masks as run lengths, the way COCO stores them: column by column, the first run is background.

`runs` and `mask_of` are each other's inverse; `text` and `runs_of_text` turn runs into COCO's compressed string and
back. In the string a run is given by its difference to the run two before it (from the fourth run on), in digits of
five bits, the lowest first, each as one character from code 48 on; the sixth bit says that more digits follow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.types import Mask

Runs = NDArray[np.int64]
"""Lengths in pixels of background, object, background ... down the columns; they add up to H * W."""

MAX_TEXT_BYTES = 8 * 2**20
"""Of a compressed string, which takes 60 times its size for a moment: some four million runs."""

_MAX_DIGITS = 7
"""Seven digits of five bits hold every difference of runs in an image of 2**32 pixels."""


def runs(mask: Mask) -> Runs:
    """The run lengths of an HxW mask."""
    height, width = mask.shape
    box = Box.around(np.ascontiguousarray(mask))
    if box is None:
        return np.array([height * width], np.int64)
    columns = mask[:, box.x0 : box.x1].T.ravel()  # only these hold object pixels
    changes = np.flatnonzero(columns[1:] != columns[:-1]) + 1 + box.x0 * height
    start = [box.x0 * height] if columns[0] else []
    end = [box.x1 * height] if columns[-1] else []
    edges = np.concatenate([[0], start, changes, end, [height * width]]).astype(np.int64)
    lengths = np.diff(edges)
    return lengths if lengths[-1] else lengths[:-1]


def mask_of(lengths: Runs | Sequence[int], hw: tuple[int, int]) -> Mask:
    """The HxW mask of run lengths; InputError unless they fit `hw`."""
    checked = checked_runs(lengths, hw)
    values = np.arange(len(checked)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, checked).reshape(hw[1], hw[0]).T)


def checked_runs(lengths: Runs | Sequence[int], hw: tuple[int, int]) -> Runs:
    """The run lengths as an array; InputError unless they are whole, not negative, and add up to H * W."""
    try:
        array = np.asarray(lengths)
    except (TypeError, ValueError, OverflowError):
        raise InputError("the run lengths of an RLE are one list of whole numbers; export the file again") from None
    if array.ndim != 1 or array.dtype.kind not in "iu" or ((array < 0) | (array > hw[0] * hw[1])).any():
        raise InputError("the run lengths of an RLE are whole numbers from 0 on; export the file again")
    whole = array.astype(np.int64)
    if int(whole.sum()) != hw[0] * hw[1]:
        need = f"{hw[1]}x{hw[0]} = {hw[0] * hw[1]}"
        raise InputError(f"the RLE is {int(whole.sum())} pixels long, not {need}; export it for this photo")
    return whole


def text(lengths: Runs) -> str:
    """The run lengths as COCO's compressed string."""
    rest = lengths.astype(np.int64)
    rest[3:] -= lengths[1:-2]
    digits = np.zeros((len(rest), _MAX_DIGITS), np.uint8)
    used = np.zeros(digits.shape, np.bool_)
    more = np.ones(len(rest), np.bool_)
    for k in range(_MAX_DIGITS):
        if not more.any():
            break
        used[:, k] = more
        digit = rest & 31
        rest >>= 5
        more = more & np.where(digit & 16, rest != -1, rest != 0)
        digits[:, k] = digit + 32 * more + 48
    return digits[used].tobytes().decode("ascii")


def runs_of_text(string: str | bytes) -> Runs:
    """The run lengths in COCO's compressed string; InputError where it is none. Whether they fit is not checked."""
    try:
        raw = string.encode("ascii") if isinstance(string, str) else string
    except UnicodeEncodeError:
        raise InputError("a compressed RLE is ASCII text; export the file again") from None
    if len(raw) > MAX_TEXT_BYTES:
        raise InputError(f"a compressed RLE has at most {MAX_TEXT_BYTES:,} letters, this one {len(raw):,}")
    codes = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if not codes.size:
        return np.zeros(0, np.int64)
    ends = np.flatnonzero((codes & 32) == 0)
    sizes = np.diff(ends, prepend=-1)
    if codes.min() < 0 or codes.max() > 63 or not ends.size or ends[-1] != codes.size - 1 or sizes.max() > _MAX_DIGITS:
        raise InputError("a compressed RLE is cut short or holds characters it cannot; export the file again")
    starts = ends - sizes + 1
    place = np.arange(codes.size) - np.repeat(starts, sizes)
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * sizes), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
