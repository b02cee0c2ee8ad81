"""What a mask picture means: ids, levels or probabilities, one rule for --mask, load_mask, import and beside photos."""

import io
import json

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile

from commands import runner
from fakes import gradient
from fewclicks import formats
from fewclicks.errors import InputError
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.images.mask_meaning import meant_by_picture, meant_by_values
from fewclicks.images.reading import read_mask

HW = (60, 80)
ROWS, COLUMNS = np.mgrid[: HW[0], : HW[1]]
DISC = (ROWS - 30) ** 2 + (COLUMNS - 25) ** 2 <= 300
OTHER = (ROWS - 30) ** 2 + (COLUMNS - 62) ** 2 <= 150
RIM = cv2.dilate(DISC.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~DISC
WHITE = DISC.astype(np.uint8) * 255
SOFT = cv2.GaussianBlur(WHITE, (5, 5), 1)
VOC = np.random.default_rng(0).integers(0, 256, 768).astype(np.uint8)


def encoded(kind, picture, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return PIL.Image.open(file)


def grey(values, kind="PNG", **options):
    return encoded(kind, PIL.Image.fromarray(values), **options)


def paletted(index, palette=VOC):
    picture = PIL.Image.fromarray(index.astype(np.uint8))
    picture.putpalette(list(palette))
    return encoded("PNG", picture)


def colored(*pairs):
    rgb = np.zeros((*HW, 3), np.uint8)
    for where, color in pairs:
        rgb[where] = color
    return rgb


def smooth(rgb):
    return PIL.Image.fromarray(cv2.GaussianBlur(rgb, (5, 5), 1))


IDS = DISC * 1 + OTHER * 2
MASKS = {  # one object, the disc
    "white": lambda: grey(WHITE),
    "of one bit": lambda: grey(DISC),
    "of another value": lambda: grey(DISC.astype(np.uint8) * 7),
    "soft": lambda: grey(SOFT),
    "very soft": lambda: grey(cv2.GaussianBlur(WHITE, (9, 9), 3)),
    "resized": lambda: encoded("PNG", PIL.Image.fromarray(WHITE).resize((31, 23), 3).resize(HW[::-1], 1)),
    "JPEG": lambda: grey(WHITE, "JPEG", quality=60),
    "JPEG in color": lambda: encoded("JPEG", PIL.Image.fromarray(WHITE).convert("RGB"), quality=70),
    "soft in 16 bits": lambda: grey(SOFT.astype(np.uint16) * 257),
    "soft in a palette of greys": lambda: encoded("PNG", PIL.Image.fromarray(SOFT).quantize(8)),
    "white in a palette of greys": lambda: encoded("PNG", PIL.Image.fromarray(WHITE).convert("P")),
    "GIF": lambda: grey(WHITE, "GIF"),
    "soft GIF": lambda: grey(SOFT, "GIF"),
    "red": lambda: encoded("PNG", PIL.Image.fromarray(colored((DISC, (255, 0, 0))))),
    "soft red": lambda: encoded("PNG", smooth(colored((DISC, (255, 0, 0))))),
    "opacity of a cut-out": lambda: encoded(
        "PNG", PIL.Image.fromarray(np.dstack([gradient(*HW), DISC.astype(np.uint8) * 255]))
    ),
    "soft opacity": lambda: encoded("PNG", PIL.Image.fromarray(np.dstack([gradient(*HW), SOFT]))),
    "probability": lambda: PIL.Image.fromarray(SOFT.astype(np.float32) / 255),
    "gradient": lambda: grey(np.clip(255 - np.hypot(ROWS - 30, COLUMNS - 25) * 255 / 34.6, 0, 255).astype(np.uint8)),
}
ID_PICTURES = {  # the disc and the other
    "grey": lambda: grey(IDS.astype(np.uint8)),
    "grey with a rim that is not counted": lambda: grey((IDS + RIM * 255).astype(np.uint8)),
    "palette": lambda: paletted(IDS),
    "palette with a rim that is not counted": lambda: paletted(IDS + RIM * 255),
    "palette, far apart": lambda: paletted(DISC * 40 + OTHER * 200),
    "grey, up to 80": lambda: grey((DISC * 40 + OTHER * 80).astype(np.uint8)),
    "16 bits": lambda: grey((DISC * 26001 + OTHER * 26002).astype(np.uint16)),
    "32 bits": lambda: PIL.Image.fromarray((DISC * 100000 + OTHER * 3).astype(np.int32)),
    "colors": lambda: encoded("PNG", PIL.Image.fromarray(colored((DISC, (200, 30, 30)), (OTHER, (20, 90, 250))))),
    "colors on a clear ground": lambda: encoded(
        "PNG",
        PIL.Image.fromarray(
            np.dstack([colored((DISC, (9, 30, 30)), (OTHER, (20, 90, 250))), np.uint8(255) * (DISC | OTHER)])
        ),
    ),
}
AMBIGUOUS = {
    "far apart greys": lambda: grey((DISC * 100 + OTHER * 200).astype(np.uint8)),
    "grey ramp of classes": lambda: grey((DISC * 85 + OTHER * 170 + RIM * 255).astype(np.uint8)),
    "trimap": lambda: grey((DISC * 255 + RIM * 128).astype(np.uint8)),
    "dim": lambda: grey((SOFT // 3).astype(np.uint8)),
    "soft colors": lambda: smooth(colored((DISC, (200, 30, 30)), (OTHER, (20, 90, 250)))),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_of_one_object(name):
    meant = meant_by_picture(MASKS[name]())
    mask = meant.prob() >= 0.5
    assert np.mean(mask != DISC) < 0.03
    ids = meant.ids([])
    assert len(np.unique(ids)) == 2
    assert np.array_equal(ids > 0, mask)


@pytest.mark.parametrize("name", ID_PICTURES)
def test_pictures_of_ids(name):
    meant, notes = meant_by_picture(ID_PICTURES[name]()), []
    ids = meant.ids(notes)
    found = sorted((int((ids == i).sum()), i) for i in np.unique(ids) if i)
    assert [area for area, _ in found] == sorted([int(DISC.sum()), int(OTHER.sum())])
    assert bool(notes) == ("not counted" in name)
    with pytest.raises(InputError, match="several ids"):
        meant.prob()


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_is_ambiguous_is_refused_by_naming_the_option(name):
    with pytest.raises(InputError, match="--mask-is"):
        meant_by_picture(AMBIGUOUS[name]())
    ids = meant_by_picture(AMBIGUOUS[name](), "ids").ids([])
    assert len(np.unique(ids)) >= 3 or name == "trimap"
    mask = meant_by_picture(AMBIGUOUS[name](), "levels").prob()
    assert set(np.unique(mask)) <= {0.0, 1.0}
    prob = meant_by_picture(AMBIGUOUS[name](), "probability").prob()
    assert 0 <= prob.min() < prob.max() <= 1


def test_said_by_hand():
    assert np.array_equal(read_mask(SOFT, HW, mask_is="probability"), SOFT.astype(np.float32) / np.float32(255))
    assert np.array_equal(read_mask(SOFT, HW, mask_is="levels"), (SOFT >= 128).astype(np.float32))
    with pytest.raises(InputError, match="nothing but 255"):
        read_mask(WHITE, HW, mask_is="ids")
    with pytest.raises(InputError, match="not 'level'"):
        read_mask(WHITE, HW, mask_is="level")
    assert np.array_equal(meant_by_values(IDS.astype(np.float32), "ids").ids([]), IDS)


def folder_of(tmp_path, **masks):
    (tmp_path / "photos" / "masks").mkdir(parents=True)
    for name, picture in masks.items():
        PIL.Image.fromarray(gradient(*HW)).save(tmp_path / "photos" / f"{name}.jpg")
        picture().save(tmp_path / "photos" / "masks" / f"{name}.png")
    return tmp_path / "photos", [AnnotatedPhoto(f"{name}.jpg", HW) for name in masks]


def test_masks_beside_photos_are_read_by_the_same_rule(tmp_path):
    folder, photos = folder_of(tmp_path, a=MASKS["soft"], b=ID_PICTURES["palette"], c=AMBIGUOUS["far apart greys"])
    (found,) = formats.detect(folder, [photo.file for photo in photos])
    read = formats.read(found.format, found.source, photos)
    assert [len(read[i].objects) for i in (0, 1)] == [1, 2]
    assert "--mask-is" in str(refused(read, 2))
    by_hand = formats.read(found.format, found.source, photos, mask_is="ids")
    assert len(by_hand[2].objects) == 2


def refused(read, index):
    try:
        return read[index].notes
    except InputError as error:
        return error


def test_the_commands_say_it_by_hand(tmp_path, capsys):
    run = runner(capsys)
    folder, _ = folder_of(tmp_path, a=AMBIGUOUS["trimap"])
    photo, mask, out = folder / "a.jpg", folder / "masks" / "a.png", tmp_path / "m.png"
    asked = ("segment", photo, "--mask", mask, "-o", out, "--method", "grow", "--json")
    code, _, said = run(*asked)
    assert (code, "--mask-is" in said) == (2, True)
    code, said, _ = run(*asked, "--mask-is", "levels")
    assert code == 0
    assert json.loads(said)["area_px"] == int((DISC | RIM).sum())


def squares(*values):
    """Squares of these values in a row."""
    picture = np.zeros(HW, np.uint8)
    for place, value in enumerate(values):
        picture[10:30, 4 + 22 * place : 18 + 22 * place] = value
    return picture


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_of_whole_numbers_are_what_they_would_be_without_a_point(tmp_path, kind):
    white = squares(255).astype(kind)
    assert read_mask(white, HW).sum() == 280
    photo = AnnotatedPhoto("a.jpg", HW)
    for values, count in ((white, 1), (squares(1, 2, 3).astype(kind), 3), (squares(1).astype(kind), 1)):
        tifffile.imwrite(tmp_path / "a.tif", values)
        assert len(formats.read("index_png", tmp_path / "a.tif", [photo])[0].objects) == count


def test_deep_grey_floats_are_asked_for(tmp_path):
    soft = cv2.GaussianBlur(squares(255).astype(np.float32), (0, 0), 2)
    with pytest.raises(InputError, match="--mask-is"):
        read_mask(soft, HW)
    assert read_mask(soft, HW, mask_is="levels").max() == pytest.approx(soft.max() / 255)


def test_ids_whose_edges_were_smoothed_are_asked_for():
    smoothed = cv2.GaussianBlur(squares(60, 120, 180), (0, 0), 1)
    with pytest.raises(InputError, match="--mask-is"):
        read_mask(smoothed, HW)


def test_deep_color_is_read_from_memory_too():
    color = np.repeat(squares(255)[..., None].astype(np.uint16) * 257, 3, axis=2)
    file = io.BytesIO(cv2.imencode(".png", color)[1].tobytes())
    assert read_mask(file, HW).sum() == 280
