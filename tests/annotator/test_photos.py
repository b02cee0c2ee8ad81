"""The photos of a folder as the annotator shows them, also the very large, the odd and the hostile ones."""

import io
import os
import threading
import time

import numpy as np
import PIL.Image
import pytest

from fakes import gradient
from fewclicks.annotator.services.decoder import Decoder, Urgency
from fewclicks.annotator.services.photos import TILE_PX, PhotoFolder, Picture, Pictures, levels
from fewclicks.errors import InputError
from fewclicks.images.reading import read_image


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


def save(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(gradient(40, 60) if image is None else image).save(path, **options)
    return path


def pixels(jpeg):
    with PIL.Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB"))


def test_photos_are_listed_as_people_count_and_masks_are_no_photos(tmp_path):
    for name in ("b10.png", "b9.PNG", "a/c.jpg", "masks/b9.png", "Labels/x.png", ".hidden/d.png", ".e.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photo")
    assert PhotoFolder(tmp_path).names() == ["a/c.jpg", "b9.PNG", "b10.png"]


def test_names_that_are_no_text_are_left_out(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has no such names")
    save(tmp_path / "a.png")
    assert PhotoFolder(tmp_path).names() == ["a.png"]


def test_what_is_no_folder_is_said(tmp_path):
    with pytest.raises(InputError, match="no folder at"):
        PhotoFolder(tmp_path / "nothing")
    with pytest.raises(InputError, match="is a file"):
        PhotoFolder(save(tmp_path / "a.png"))


def test_nothing_outside_of_the_folder_is_read(tmp_path):
    save(tmp_path / "secret.png")
    inside = save(tmp_path / "photos" / "a.png")
    (inside.parent / "link.png").symlink_to(tmp_path / "secret.png")
    (inside.parent / "good.png").symlink_to(inside)
    (inside.parent / "ring.png").symlink_to("ring.png")
    os.mkfifo(inside.parent / "pipe.png")
    folder = PhotoFolder(inside.parent)
    assert folder.locate("a.png").path == inside.resolve()
    assert folder.locate("good.png").path == inside.resolve()
    with pytest.raises(InputError, match="leads out of the folder"):
        folder.locate("link.png")
    with pytest.raises(InputError, match="leads out of the folder"):
        folder.locate("../secret.png")
    with pytest.raises(InputError, match="leads out of the folder"):
        folder.locate(str(tmp_path / "secret.png"))
    with pytest.raises(InputError, match="no plain file"):
        folder.locate("pipe.png")
    for name in ("ring.png", "gone.png", "a\0.png"):
        with pytest.raises(InputError, match="not there any more"):
            folder.locate(name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "a.bmp", "a.gif"])
def test_what_the_decoder_gives_is_what_read_image_gives(tmp_path, decoder, name):
    path = save(tmp_path / name, gradient(300, 500))
    assert np.array_equal(decoder.image(path), read_image(path))
    assert np.array_equal(decoder.image(path.read_bytes()), read_image(path))
    assert decoder.hw(path) == (300, 500)
    small = decoder.thumbnail(path, 100)
    assert small.shape == (60, 100, 3)
    whole = np.asarray(PIL.Image.fromarray(read_image(path)).resize((100, 60), PIL.Image.Resampling.BOX))
    assert np.abs(small.astype(int) - whole).mean() < 4


def test_the_orientation_of_exif_holds_everywhere(tmp_path, decoder):
    picture = PIL.Image.fromarray(gradient(40, 60))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert decoder.image(tmp_path / "turned.jpg").shape == (60, 40, 3)
    assert decoder.hw(tmp_path / "turned.jpg") == (60, 40)
    assert decoder.thumbnail(tmp_path / "turned.jpg", 30).shape == (30, 20, 3)


def test_sixteen_bits_have_contrast(tmp_path, decoder):
    rows = np.linspace(100, 900, 64 * 64).reshape(64, 64).astype(np.uint16)  # hardly above black
    PIL.Image.fromarray(rows).save(tmp_path / "deep.png")
    for image in (decoder.image(tmp_path / "deep.png"), decoder.thumbnail(tmp_path / "deep.png", 64)):
        assert image.min() < 5
        assert image.max() > 250


def test_masks_are_decoded_too(decoder):
    file = io.BytesIO()
    truth = gradient(20, 30)[..., 0] > 100
    PIL.Image.fromarray(truth).save(file, "PNG")
    assert np.array_equal(decoder.mask(file.getvalue(), (20, 30)) > 0.5, truth)
    with pytest.raises(InputError, match="resize the mask"):
        decoder.mask(file.getvalue(), (30, 20))


def test_bad_files_raise_and_the_next_is_read(tmp_path, decoder):
    good = save(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:-60])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    for name in ("text", "cut", "empty", "script", "gone"):
        for ask in (decoder.image, lambda path: decoder.thumbnail(path, 50)):
            with pytest.raises(InputError) as raised:
                ask(tmp_path / f"{name}.png")
            assert str(tmp_path) not in str(raised.value)
    assert decoder.image(good).shape == (40, 60, 3)


def test_a_child_that_dies_is_replaced(tmp_path, monkeypatch):
    decoder = Decoder()
    good = save(tmp_path / "good.png")
    decoder.start()
    decoder._child.process.kill()
    monkeypatch.setattr(decoder._child.process, "poll", lambda: None)  # it dies a moment after one looks
    with pytest.raises(InputError, match="takes too long or too much memory"):
        decoder.image(good)
    assert decoder.image(good).shape == (40, 60, 3)
    decoder.close()
    with pytest.raises(InputError, match="stopping"):
        decoder.image(good)


def test_a_file_that_takes_too_long_is_given_up(tmp_path):
    decoder = Decoder(timeout_s=0.0)
    save(tmp_path / "good.png", gradient(500, 500))
    with pytest.raises(InputError, match="takes too long"):
        decoder.image(tmp_path / "good.png")
    decoder.close()


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    PIL.Image.new("1", (12000, 12000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 50_000
    decoder = Decoder()
    for ask in (decoder.image, decoder.hw, lambda path: decoder.thumbnail(path, 50)):
        with pytest.raises(InputError, match="more than 134,217,728 pixels"):
            ask(tmp_path / "bomb.png")
    decoder.close()


def test_the_urgent_goes_first(tmp_path, decoder):
    path, order = save(tmp_path / "a.png"), []

    def ask(name, urgency):
        decoder.hw(path, urgency)
        order.append(name)

    with decoder._turn(Urgency.NOW):  # meanwhile the others line up
        threads = []
        for count, (name, urgency) in enumerate(
            [("thumbnail", Urgency.WHENEVER), ("next", Urgency.SOON), ("first", Urgency.NOW), ("second", Urgency.NOW)],
            1,
        ):
            threads.append(threading.Thread(target=ask, args=(name, urgency)))
            threads[-1].start()
            while len(decoder._waiting) < count:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["first", "second", "next", "thumbnail"]


@pytest.mark.parametrize(
    ("hw", "count"), [((1, 1), 1), ((512, 512), 1), ((513, 2), 2), ((3000, 4000), 4), ((1024, 9), 2)]
)
def test_the_last_level_is_one_tile(hw, count):
    assert levels(hw) == count
    picture = Picture(gradient(*hw)) if max(hw) < 2000 else None
    if picture:
        assert max(pixels(picture.tile(count - 1, 0, 0)).shape[:2]) <= TILE_PX
        with pytest.raises(InputError, match="levels 0 to"):
            picture.tile(count, 0, 0)


def test_the_tiles_of_a_level_are_the_photo():
    image = gradient(700, 1100)
    picture = Picture(image)
    rows = [np.concatenate([pixels(picture.tile(0, c, r)) for c in range(3)], axis=1) for r in range(2)]
    assert np.abs(np.concatenate(rows).astype(int) - image).mean() < 3
    assert pixels(picture.tile(1, 1, 0)).shape == (350, 38, 3)
    for level, column, row in ((0, 3, 0), (0, 0, 2), (0, -1, 0), (-1, 0, 0), (9, 0, 0)):
        with pytest.raises(InputError):
            picture.tile(level, column, row)


@pytest.mark.parametrize(("side", "shape"), [(300, (191, 300)), (5000, (700, 1100)), (1100, (700, 1100)), (1, (1, 1))])
def test_a_view_fits_its_side(side, shape):
    assert pixels(Picture(gradient(700, 1100)).view(side)).shape[:2] == shape


def test_a_photo_is_decoded_once_and_again_when_its_file_changes(tmp_path, decoder, monkeypatch):
    save(tmp_path / "a.png")
    calls, decode = [], decoder.image
    monkeypatch.setattr(decoder, "image", lambda *asked: calls.append(asked) or decode(*asked))
    pictures = Pictures(PhotoFolder(tmp_path), decoder)
    threads = [threading.Thread(target=pictures.get, args=("a.png",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    save(tmp_path / "a.png", gradient(41, 60))
    assert pictures.get("a.png").hw == (41, 60)
    assert len(calls) == 2


def test_old_photos_make_room_but_never_the_last(tmp_path, decoder):
    for name in "abc":
        save(tmp_path / f"{name}.png", gradient(100, 100))
    pictures = Pictures(PhotoFolder(tmp_path), decoder, room_bytes=90_000)
    first = pictures.get("a.png")
    assert pictures.get("b.png") is pictures.get("b.png")
    assert pictures.get("a.png") is first  # two of 40 kB
    pictures.get("c.png")  # b was not used for longest
    assert pictures.get("a.png") is first
    tight = Pictures(PhotoFolder(tmp_path), decoder, room_bytes=0)
    assert tight.get("a.png") is tight.get("a.png")


def test_a_photo_that_fails_is_tried_again(tmp_path, decoder):
    (tmp_path / "a.png").write_bytes(b"x")
    pictures = Pictures(PhotoFolder(tmp_path), decoder)
    for _ in range(2):
        with pytest.raises(InputError, match="not an image"):
            pictures.get("a.png")
    save(tmp_path / "a.png")
    assert pictures.get("a.png").hw == (40, 60)


def test_thumbnails_are_made_once(tmp_path, decoder):
    save(tmp_path / "a.png", gradient(400, 600))
    pictures = Pictures(PhotoFolder(tmp_path), decoder)
    small = pictures.thumbnail("a.png")
    assert pixels(small).shape == (171, 256, 3)
    assert pictures.thumbnail("a.png") is small
    pictures = Pictures(PhotoFolder(tmp_path), decoder)
    pictures.get("a.png")
    assert pixels(pictures.thumbnail("a.png")).shape == (171, 256, 3)
