import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import gradient
from fewclicks.clicks import Click, Clicks
from fewclicks.geometry import Box, Frame, clamp_clicks, copied

sizes = st.integers(1, 60)


@st.composite
def frames(draw):
    """An image size and a frame of it."""
    height, width = draw(sizes), draw(sizes)
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = Box(x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height)))
    return (height, width), Frame(box, (draw(sizes), draw(sizes)), draw(st.booleans()), draw(st.booleans()))


@given(frames(), st.floats(-200, 200), st.floats(-200, 200))
def test_clicks_return_to_where_they_were(sized, x, y):
    _, frame = sized
    clicks = Clicks((Click(x, y), Click(y, x, positive=False)))
    back = frame.clicks_back(frame.clicks(clicks))
    for click, original in zip(back, clicks, strict=True):
        assert click.positive == original.positive
        assert (click.x, click.y) == pytest.approx((original.x, original.y), abs=1e-9)


@given(frames())
def test_a_pixel_stays_under_its_click(sized):
    """Where whole pixels become whole pixels, the view at the mapped click is the image at the click."""
    hw, frame = sized
    frame = Frame(frame.box, frame.box.hw, frame.mirror)
    image = np.arange(hw[0] * hw[1], dtype=np.float32).reshape(hw) / (hw[0] * hw[1])
    view = frame.prob(image)
    click = Click(frame.box.x1 - 1, frame.box.y0)
    assert view[frame.clicks(Clicks((click,)))[0].pixel(frame.hw)] == image[click.pixel(hw)]


@given(frames())
def test_crop_and_mirror_paste_back_exactly(sized):
    hw, frame = sized
    frame = Frame(frame.box, frame.box.hw, frame.mirror)
    prob = np.random.default_rng(0).random(hw, np.float32)
    onto = np.full(hw, 0.25, np.float32)
    pasted = frame.paste(frame.prob(prob), onto)
    inside = np.zeros(hw, bool)
    inside[frame.box.slices] = True
    assert np.array_equal(pasted[inside], prob[inside])
    assert np.array_equal(pasted[~inside], onto[~inside])
    assert (onto == 0.25).all()


@given(frames())
def test_sizes_types_and_ranges(sized):
    hw, frame = sized
    prob = np.random.default_rng(0).integers(0, 2, hw).astype(np.float32)
    view, image = frame.prob(prob), frame.image(gradient(*hw))
    assert view.shape == frame.hw
    assert image.shape == (*frame.hw, 3)
    rounded = not frame.corners or frame.hw == frame.box.hw
    assert (view.dtype, image.dtype) == (np.float32, np.uint8 if rounded else np.float32)
    assert image.flags.c_contiguous
    assert view.flags.c_contiguous
    pasted = frame.paste(view, prob)
    assert pasted.shape == hw
    for values in (view, pasted):
        assert 0 <= values.min() <= values.max() <= 1


@settings(deadline=None)
@given(frames(), st.floats(0, 1, width=32))
def test_a_constant_stays_that_constant(sized, value):
    hw, frame = sized
    prob = np.full(hw, value, np.float32)
    assert np.allclose(frame.prob(prob), value, atol=1e-6)
    assert np.allclose(frame.paste(frame.prob(prob), prob), value, atol=1e-6)


def test_clicks_and_pixels_move_alike():
    """A blob stays under its click when the photo is resized: half-pixel convention on both sides."""
    rows, columns = np.mgrid[:90, :130]
    prob = np.exp(-((columns - 77) ** 2 + (rows - 31) ** 2) / 60).astype(np.float32)
    for hw in ((45, 65), (180, 260), (200, 100), (30, 33)):
        for mirror in (False, True):
            frame = Frame(Box(20, 5, 120, 85), hw, mirror)
            view = frame.prob(prob)
            y, x = (np.indices(hw) * view).sum((1, 2)) / view.sum()
            click = frame.clicks(Clicks((Click(77, 31),)))[0]
            assert (click.x, click.y) == pytest.approx((x, y), abs=0.05), (hw, mirror)


def test_shrinking_averages_over_area():
    stripes = np.zeros((64, 64), np.float32)
    stripes[::4] = 1
    for hw in ((16, 64), (16, 16), (16, 100)):
        view = Frame(Box.whole((64, 64)), hw).prob(stripes)
        assert np.allclose(view, 0.25, atol=1e-5), hw


def test_corners_resize_as_align_corners():
    torch = pytest.importorskip("torch")
    prob = np.random.default_rng(0).random((17, 23), np.float32)
    for hw in ((40, 31), (9, 50), (17, 23), (1, 7)):
        got = Frame(Box.whole((17, 23)), hw, corners=True).prob(prob)
        tensor = torch.from_numpy(prob)[None, None]
        want = torch.nn.functional.interpolate(tensor, hw, mode="bilinear", align_corners=True)[0, 0].numpy()
        assert np.allclose(got, want, atol=1e-5), hw


def test_a_crop_as_large_as_the_image_is_still_a_crop():
    prob = np.zeros((20, 20), np.float32)
    prob[:10, :10] = 1
    assert Frame(Box(0, 0, 10, 10), (20, 20)).prob(prob).all()


def test_an_unchanged_image_is_not_copied():
    image = gradient(20, 30)
    assert Frame(Box.whole((20, 30)), (20, 30)).image(image) is image


def test_box_around_a_mask():
    mask = np.zeros((50, 60), bool)
    assert Box.around(mask) is None
    mask[7:20, 11:13] = True
    box = Box.around(mask)
    assert box == Box(11, 7, 13, 20)
    assert box.hw == (13, 2)
    assert box.contains(7, 11)
    assert not box.contains(20, 11)
    assert box.including(40, 5) == Box(5, 7, 13, 41)
    assert mask[box.slices].all()


def test_axis_iou_is_the_product_of_the_axes():
    assert Box(0, 0, 10, 10).axis_iou(Box(5, 0, 10, 10)) == 0.5
    assert Box(0, 0, 10, 10).axis_iou(Box(5, 5, 15, 15)) == pytest.approx(1 / 9)
    assert Box(0, 0, 10, 10).axis_iou(Box(10, 0, 20, 10)) == 0


def test_settle_moves_border_clicks_onto_pixels_and_no_others():
    clicks = Clicks((Click(-0.3, 19.4), Click(29.9, 3.5), Click(-3, 25, False)))
    assert clamp_clicks(clicks, (20, 30)) == Clicks((Click(0, 19), Click(29, 3.5), Click(-3, 25, False)))


def test_the_box_above_a_threshold_is_that_of_the_mask_whatever_strip_it_lies_in():
    rng = np.random.default_rng(5)
    for _ in range(20):
        prob = np.zeros((300, 40), np.float32)
        y, x = int(rng.integers(0, 290)), int(rng.integers(0, 36))
        height = int(rng.integers(1, 300 - y))
        prob[y : y + height, x : x + 3] = rng.random((height, 3))
        assert Box.above(prob, 0.5) == Box.around(prob > 0.5)
    assert Box.above(np.zeros((300, 40), np.float32), 0.5) is None
    assert Box.above(np.full((1, 1), 0.5, np.float32), 0.5) is None


def test_a_copy_but_for_a_box_is_zero_there_and_the_same_elsewhere():
    prob = np.random.default_rng(6).random((300, 40)).astype(np.float32)
    prob[:30], prob[280:] = 0, 0
    assert np.array_equal(copied(prob), prob)
    for box in (Box(0, 0, 40, 300), Box(5, 10, 20, 290), Box(0, 100, 40, 200), Box(39, 299, 40, 300)):
        copy = copied(prob, box)
        assert not copy[box.slices].any()
        copy[box.slices] = prob[box.slices]
        assert np.array_equal(copy, prob)
