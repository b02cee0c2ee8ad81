"""EncodedMask: a mask as the 1-bit PNG of the box that holds it. How masks are kept and how they travel."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from fewclicks.errors import InputError
from fewclicks.geometry import Box
from fewclicks.types import Mask

UP = 2
"""The PNG filter of every row: the difference to the row above, which for masks is nearly always zero."""
QUICK = 1
"""The zlib level: what the filter leaves is so empty that higher levels win little."""


@dataclass(frozen=True, slots=True)
class EncodedMask:
    """An HxW mask without loss: the box around its pixels, and their bits.

    `data` is what the IDAT chunk of a 1-bit grey PNG holds, so that `png` has nothing to compress. `box` is None, and
    `data` empty, where no pixel is true.
    """

    hw: tuple[int, int]
    box: Box | None
    area_px: int
    data: bytes

    @classmethod
    def empty(cls, hw: tuple[int, int]) -> EncodedMask:
        """The mask of an object that has no pixel yet."""
        return cls(hw, None, 0, b"")

    @classmethod
    def pack(cls, mask: Mask, box: Box | None = None) -> EncodedMask:
        """Pack an HxW mask, or what of it lies in `box`. None: the smallest box with all of its pixels."""
        hw = (mask.shape[0], mask.shape[1])
        box = box or Box.around(mask)
        if box is None:
            return cls.empty(hw)
        crop = mask[box.slices]
        rows = np.packbits(crop, axis=1)
        lines = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
        lines[:, 0] = UP
        lines[0, 1:] = rows[0]
        np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
        return cls(hw, box, int(np.count_nonzero(crop)), zlib.compress(lines.data, QUICK))

    def crop(self) -> Mask:
        """The pixels of the box; 0x0 where there is none."""
        if self.box is None:
            return np.zeros((0, 0), np.bool_)
        height, width = self.box.hw
        stride = (width + 7) // 8 + 1
        unpacker, size = zlib.decompressobj(), height * stride
        try:
            unpacked = unpacker.decompress(self.data, size + 1)  # not a byte more than that, whatever it would give
        except zlib.error as error:
            raise damaged(str(error)) from error
        if len(unpacked) != size or not unpacker.eof:
            raise damaged("it has not the size of its box")
        lines = np.frombuffer(unpacked, np.uint8).reshape(height, stride)
        rows = np.add.accumulate(lines[:, 1:], axis=0, dtype=np.uint8)
        return np.unpackbits(rows, axis=1, count=width).view(np.bool_)

    def mask(self) -> Mask:
        """The whole HxW mask."""
        whole = np.zeros(self.hw, np.bool_)
        if self.box is not None:
            whole[self.box.slices] = self.crop()
        return whole

    def within(self, box: Box) -> Mask:
        """The pixels of any box, without unpacking the whole mask."""
        if box == self.box:
            return self.crop()
        view = np.zeros(box.hw, np.bool_)
        both = self.box.intersection(box) if self.box is not None else None
        if self.box is not None and both is not None:
            view[both.relative_to(box).slices] = self.crop()[both.relative_to(self.box).slices]
        return view

    def png(self) -> bytes:
        """The box as a 1-bit grey PNG, white where the mask is; InputError if the mask is empty."""
        if self.box is None:
            raise InputError("an empty mask has no picture; ask whether there is a box first")
        height, width = self.box.hw
        header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", self.data), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
            for name, content in chunks
        )


def damaged(cause: str) -> InputError:
    """What is raised for a mask that cannot be unpacked."""
    return InputError(f"a stored mask is damaged ({cause}); undo the action or draw the object anew")


def count_changed(before: EncodedMask, after: EncodedMask) -> int:
    """How many pixels are in one of the masks only."""
    found = _unlike(before, after)
    return int(np.count_nonzero(found[2])) if found else 0


def difference(before: EncodedMask, after: EncodedMask) -> EncodedMask | None:
    """The new mask inside the box of all pixels that changed; None where none did."""
    return compared(before, after)[1]


def compared(before: EncodedMask, after: EncodedMask) -> tuple[int, EncodedMask | None]:
    """Give `count_changed` and `difference`, for hardly more than either takes."""
    found = _unlike(before, after)
    if found is None or (inside := Box.around(found[2])) is None:
        return 0, None
    box, new, changed = found
    part = EncodedMask.pack(np.ascontiguousarray(new[inside.slices]), Box.whole(inside.hw))
    placed = Box(box.x0 + inside.x0, box.y0 + inside.y0, box.x0 + inside.x1, box.y0 + inside.y1)
    return int(np.count_nonzero(changed)), EncodedMask(after.hw, placed, part.area_px, part.data)


def _unlike(before: EncodedMask, after: EncodedMask) -> tuple[Box, Mask, Mask] | None:
    """The box that holds both masks, the new one in it, and the pixels that are in one only; None if they are equal."""
    box = before.box.union(after.box) if before.box and after.box else before.box or after.box
    if box is None or (before.box == after.box and before.data == after.data):
        return None
    new = after.within(box)
    return box, new, new != before.within(box)
