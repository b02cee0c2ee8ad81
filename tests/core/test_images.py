import io
import os
import zlib
from struct import pack

import numpy as np
import PIL.Image
import pytest

from fakes import gradient, photos
from fewclicks import visualization
from fewclicks.errors import InputError
from fewclicks.files.replace import replace_file
from fewclicks.images.reading import read_image, read_mask

PHOTO = gradient(48, 64)
GREY = PHOTO[..., 1]


def saved(tmp_path, picture, name="photo.png", **options):
    path = tmp_path / name
    picture.save(path, **options)
    return path


def as_grey(levels):
    return np.repeat(np.asarray(levels, np.uint8)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "RGBA", "LA", "YCbCr", "LAB", "HSV", "F", "I", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    picture = PIL.Image.fromarray(GREY if mode in ("F", "I", "I;16") else PHOTO)
    if mode == "LAB":
        picture = PIL.Image.new("LAB", (64, 48), (200, 128, 128))
    elif mode == "I;16":
        picture = PIL.Image.fromarray(GREY.astype(np.uint16) * 257)
    elif mode == "HSV":
        picture = picture.convert("HSV")
    else:
        picture = picture.convert(mode)
    image = read_image(picture if mode == "HSV" else saved(tmp_path, picture, "photo.tiff"))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    if mode in ("RGB", "RGBA"):
        assert np.array_equal(image, PHOTO)
    elif mode == "LAB":
        assert 170 < image.min() <= image.max() < 220
    else:
        shade, wanted = image.mean(2), GREY if mode in ("F", "I", "I;16") else PHOTO.mean(2)
        wanted = np.asarray(picture) if mode == "1" else wanted
        assert np.corrcoef(shade.ravel(), wanted.ravel())[0, 1] > 0.7


@pytest.mark.parametrize(("scale", "want"), [(257, 1), (16, None), (1, None)])
def test_sixteen_bits(tmp_path, scale, want):
    """Values that fill 16 bits keep their brightness; darker ones (12 bits in 16) are stretched to be seen."""
    path = saved(tmp_path, PIL.Image.fromarray(GREY.astype(np.uint16) * scale))
    stretched = (GREY.astype(float) - GREY.min()) * 255 / (GREY.max() - GREY.min())
    assert np.array_equal(read_image(path), as_grey(GREY if want else np.rint(stretched)))


def test_float_grey(tmp_path):
    unit = GREY.astype(np.float32) / 255
    assert np.array_equal(read_image(saved(tmp_path, PIL.Image.fromarray(unit), "f.tiff")), as_grey(GREY))
    wild = unit * 2000 - 1000
    wild[0, 0], wild[0, 1] = np.nan, np.inf
    image = read_image(saved(tmp_path, PIL.Image.fromarray(wild), "f.tiff"))
    assert image.max() == 255
    assert not image[0, :2].any()
    flat = np.full((4, 4), 7, np.float32)
    assert read_image(saved(tmp_path, PIL.Image.fromarray(flat), "f.tiff")).shape == (4, 4, 3)


def test_transparency_lies_on_white(tmp_path):
    rgba = np.dstack([PHOTO, np.full((48, 64), 255, np.uint8)])
    rgba[:10, :, 3] = 0
    rgba[10:20, :, 3] = 128
    want = PHOTO.copy()
    want[:10] = 255
    want[10:20] = np.rint((PHOTO[10:20] * 128.0 + 255.0 * 127) / 255)
    for source in (rgba, saved(tmp_path, PIL.Image.fromarray(rgba))):
        assert np.array_equal(read_image(source), want)


def test_a_transparent_palette_colour_is_white(tmp_path):
    picture = PIL.Image.fromarray((GREY > 99).astype(np.uint8)).convert("P")
    picture.putpalette([10, 20, 30, 200, 100, 50])
    assert tuple(read_image(saved(tmp_path, picture))[0, 0]) == (10, 20, 30)
    assert tuple(read_image(saved(tmp_path, picture, "clear.png", transparency=0))[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image = read_image(saved(tmp_path, PIL.Image.fromarray(PHOTO), exif=exif))
    turned = PHOTO if orientation < 5 else PHOTO.transpose(1, 0, 2)
    back = {
        2: np.s_[:, ::-1],
        3: np.s_[::-1, ::-1],
        4: np.s_[::-1],
        6: np.s_[:, ::-1],
        7: np.s_[::-1, ::-1],
        8: np.s_[::-1],
    }
    assert np.array_equal(image, turned[back.get(orientation, np.s_[:])])


def test_arrays():
    assert read_image(PHOTO) is PHOTO
    assert np.array_equal(read_image(GREY), as_grey(GREY))
    assert np.array_equal(read_image(GREY[:, :, None]), as_grey(GREY))
    assert read_image(PHOTO[:, ::2]).flags.c_contiguous


def test_open_files_and_pillow_images():
    file = io.BytesIO()
    PIL.Image.fromarray(PHOTO).save(file, "PNG")
    assert np.array_equal(read_image(io.BytesIO(file.getvalue())), PHOTO)
    assert np.array_equal(read_image(PIL.Image.fromarray(PHOTO)), PHOTO)


@pytest.mark.parametrize(
    ("array", "cure"),
    [
        (PHOTO / 255, r"astype\('uint8'\)"),
        (PHOTO.astype(np.int64), "uint8"),
        (PHOTO > 9, "uint8"),
        (PHOTO.transpose(2, 0, 1), "transpose"),
        (PHOTO[None], "one photo"),
        (PHOTO[..., :2], "HxWx3"),
        (np.zeros((0, 5, 3), np.uint8), "1x1"),
        (None, "pass a path"),
        ([1, 2], "pass a path"),
    ],
)
def test_arrays_that_cannot_be_used_name_the_cure(array, cure):
    with pytest.raises(InputError, match=cure):
        read_image(array)


def huge_png(width, height):
    """A PNG of a few bytes whose header claims any size."""

    def chunk(kind, data):
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"0" * 99)) + chunk(b"IEND", b"")


def test_files_that_cannot_be_used_name_the_cure(tmp_path):
    whole = saved(tmp_path, PIL.Image.fromarray(PHOTO), "whole.jpg").read_bytes()
    png = saved(tmp_path, PIL.Image.fromarray(PHOTO), "whole.png").read_bytes()
    files = {
        "empty.jpg": (b"", "empty"),
        "cut.jpg": (whole[: len(whole) // 2], "cut short"),
        "cut.png": (png[: len(png) // 2], "cut short"),
        "scratched.png": (png[:60] + b"x" * 20 + png[80:], "damaged"),
        "words.jpg": (b"no image at all", "PNG or JPEG"),
        "bomb.png": (huge_png(60_000, 60_000), "300,000,000 pixels"),
    }
    for name, (content, cure) in files.items():
        (tmp_path / name).write_bytes(content)
        for read in (read_image, lambda path: read_mask(path, (48, 64))):
            with pytest.raises(InputError, match=cure) as caught:
                read(tmp_path / name)
            assert name in str(caught.value)
            assert "\n" not in str(caught.value)
    for path, cure in ((tmp_path / "gone.jpg", "no image at"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=cure):
            read_image(path)
    with pytest.raises(InputError, match="1,000 pixels"):
        read_image(tmp_path / "whole.png", max_pixels=1000)


def test_the_limit_is_ours_and_pillows_is_left_as_it_was():
    before = PIL.Image.MAX_IMAGE_PIXELS
    PIL.Image.MAX_IMAGE_PIXELS = 100
    try:
        file = io.BytesIO()
        PIL.Image.fromarray(PHOTO).save(file, "PNG")
        assert read_image(file).shape == PHOTO.shape
        with pytest.raises(InputError, match="more than"):
            read_image(io.BytesIO(huge_png(60_000, 60_000)))
        assert PIL.Image.MAX_IMAGE_PIXELS == 100
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = before


OBJECT = GREY > 100


@pytest.mark.parametrize(
    "mask",
    [
        OBJECT,
        OBJECT.astype(np.uint8),
        OBJECT.astype(np.uint8) * 255,
        OBJECT.astype(np.uint8) * 3,
        OBJECT.astype(np.int64),
        OBJECT.astype(np.uint16) * 65535,
        OBJECT.astype(np.float64),
        OBJECT.astype(np.uint8)[:, :, None],
    ],
)
def test_two_valued_masks(mask):
    prob = read_mask(mask, (48, 64))
    assert prob.dtype == np.float32
    assert np.array_equal(prob, OBJECT.astype(np.float32))


def test_probability_masks():
    prob = np.random.default_rng(0).random((48, 64), np.float32)
    read = read_mask(prob, (48, 64))
    assert np.array_equal(read, prob)
    read[:] = 0
    assert prob.any(), "the array given stays as it is"
    assert np.allclose(read_mask(GREY, (48, 64)), GREY / 255, atol=1e-6)


@pytest.mark.parametrize("value", [0, 1])
def test_masks_of_one_value(value):
    assert (read_mask(np.full((4, 4), value, np.uint8), (4, 4)) == value).all()


@pytest.mark.parametrize(
    ("mask", "cure"),
    [
        (np.zeros((48, 63)), "63x48 pixels but the image is 64x48"),
        (np.full((48, 64), np.nan), r"\[0, 1\]"),
        (np.full((48, 64), -3.5), "logits"),
        (np.full((48, 64), -1, np.int8), "truth == 1"),
        (np.arange(48 * 64).reshape(48, 64) % 5, "ids == 4"),
        (PHOTO, "single channel"),
        (np.full((48, 64), 1j), "astype"),
    ],
)
def test_masks_that_cannot_be_used_name_the_cure(mask, cure):
    with pytest.raises(InputError, match=cure):
        read_mask(mask, (48, 64))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_mask_files(tmp_path, mode):
    grey = PIL.Image.fromarray(OBJECT.astype(np.uint8) * 255)
    picture = PIL.Image.fromarray(OBJECT.astype(np.uint16) * 500) if mode == "I;16" else grey.convert(mode)
    assert np.array_equal(read_mask(saved(tmp_path, picture), (48, 64)), OBJECT.astype(np.float32))


def test_saved_masks_and_cutouts_are_read_again(tmp_path):
    for number, image in enumerate([PHOTO, *photos(2)]):
        hw = image.shape[:2]
        mask = np.random.default_rng(number).random(hw) < 0.4
        visualization.save(mask, tmp_path / "mask.png")
        assert np.array_equal(read_mask(tmp_path / "mask.png", hw), mask)
        visualization.save(visualization.cutout(image, mask), tmp_path / "cutout.PNG")
        assert np.array_equal(read_mask(tmp_path / "cutout.PNG", hw), mask)
        cutout = np.asarray(PIL.Image.open(tmp_path / "cutout.PNG"))
        assert np.array_equal(cutout[mask][:, :3], image[mask])
        assert not cutout[~mask].any(), "the background is not in the file"
    assert sorted(os.listdir(tmp_path)) == ["cutout.PNG", "mask.png"]


def test_places_that_cannot_be_written(tmp_path):
    for path, cure in ((tmp_path / "gone" / "mask.png", "create it"), (tmp_path / "mask.jpg", ".png")):
        with pytest.raises(InputError, match=cure):
            visualization.save(OBJECT, path)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        visualization.save(OBJECT, tmp_path / "folder.png")
    assert os.listdir(tmp_path) == ["folder.png"], "no temporary file is left"


def test_a_failed_save_leaves_the_old_file(tmp_path):
    visualization.save(OBJECT, tmp_path / "mask.png")
    old = (tmp_path / "mask.png").read_bytes()

    def full_disk(file):
        file.write(b"half a picture")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        replace_file(tmp_path / "mask.png", full_disk)
    assert os.listdir(tmp_path) == ["mask.png"], "no temporary file is left"
    assert (tmp_path / "mask.png").read_bytes() == old


@pytest.mark.parametrize("name", ["a" * 3000, "a\0b.png"])
def test_a_name_that_no_file_can_have_is_no_image(name):
    with pytest.raises(InputError, match="no image at"):
        read_image(name)
