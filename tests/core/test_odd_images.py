"""Odd files: damaged metadata, files that end early, more than 8 bits. What can be decoded is."""

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile

from fakes import gradient
from fewclicks.errors import InputError
from fewclicks.images import levels
from fewclicks.images.levels import parse_levels
from fewclicks.images.reading import read_image, read_mask

PHOTO = gradient(48, 64)
SEEN = np.array(PIL.Image.fromarray(PHOTO).resize((16, 12)).resize((64, 48)))  # smooth: JPEG keeps it
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data, crc=None, length=None):
    end = struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    return struct.pack(">I", len(data) if length is None else length) + kind + data + end


def written(kind="PNG", **options):
    file = io.BytesIO()
    PIL.Image.fromarray(SEEN).save(file, kind, **options)
    return file.getvalue()


def png_with(*chunks, late=False):
    """A PNG with more chunks behind its header, or before its end."""
    content = written()
    at = len(content) - 12 if late else 33
    return content[:at] + b"".join(chunks) + content[at:]


def jpeg_with(*segments, **options):
    """A JPEG with more segments behind its first marker."""
    content = written("JPEG", **{"quality": 95, **options})
    return content[:2] + b"".join(segments) + content[2:]


def segment(marker, data, length=None):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2 if length is None else length) + data


def exif(*entries, order="<"):
    """An EXIF block of (tag, type, count, four bytes of value)."""
    rows = b"".join(struct.pack(order + "HHI4s", *entry) for entry in entries)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return b"Exif\0\0" + head + struct.pack(order + "H", len(entries)) + rows + b"\0" * 4


def turn(value):
    return (0x0112, 3, 1, struct.pack("<HH", value, 0))


FAR_OFF = struct.pack("<I", 2**31)
SIGNED = (0x011A, 10, 1, FAR_OFF)  # XResolution as a signed fraction, far beyond the end
NOT_EXIF = b"Exif\0\0garbage! and more of it"
TURNED = {  # what is asked of Pillow to write EXIF anew breaks it, the orientation is there
    "signed resolution": exif(turn(6), SIGNED),
    "cut short": exif(turn(6), SIGNED)[:-14],
    "more entries than there are": exif(turn(6))[:14] + struct.pack("<H", 999) + exif(turn(6))[16:],
    "tag of no type": exif(turn(6), (0x9999, 77, 5, FAR_OFF)),
}
DAMAGED = {
    "no tiff": NOT_EXIF,
    "empty": b"Exif\0\0",
    "header only": b"Exif\0\0II*\0",
    "points outside": b"Exif\0\0II*\0" + FAR_OFF,
    "orientation 77": exif((0x0112, 3, 1, struct.pack("<HH", 77, 0))),
    "orientation in words": exif((0x0112, 2, 4, b"top\0")),
    "orientation of many": exif((0x0112, 3, 2**30, FAR_OFF)),
}


@pytest.mark.parametrize("block", TURNED.values(), ids=TURNED)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_the_orientation_of_a_damaged_exif_block_is_taken(block, kind):
    content = {
        "jpg": lambda: jpeg_with(segment(0xE1, block)),
        "png": lambda: png_with(chunk(b"eXIf", block[6:])),
        "webp": lambda: written("WEBP", lossless=True, exif=block),
    }[kind]()
    image = read_image(io.BytesIO(content), notes=[])
    assert np.abs(image.astype(int) - np.rot90(SEEN, -1)).max() < 30


@pytest.mark.parametrize("block", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_damaged_exif_block_costs_only_itself(block, kind):
    content = {
        "jpg": lambda: jpeg_with(segment(0xE1, block)),
        "png": lambda: png_with(chunk(b"eXIf", block[6:])),
        "webp": lambda: written("WEBP", lossless=True, exif=block),
    }[kind]()
    assert np.abs(read_image(io.BytesIO(content), notes=[]).astype(int) - SEEN).max() < 30


BOMB = zlib.compress(b"x" * 80_000_000, 1)
PNGS = {
    "text, wrong checksum": (chunk(b"tEXt", b"a\0b", crc=1),),
    "text without an end": (chunk(b"tEXt", b"a" * 99),),
    "compressed text, not compressed": (chunk(b"zTXt", b"a\0\0no zlib"),),
    "compressed text of 80 MB": (chunk(b"zTXt", b"a\0\0" + BOMB),),
    "three of them": (chunk(b"zTXt", b"a\0\0" + BOMB),) * 3,
    "international text, cut": (chunk(b"iTXt", b"XML:com.adobe.xmp\0\1"),),
    "international text of 80 MB": (chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),),
    "xmp of nonsense": (chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta tiff:Orientation='6"),),
    "icc profile, not compressed": (chunk(b"iCCP", b"icc\0\0no zlib"),),
    "icc profile without a name": (chunk(b"iCCP", b"x" * 120),),
    "icc profile of 80 MB": (chunk(b"iCCP", b"icc\0\0" + BOMB),),
    "resolution, short": (chunk(b"pHYs", b"\0"),),
    "gamma, short": (chunk(b"gAMA", b"\0"),),
    "chromaticities, short": (chunk(b"cHRM", b"\0\0\0\0\0"),),
    "color space, empty": (chunk(b"sRGB", b""),),
    "transparency, short": (chunk(b"tRNS", b"\0"),),
    "transparency, wrong checksum": (chunk(b"tRNS", b"\0" * 6, crc=1),),
    "length beyond the file": (chunk(b"tEXt", b"a\0b", length=2**31 - 1),),
    "length too short": (chunk(b"tEXt", b"a\0" + b"b" * 50, length=10),),
    "length too long": (chunk(b"tEXt", b"a\0" + b"b" * 50, length=70),),
    "animation, broken": (chunk(b"acTL", b"\0"),),
    "kind of no letters": (chunk(b"\0\1\2\3", b"abc"),),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("chunks", PNGS.values(), ids=PNGS)
def test_a_damaged_chunk_of_a_png_costs_only_itself(chunks, late):
    notes = []
    assert np.array_equal(read_image(io.BytesIO(png_with(*chunks, late=late)), notes=notes), SEEN)
    assert all("\n" not in note and note[0].isupper() for note in notes)


JPEGS = {
    "icc profile, broken": (segment(0xE2, b"ICC_PROFILE\0\1\1" + b"x" * 50),),
    "icc profile, part 3 of 2": (segment(0xE2, b"ICC_PROFILE\0\3\2" + b"x" * 50),),
    "icc profile, cut": (segment(0xE2, b"ICC_PROFILE\0"),),
    "xmp of nonsense": (segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"),),
    "photoshop, cut": (segment(0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0"),),
    "several pictures, nonsense": (segment(0xE2, b"MPF\0II*\0" + FAR_OFF),),
    "several pictures, none": (segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0\0\0\0\0"),),
    "exif with a length too short": (segment(0xE1, exif(turn(1)), length=9),),
    "exif with a length too long": (segment(0xE1, exif(turn(1)), length=90),),
    "exif with a length of 0": (segment(0xE1, exif(turn(1)), length=0),),
    "comment without an end": (segment(0xFE, b"x" * 60000),),
    "JFIF, cut": (segment(0xE0, b"JFIF\0"),),
    "Adobe, cut": (segment(0xEE, b"Adobe"),),
}


@pytest.mark.parametrize("segments", JPEGS.values(), ids=JPEGS)
def test_a_damaged_segment_of_a_jpeg_costs_only_itself(segments):
    image = read_image(io.BytesIO(jpeg_with(*segments)), notes=[])
    assert np.abs(image.astype(int) - SEEN).max() < 30


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_jpeg_without_its_last_bytes_is_read(options, lost):
    whole = written("JPEG", quality=95, **options)
    notes = []
    image = read_image(io.BytesIO(whole[:-lost]), notes=notes)
    want = read_image(io.BytesIO(whole))
    assert len(notes) == 1
    assert np.abs(image[:32].astype(int) - want[:32]).max() < 30, "at most the last row of blocks differs"
    if lost <= 2:
        assert np.array_equal(image, want)


def test_what_is_not_there_is_not_made_up():
    for options in ({}, {"progressive": True}):
        whole = written("JPEG", quality=95, **options)
        with pytest.raises(InputError, match="cut short"):
            read_image(io.BytesIO(whole[: len(whole) // 2]))
    png = written()
    with pytest.raises(InputError, match=r"damaged|cut short"):
        read_image(io.BytesIO(png[: len(png) - 60]))


@pytest.mark.parametrize("behind", [b"\0" * 5000, b"\r\n", b"<html>", bytes(range(256)) * 9])
def test_what_follows_the_picture_does_not_matter(behind):
    assert np.array_equal(read_image(io.BytesIO(written() + behind), notes=[]), SEEN)
    want = read_image(io.BytesIO(written("JPEG")))
    assert np.array_equal(read_image(io.BytesIO(written("JPEG") + behind), notes=[]), want)


def test_a_png_without_its_end_or_with_wrong_checksums_of_whole_pixels_is_read():
    png = written()
    at = png.index(b"IDAT")
    length = int.from_bytes(png[at - 4 : at], "big")
    wrong = png[: at + 4 + length] + b"crc!" + png[at + 8 + length :]
    for content in (png[:-1], png[:-4], png[:-12], png[:-16], wrong):
        notes = []
        assert np.array_equal(read_image(io.BytesIO(content), notes=notes), SEEN)
    scratched = png[: at + 20] + b"scratch" + png[at + 27 :]
    with pytest.raises(InputError, match="damaged"):
        read_image(io.BytesIO(scratched))


def test_the_content_and_not_the_ending_says_what_it_is(tmp_path):
    for name, kind in (("a.jpg", "PNG"), ("a.png", "JPEG"), ("a.tif", "PNG"), ("a.png", "WEBP"), ("a.jpg", "TIFF")):
        (tmp_path / name).write_bytes(written(kind))
        assert read_image(tmp_path / name).shape == SEEN.shape


# More than 8 bits

TWELVE = (SEEN.astype(np.uint16) * 16)[:, :, [2, 1, 0]]  # 0..4080
STRETCHED = np.rint((TWELVE.astype(float) - TWELVE.min()) * 255 / (TWELVE.max() - TWELVE.min())).astype(np.uint8)
OPAQUE = np.full((48, 64, 1), 65535, np.uint16)


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def png16(array, color):
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, color, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def by_opencv(ending, array, *options):
    return cv2.imencode(ending, array[..., ::-1] if array.shape[2] == 3 else array, options)[1].tobytes()


RGB16 = {
    "PNG": lambda: png16(TWELVE, 2),
    "PNG with opacity": lambda: png16(np.dstack([TWELVE, OPAQUE]), 6),
    "PNG with a damaged chunk": lambda: (p := png16(TWELVE, 2))[:33] + chunk(b"tEXt", b"a\0b", crc=1) + p[33:],
    "JPEG 2000": lambda: by_opencv(".jp2", np.tile(TWELVE, (4, 4, 1)), cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000),
    "PPM": lambda: b"P6\n# x\n64 48\n65535\n" + TWELVE.astype(">u2").tobytes(),
    "TIFF": lambda: tiff(TWELVE, photometric="rgb"),
    "TIFF, big-endian": lambda: tiff(TWELVE, photometric="rgb", byteorder=">"),
    "TIFF, large": lambda: tiff(TWELVE, photometric="rgb", bigtiff=True),
    "TIFF, planar": lambda: tiff(TWELVE.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
    "TIFF, deflated": lambda: tiff(TWELVE, photometric="rgb", compression="zlib"),
    "TIFF, LZW": lambda: by_opencv(".tiff", TWELVE, cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "TIFF, tiled": lambda: tiff(TWELVE, photometric="rgb", tile=(32, 32)),
    "TIFF, opacity": lambda: tiff(np.dstack([TWELVE, OPAQUE]), photometric="rgb", extrasamples=["unassalpha"]),
    "TIFF, three greys": lambda: tiff(TWELVE, photometric="minisblack", planarconfig="contig"),
    "TIFF, five channels": lambda: tiff(
        np.dstack([TWELVE, TWELVE[..., :2] + 9000]), photometric="minisblack", planarconfig="contig"
    ),
    "TIFF, int32": lambda: tiff(TWELVE.astype(np.int32) - 2000, photometric="rgb"),
    "TIFF, uint32": lambda: tiff(TWELVE.astype(np.uint32) + 2**31, photometric="rgb"),
    "TIFF, int16": lambda: tiff(TWELVE.astype(np.int16) - 2000, photometric="rgb"),
    "TIFF, float32": lambda: tiff(TWELVE.astype(np.float32), photometric="rgb"),
    "TIFF, float64": lambda: tiff(TWELVE.astype(np.float64) * 1e9, photometric="rgb"),
    "TIFF, float16": lambda: tiff(TWELVE.astype(np.float16), photometric="rgb"),
}


@pytest.mark.parametrize("name", RGB16)
def test_deep_color_is_stretched_as_grey_is(name, tmp_path):
    content = RGB16[name]()
    image = read_image(io.BytesIO(content), notes=[])[:48, :64]
    assert np.abs(image.astype(int) - STRETCHED).max() <= 1
    (tmp_path / "a").write_bytes(content)
    assert np.array_equal(read_image(tmp_path / "a", notes=[])[:48, :64], image)


def test_full_16_bit_color_keeps_its_brightness():
    full = SEEN.astype(np.uint16) * 257
    for content in (png16(full, 2), tiff(full, photometric="rgb")):
        assert np.array_equal(read_image(io.BytesIO(content)), SEEN)
    unit = SEEN.astype(np.float32) / 255
    assert np.array_equal(read_image(io.BytesIO(tiff(unit, photometric="rgb"))), SEEN)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF, multiplied"])
def test_deep_grey_with_opacity(kind):
    grey, alpha = TWELVE[..., :1], np.full((48, 64, 1), 65535, np.uint16)
    alpha[:10], alpha[10:20] = 0, 32768
    both = np.dstack([np.where(alpha == 0, np.uint16(60000), grey), alpha])  # what is clear has no say
    if kind == "PNG":
        content = png16(both, 4)
    else:
        extra = "unassalpha" if kind == "TIFF" else "assocalpha"
        if extra == "assocalpha":
            both = np.dstack([(both[..., 0] * (alpha[..., 0] / 65535)).round().astype(np.uint16), alpha])
        content = tiff(both, photometric="minisblack", planarconfig="contig", extrasamples=[extra])
    image = read_image(io.BytesIO(content))
    seen = grey[10:]
    want = (grey.astype(float) - seen.min()) * 255 / (seen.max() - seen.min())
    assert (image[:10] == 255).all()
    assert np.abs(image[20:, :, 0] - want[20:, :, 0]).max() <= 1.5
    assert np.abs(image[10:20, :, 0] - (want[10:20, :, 0] + 255) / 2).max() <= 2


def test_what_a_tiff_says_of_its_values():
    grey = TWELVE[..., 0]
    black = read_image(io.BytesIO(tiff(grey)))
    white = read_image(io.BytesIO(tiff(grey, photometric="miniswhite")))
    assert np.abs(255 - black.astype(int) - white).max() <= 1
    turned = read_image(io.BytesIO(tiff(grey, extratags=[(274, 3, 1, 6, True)])))
    assert np.array_equal(turned, np.rot90(black, -1))
    holed = grey.astype(np.float32)
    holed[:5] = -9999
    image = read_image(io.BytesIO(tiff(holed, extratags=[(42113, 2, 6, "-9999", True)])))
    assert not image[:5].any()
    assert image.max() == 255
    stack = read_image(io.BytesIO(tiff(np.stack([grey, grey * 0]), photometric="minisblack")))
    assert np.array_equal(stack, black), "the first page"


def test_other_layouts_of_8_bits():
    five = np.dstack([SEEN, SEEN[..., :2]])
    for content in (
        tiff(five, photometric="minisblack", planarconfig="contig"),
        tiff(five.transpose(2, 0, 1).copy(), photometric="minisblack", planarconfig="separate"),
        tiff(five, photometric="rgb", planarconfig="contig"),
    ):
        notes = []
        assert np.array_equal(read_image(io.BytesIO(content), notes=notes), SEEN)
        assert "5 channels" in notes[0]
    signed = (SEEN[..., 0].astype(int) - 128).astype(np.int8)
    image = read_image(io.BytesIO(tiff(signed)))[..., 0].astype(float)
    assert np.corrcoef(image.ravel(), SEEN[..., 0].ravel())[0, 1] > 0.999


def test_notes_do_not_name_objects_in_memory():
    notes = []
    read_image(io.BytesIO(png_with(chunk(b"iCCP", b"icc", crc=1))), notes=notes)
    assert notes
    assert "0x" not in notes[0]


def test_a_tiff_whose_description_lies_elsewhere_is_read():
    content = bytearray(written("TIFF", tiffinfo={270: "x" * 300, 274: 6}))
    tag = content.index(struct.pack("<HH", 270, 2))
    struct.pack_into("<I", content, tag + 8, 0x7FFFFF00)
    notes = []
    assert np.array_equal(read_image(io.BytesIO(content), notes=notes), np.rot90(SEEN, -1))
    assert notes == ["The file is damaged beside its pixels (its metadata cannot be read): ignored"]


@pytest.mark.parametrize("cut", [1, 2])
def test_deep_jpeg2000_without_its_end_is_read(cut):
    deep = SEEN.astype(np.uint16) * 16
    content = by_opencv(".jp2", deep, cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    assert np.array_equal(read_image(io.BytesIO(content[:-cut])), read_image(io.BytesIO(content)))
    with pytest.raises(InputError, match="cut short"):
        read_image(io.BytesIO(content[: len(content) // 2]))


def test_a_damaged_16_bit_png_is_stretched_all_the_same(capfd):
    content = png16(SEEN.astype(np.uint16) * 16, 2)
    right = read_image(io.BytesIO(content))
    assert right.max() > 250
    wrong_sum = content[:-16] + b"\0\0\0\0" + content[-12:]
    for damaged in (wrong_sum, content[:-12]):
        assert np.array_equal(read_image(io.BytesIO(damaged)), right)
    assert capfd.readouterr().err == ""


def test_opacity_of_12_bits_is_stretched_too():
    deep = SEEN.astype(np.uint16) * 16
    opaque = np.dstack([deep, np.full(deep.shape[:2], 4095, np.uint16)])
    for content in (png16(opaque, 6), tiff(opaque, photometric="rgb", extrasamples=["unassalpha"])):
        assert np.array_equal(read_image(io.BytesIO(content)), read_image(io.BytesIO(png16(deep, 2))))


def test_float_color_of_a_portable_float_map():
    content = by_opencv(".pfm", (SEEN / 255).astype(np.float32))
    assert np.array_equal(read_image(io.BytesIO(content)), SEEN)
    with pytest.raises(InputError, match="more than 300,000,000 pixels"):
        read_image(io.BytesIO(b"PF\n100000 100000\n-1.0\n"))


def test_levels_by_hand(tmp_path):
    by_hand = np.rint(np.clip((TWELVE.astype(float) - 100) / 1900, 0, 1) * 255)
    for content in (png16(TWELVE, 2), tiff(TWELVE, photometric="rgb")):
        assert np.abs(read_image(io.BytesIO(content), levels=(100, 2000)) - by_hand).max() <= 1
    assert np.abs(read_image(TWELVE, levels=(100, 2000)) - by_hand).max() <= 1
    eight = np.rint(np.clip((SEEN.astype(float) - 50) / 50, 0, 1) * 255)
    assert np.abs(read_image(SEEN, levels=(50, 100)) - eight).max() <= 1
    assert np.array_equal(read_image(io.BytesIO(written()), levels=(0, 255)), SEEN)
    for wrong in ((5, 5), (9, 3), (0, np.inf), (1,), "ab", (np.nan, 3)):
        with pytest.raises(InputError, match="levels"):
            read_image(SEEN, levels=wrong)
    assert parse_levels("-5, 1e3") == (-5, 1000)
    for text in ("", "5", "1,2,3", "a,b", "9,1", "0,nan"):
        with pytest.raises(InputError, match="levels"):
            parse_levels(text)


def test_deep_files_are_bounded_too():
    for content in (RGB16["PNG"](), RGB16["TIFF"](), RGB16["TIFF, LZW"](), RGB16["JPEG 2000"]()):
        with pytest.raises(InputError, match="more than 1,000 pixels"):
            read_image(io.BytesIO(content), max_pixels=1000)
        with pytest.raises(InputError, match=r"damaged|cannot|can be read|cut short"):
            read_image(io.BytesIO(content[: len(content) * 2 // 3]))


def test_notes_reach_who_asks_for_them(caplog):
    content = png_with(chunk(b"eXIf", b"garbage!"))
    notes = []
    read_image(io.BytesIO(content), notes=notes)
    assert len(notes) == 1
    assert "EXIF" in notes[0]
    assert not caplog.records
    read_image(io.BytesIO(content))
    assert "EXIF" in caplog.text


@pytest.mark.slow
def test_a_picture_that_claims_far_more_than_it_holds_is_refused_before_it_is_decoded(tmp_path):
    PIL.Image.new("RGB", (16383, 8000)).save(tmp_path / "hollow.webp", lossless=True)
    assert (tmp_path / "hollow.webp").stat().st_size < 10_000
    with pytest.raises(InputError, match="claims 131,064,000 pixels in"):
        read_image(tmp_path / "hollow.webp")
    PIL.Image.new("1", (12_000, 3_000)).save(tmp_path / "empty.png")
    assert not read_mask(tmp_path / "empty.png", (3_000, 12_000)).any()


def test_a_palette_picture_without_its_palette_is_damaged(tmp_path):
    file = io.BytesIO()
    PIL.Image.new("P", (4, 4)).save(file, "PNG")
    data = file.getvalue()
    at = data.index(b"PLTE") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    (tmp_path / "a.png").write_bytes(data[:at] + data[at + 12 + size :])
    with pytest.raises(InputError, match=r"damaged or cut short .it has no palette"):
        read_image(tmp_path / "a.png")


def test_a_picture_worked_on_in_bands_is_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    for values in (rng.integers(0, 4096, (37, 20, 3)).astype(np.uint16), rng.normal(0, 9, (37, 20)).astype(np.float32)):
        counted = rng.random((37, 20)) > 0.5
        whole = levels.to_eight_bits(values, counted=counted)
        with monkeypatch.context() as patch:
            patch.setattr(levels, "BAND_VALUES", 90)
            assert np.array_equal(levels.to_eight_bits(values, counted=counted), whole)
        assert whole.max() == 255
