"""Pictures: what is drawn where, and files that are whole."""

import numpy as np
import PIL.Image
import pytest

from fakes import gradient
from fewclicks import visualization
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError

GREY = np.full((120, 200, 3), 128, np.uint8)


def square(height=120, width=200):
    mask = np.zeros((height, width), bool)
    mask[30:90, 50:150] = True
    return mask


def test_clicks_are_dots_of_their_sign_on_their_pixel():
    drawn = visualization.overlay(GREY, np.zeros((120, 200), bool), Clicks((Click(60, 40), Click(150, 100, False))))
    assert tuple(drawn[40, 60]) == visualization.POSITIVE
    assert tuple(drawn[100, 150]) == visualization.NEGATIVE
    assert (drawn[34:47, 54:67] == 255).all(axis=2).any(), "a white ring"
    changed = (drawn != GREY).any(axis=2)
    rows, columns = np.nonzero(changed[:, :105])
    assert (rows.mean(), columns.mean()) == pytest.approx((40, 60), abs=0.25), "the dot is centred on its click"


def test_the_mask_is_tinted_and_outlined_along_its_border():
    drawn = visualization.outlined(GREY, square())
    far = np.array([(60, 100), (40, 60)])
    assert all(drawn[r, c, 2] > 128 > drawn[r, c, 0] for r, c in far), "blue inside"
    assert (drawn[:20] == 128).all(), "untouched far outside"
    rows, columns = np.nonzero((drawn == visualization.OUTLINE).all(axis=2))
    assert len(rows) == 2 * (60 + 100) - 4, "a closed line of one pixel, inside the mask"
    assert np.minimum.reduce([rows - 30, 89 - rows, columns - 50, 149 - columns]).max() == 0
    assert (drawn[29, 50:150] == 0).all(), "and a dark one outside"


def test_the_outline_follows_the_border_of_the_image():
    assert (visualization.outlined(GREY, np.ones((120, 200), bool))[0] == visualization.OUTLINE).all()
    assert (visualization.outlined(GREY, np.zeros((120, 200), bool)) == GREY).all()


def test_holes_are_outlined():
    ring = square()
    ring[50:70, 90:110] = False
    drawn = visualization.outlined(GREY, ring)
    assert (drawn[49, 90:110] == visualization.OUTLINE).all()
    assert (drawn[60, 100] == 128).all()


@pytest.mark.parametrize("hw", [(1, 1), (2, 300), (900, 1300)])
def test_any_size_and_nothing_is_mutated(hw):
    image, mask = gradient(*hw), np.ones(hw, bool)
    before = image.copy()
    image.setflags(write=False)
    mask.setflags(write=False)
    assert visualization.overlay(image, mask, Clicks((Click(0, 0),))).shape == image.shape
    assert visualization.on_checkerboard(visualization.cutout(image, mask)).shape == image.shape
    assert np.array_equal(image, before)


def test_a_cutout_of_a_mask_is_the_object_and_hides_nothing():
    image = gradient(120, 200)
    rgba = visualization.cutout(image, square())
    assert np.array_equal(rgba[..., 3] == 255, square())
    assert np.array_equal(rgba[square()][:, :3], image[square()])
    assert not rgba[~square()].any()


def test_a_cutout_of_a_prob_is_soft_at_its_edge_only():
    prob = np.linspace(0, 1, 200, dtype=np.float32)[None].repeat(120, 0)
    alpha = visualization.cutout(gradient(120, 200), prob)[0, :, 3].astype(int)
    assert (alpha[prob[0] < 0.25] == 0).all()
    assert (alpha[prob[0] > 0.75] == 255).all()
    assert (np.diff(alpha) >= 0).all()
    assert len(np.unique(alpha)) > 50


def test_a_mask_of_another_size_is_refused():
    for draw in (lambda m: visualization.overlay(GREY, m, Clicks()), lambda m: visualization.cutout(GREY, m)):
        with pytest.raises(InputError, match="size"):
            draw(np.zeros((3, 4), bool))


def test_panels_side_by_side_have_one_height():
    wide = visualization.side_by_side(
        gradient(100, 50), gradient(50, 30), visualization.cutout(GREY, square()), gap_px=4
    )
    assert wide.shape == (120, 60 + 4 + 72 + 4 + 200, 3)
    assert (wide[0, -200:] >= 200).all(), "the cut-out lies on the light checkerboard"
    with pytest.raises(InputError, match="at least one"):
        visualization.side_by_side()


@pytest.mark.parametrize(
    ("array", "mode"),
    [
        (gradient(8, 9), "RGB"),
        (visualization.cutout(gradient(8, 9), np.eye(8, 9) > 0), "RGBA"),
        (np.eye(8, 9) > 0, "L"),
    ],
)
def test_saving_keeps_every_pixel(tmp_path, array, mode):
    path = visualization.save(array, tmp_path / "a.png")
    with PIL.Image.open(path) as picture:
        assert picture.mode == mode
        assert np.array_equal(np.asarray(picture), array * np.uint8(255) if mode == "L" else array)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"], "no temporary file is left"


def test_saving_into_no_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match="gone"):
        visualization.save(GREY, tmp_path / "gone" / "a.png")


def test_a_caption_stands_above_a_picture_that_is_wide_enough_for_it():
    small, wide = np.full((20, 30, 3), 99, np.uint8), np.full((20, 400, 3), 99, np.uint8)
    for picture, height in ((small, 240), (wide, 20)):
        found = visualization.captioned(picture, "grow: 3 clicks, IoU 0.91")
        assert found.shape[1] == max(360, picture.shape[1])
        line = found[: found.shape[0] - height]
        assert (line == 0).any(), "text"
        assert (found[-height:] == 99).all()
