"""Pixels of files whose metadata is damaged: the same file with nothing in it but what the pixels need.

PNG, JPEG and WebP are chains of chunks. Those of metadata (EXIF, ICC, XMP, text) are left out; where a chunk lies about
its length, the chain goes on at the next one that fits. Of TIFFs the tags are made void, to JPEG 2000 a missing end is
added. Pixels that are themselves missing are not invented.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

ORIENTATION = 0x0112
"""The EXIF tag; 5 to 8 are quarter turns."""

PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TRNS_BYTES = {0: 2, 2: 6}
"""What says which color is clear has this length, by the kind of color: grey, RGB."""
_EOI = b"\xff\xd9"
_JPEG_KEPT = {0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF, 0xDB, 0xDD,
              0xE0, 0xEE}  # fmt: skip
"""Frames, tables, restart interval, JFIF, and Adobe's, which says how colors are stored."""
_MARKED = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}
_SIZES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
MAX_STARTS = 1000
"""Where a chain of segments may begin that are tried."""
_WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
_TIFF_KEPT = {*range(254, 267), 273, 274, 277, 278, 279, 284, 292, 293, *range(317, 326), 332, 338, 339, 340, 341, 347,
              *range(512, 533)}  # fmt: skip
"""Size, kind of colors, compression, where the pixels lie, orientation."""
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}
"""TIFF types of whole numbers."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A file without metadata, and the EXIF block that it had. `probe`: the same with other bytes behind the pixels."""

    content: bytes
    exif: bytes = b""
    probe: bytes | None = None


def bare(content: bytes) -> Bare | None:
    """The file without metadata; None where it is of another format, or its pixels are not whole."""
    if content.startswith(PNG):
        return _bare_png(content)
    if content.startswith(b"\xff\xd8"):
        return _bare_jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _bare_webp(content)
    if content.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")) and not content.endswith(_EOI):
        return Bare(content.removesuffix(b"\xff") + _EOI)  # the end of the codestream is missing
    if content[:4] in (b"II*\0", b"MM\0*"):
        return _bare_tiff(content)
    return None


def orientation_in(exif: bytes) -> int:
    """The orientation that an EXIF block tells, 1 to 8, though other parts of it are damaged; 1 where it tells none."""
    block = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    try:
        if order is None:
            return 1
        (at,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == ORIENTATION and kind in _TYPES:
                (value,) = struct.unpack_from(order + _TYPES[kind], block, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:  # it ends before the tag
        pass
    return 1


# PNG


def has_sound_pixels(content: bytes) -> bool:
    """Tell whether no chunk that pixels need, from the header to the end, has a wrong checksum or is missing; True for
    other formats."""
    if not content.startswith(PNG):
        return True
    for kind, _, sound in _png_chunks(content):
        if kind in _PNG_KEPT and not sound:
            return False
        if kind == b"IEND":
            return True
    return False


def _bare_png(content: bytes) -> Bare | None:
    kept, exif, pixels = [PNG], b"", []
    for kind, data, sound in _png_chunks(content):
        if kind == b"eXIf":
            exif = data
        broken = kind == b"tRNS" and not (sound and len(data) >= _TRNS_BYTES.get(content[25], 0))
        if kind in _PNG_KEPT and not broken:
            kept.append(_chunk(kind, data))
        if kind == b"IDAT":
            pixels.append(data)
        if kind == b"IEND":
            break
    else:
        kept.append(_chunk(b"IEND", b""))
    try:
        zlib.decompress(b"".join(pixels))  # its own checksum says whether the pixels are whole
    except zlib.error:
        return None
    return Bare(b"".join(kept), exif)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, data and whether the checksum fits; what lies about its length ends at the next chunk of pixels."""
    at = len(PNG)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        sound = _is_sound(content, at)
        if not sound and not (end == len(content) or _begins_chunk(content, end)):
            end = _next_sound(content, at + 8)
        yield kind, content[at + 8 : max(at + 8, min(end - 4, at + 8 + length))], sound
        at = end


def _is_sound(content: bytes, at: int) -> bool:
    """Tell whether a chunk lies here whole, with the right checksum."""
    if at + 12 > len(content):
        return False
    length = int.from_bytes(content[at : at + 4], "big")
    end = at + 8 + length
    return end + 4 <= len(content) and zlib.crc32(content[at + 4 : end]) == int.from_bytes(
        content[end : end + 4], "big"
    )


def _begins_chunk(content: bytes, at: int) -> bool:
    return content[at + 4 : at + 8].isalpha() and len(content[at + 4 : at + 8]) == 4


def _next_sound(content: bytes, start: int) -> int:
    """Tell where the next sound chunk that pixels need begins; the end of the file if there is none."""
    found = len(content)
    for kind in (b"PLTE", b"IDAT", b"IEND"):
        at = content.find(kind, start)
        while 0 <= at < found:
            if at >= start + 4 and _is_sound(content, at - 4):
                found = at - 4
            at = content.find(kind, at + 1)
    return found


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# JPEG


def _bare_jpeg(content: bytes) -> Bare | None:
    chain = _jpeg_chain(content, 2)
    exif = _jpeg_exif(content)
    if chain is None:  # a segment lies about its length: the chain of the largest picture in the file is meant
        starts = [found.start() for found in re.finditer(rb"\xff[\xdb\xc4\xc0]", content)][:MAX_STARTS]
        chains = [found for at in starts if (found := _jpeg_chain(content, at)) is not None]
        chain = max(chains, key=lambda found: found[2], default=None)
    if chain is None:
        return None
    head, scan, _ = chain
    body = content[scan:]
    end = body.rfind(_EOI)
    body = body[:end] if end >= 0 else body.removesuffix(b"\xff")
    if not _has_all_scans(head, body):
        return None
    start = b"\xff\xd8" + head + body
    return Bare(start + _EOI, exif, start + bytes(range(1, 255)) * 16 + _EOI)


def _has_all_scans(head: bytes, body: bytes) -> bool:
    """Tell whether the scans of a progressive JPEG, each with some bits of some coefficients, are all begun."""
    frame = head.find(b"\xff\xc2")
    if frame < 0:
        return True
    missing = {(head[frame + 10 + 3 * i], k) for i in range(head[frame + 9]) for k in range(64)}
    for scan in re.finditer(rb"\xff\xda", body):
        about = body[scan.end() : scan.end() + 64].ljust(64, b"\0")
        count = min(about[2], 4)
        first, last, bits = about[3 + 2 * count : 6 + 2 * count]
        if bits & 15 == 0:  # down to the last bit
            missing -= {(about[3 + 2 * i], k) for i in range(count) for k in range(first, min(last, 63) + 1)}
    return not missing


def _jpeg_chain(content: bytes, at: int) -> tuple[bytes, int, int] | None:
    """The segments that pixels need from here to the first scan, where that begins, and the picture's size in pixels;
    None where the chain breaks."""
    kept: list[bytes] = []
    pixels = 0
    while True:
        while content[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if at + 4 > len(content) or content[at] != 0xFF:
            return None
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == 0xDA:
            return (b"".join(kept), at, pixels) if pixels else None
        if marker < 0xC0 or marker in (0xD8, 0xD9) or length < 2:
            return None
        if marker in _SIZES:
            height, width = struct.unpack_from(">HH", content.ljust(at + 9, b"\0"), at + 5)
            pixels = height * width
        broken = marker in _MARKED and not (content.startswith(_MARKED[marker], at + 4) and length >= 14)
        if marker in _JPEG_KEPT and not broken:
            kept.append(content[at : at + 2 + length])
        at += 2 + length


def _jpeg_exif(content: bytes) -> bytes:
    at = content.find(b"Exif\0\0", 0, 2**17)
    return content[at : at + 2**16] if at >= 0 else b""


# TIFF


def _bare_tiff(content: bytes) -> Bare | None:
    """The first page with the tags that pixels do not need made ones of a type that no reader knows."""
    order, made = "<" if content[:1] == b"I" else ">", bytearray(content)
    try:
        (at,) = struct.unpack_from(order + "I", content, 4)
        (count,) = struct.unpack_from(order + "H", content, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            (tag,) = struct.unpack_from(order + "H", content, entry)
            if tag not in _TIFF_KEPT:
                struct.pack_into(order + "H", made, entry + 2, 99)
    except struct.error:  # it ends before its tags
        return None
    return Bare(bytes(made))  # Pillow turns TIFFs itself


# WebP


def _bare_webp(content: bytes) -> Bare | None:
    kept, exif, at = [], b"", 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        data = content[at + 8 : at + 8 + length]
        if kind in _WEBP_KEPT:
            if len(data) < length:
                return None
            if kind == b"VP8X" and data:
                data = bytes([data[0] & ~0b101100]) + data[1:]  # it has no ICC, EXIF or XMP any more
            kept.append(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))
        elif kind == b"EXIF":
            exif = data
        at += 8 + length + length % 2
    body = b"WEBP" + b"".join(kept)
    return Bare(b"RIFF" + struct.pack("<I", len(body)) + body, exif) if kept else None
