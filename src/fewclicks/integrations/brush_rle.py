"""Masks as Label Studio stores what a brush painted: thi.ng's rle-pack of RGBA pixels, the mask in the alpha.

A stream of bits, the most significant first: 32 bits for the count of values, 5 for the bits of a value less one, four
times 4 for the sizes of a length less one. Then packets: a bit that says whether one value repeats, 2 bits that choose
the size of the length, the length less one, and one value or as many as the length says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewclicks.errors import InputError
from fewclicks.types import Mask

CHANNELS = 4
VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)
DRAWN = 128
"""From this alpha on a pixel is painted."""


def encode(mask: Mask) -> list[int]:
    """The bytes of an HxW mask, all channels 255 where it is set."""
    values = np.ascontiguousarray(mask).ravel()
    edges = np.flatnonzero(np.diff(values)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [values.size]])) * CHANNELS
    bits = [f"{values.size * CHANNELS:032b}", f"{VALUE_BITS - 1:05b}", *(f"{size - 1:04b}" for size in LENGTH_BITS)]
    longest = 2 ** LENGTH_BITS[-1]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = f"{255 if values[start] else 0:08b}"
        while length > 0:
            part = min(length, longest)
            choice = next(i for i, size in enumerate(LENGTH_BITS) if part <= 2**size)
            bits.append(f"1{choice:02b}{part - 1:0{LENGTH_BITS[choice]}b}{value}")
            length -= part
    text = "".join(bits)
    packed = np.packbits(np.frombuffer(text.encode("ascii"), np.uint8) - 48)
    return [int(byte) for byte in packed]


def decode(packed: Sequence[int], hw: tuple[int, int]) -> Mask:
    """The HxW mask of bytes that Label Studio stored; InputError where they are not those of such a photo."""
    try:
        stream = np.asarray(packed)
        if stream.ndim != 1 or stream.dtype.kind not in "iu" or ((stream < 0) | (stream > 255)).any():
            raise ValueError("it is no list of bytes")
        reader = _Bits(np.unpackbits(stream.astype(np.uint8)))
        count = reader.number(32)
        if count != hw[0] * hw[1] * CHANNELS:
            raise ValueError(f"it has {count} values, not {hw[1]}x{hw[0]}x{CHANNELS}")
        value_bits = reader.number(5) + 1
        length_bits = [reader.number(4) + 1 for _ in range(4)]
        values = np.zeros(count, np.uint32)
        done = 0
        while done < count:
            repeats = reader.number(1)
            length = reader.number(length_bits[reader.number(2)]) + 1
            if length > count - done:
                raise ValueError("it is longer than it says")
            values[done : done + length] = reader.number(value_bits) if repeats else reader.numbers(length, value_bits)
            done += length
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"a brush mask is damaged ({error}); draw it again") from None
    return np.asarray(values.reshape(*hw, CHANNELS)[..., -1] >= DRAWN)


class _Bits:
    """Numbers out of a stream of bits; ValueError where it ends."""

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self._bits = bits
        self._at = 0

    def number(self, size: int) -> int:
        return int(self.numbers(1, size)[0])

    def numbers(self, count: int, size: int) -> NDArray[np.int64]:
        end = self._at + count * size
        if end > len(self._bits):
            raise ValueError("it is cut short")
        bits = self._bits[self._at : end].reshape(count, size).astype(np.int64)
        self._at = end
        return np.asarray(bits @ (1 << np.arange(size - 1, -1, -1, dtype=np.int64)))
