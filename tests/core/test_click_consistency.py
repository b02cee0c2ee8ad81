import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import Noise, gradient, photos
from fewclicks.clicks import SAME_PLACE_PX, Click, Clicks
from fewclicks.errors import InputError
from fewclicks.predictor import State, blank
from fewclicks.refinement import CFR, ClickConsistency
from fewclicks.transforms import ZoomIn


class Fixed:
    """Answers the same prob everywhere."""

    def __init__(self, prob):
        self.prob = prob

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        return State(state.image, np.full(state.prob.shape, self.prob, np.float32))


def obeyed(state, clicks, reach_px=SAME_PLACE_PX):
    """Whether each click's pixel has its label, the later click of one place deciding."""
    hw = state.image.shape[:2]
    return all(state.mask[click.pixel(hw)] == click.positive for click in clicks.counting(hw, reach_px))


pixels = st.builds(Click, st.integers(0, 11), st.integers(0, 8), st.booleans())


@given(st.lists(pixels, min_size=1, max_size=12), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0, 1, 2, 5]))
def test_every_click_is_obeyed_however_close_the_clicks(items, prob, radius):
    clicks = Clicks(tuple(items))
    anchor = ClickConsistency(Fixed(prob), radius_px=radius)
    assert obeyed(anchor.step(anchor.start(gradient(9, 12)), clicks), clicks, radius / 2)


def test_only_a_small_disk_changes():
    anchor = ClickConsistency(Fixed(0.1))
    prob = anchor.step(anchor.start(gradient(30, 40)), Clicks((Click(10.4, 20.6),))).prob
    rows, columns = np.mgrid[:30, :40]
    disk = (rows - 21) ** 2 + (columns - 10) ** 2 <= 4
    assert (prob[disk] == 1).all()
    assert (prob[~disk] == np.float32(0.1)).all()


def test_an_answer_that_agrees_is_returned_as_it_is():
    class Same(Fixed):
        def step(self, state, clicks):
            return self.answer

    inner = Same(0.9)
    inner.answer = State(gradient(9, 9), np.full((9, 9), 0.9, np.float32))
    assert ClickConsistency(inner).step(blank(gradient(9, 9)), Clicks((Click(4, 4),))).prob is inner.answer.prob
    before = inner.answer.prob.copy()
    ClickConsistency(inner).step(blank(gradient(9, 9)), Clicks((Click(4, 4, False),)))
    assert np.array_equal(inner.answer.prob, before), "the inner prob is not written to"


def test_the_later_click_wins():
    anchor = ClickConsistency(Fixed(0.9))
    clicks = Clicks((Click(4, 4, False), Click(4.2, 3.9, True)))
    assert anchor.step(anchor.start(gradient(9, 9)), clicks).mask.all()
    assert not anchor.step(anchor.start(gradient(9, 9)), Clicks(clicks.items[::-1])).mask[4, 4]


def test_clicks_outside_are_refused():
    anchor = ClickConsistency(Fixed(0.9))
    for x, y in ((-1, 3), (9, 3), (3, 9)):
        with pytest.raises(InputError, match="outside"):
            anchor.step(anchor.start(gradient(9, 9)), Clicks((Click(x, y),)))
    with pytest.raises(InputError, match="radius_px"):
        ClickConsistency(Fixed(0.9), radius_px=-1)


def test_on_photos_the_clicks_are_obeyed_even_by_a_predictor_that_never_listens():
    missed = 0
    for number, image in enumerate(photos(6)):
        rng = np.random.default_rng(number)
        bare = CFR(ZoomIn(Noise(), size=128))
        anchor = ClickConsistency(bare)
        state, clicks = anchor.start(image), Clicks()
        for _ in range(8):
            x, y = rng.random(2) * (image.shape[1], image.shape[0])
            clicks += Click(x, y, bool(rng.random() < 0.5))
            missed += not obeyed(bare.step(state, clicks), clicks)
            state = anchor.step(state, clicks)
            assert obeyed(state, clicks)
    assert missed > 20, "without Anchor the clicks are not obeyed"


def test_on_photos_the_clicks_are_obeyed_with_a_method():
    grow = pytest.importorskip("fewclicks.methods.grow")
    for number, image in enumerate(photos(4)):
        rng = np.random.default_rng(number)
        anchor = ClickConsistency(CFR(ZoomIn(grow.build())))
        state, clicks = anchor.start(image), Clicks()
        for _ in range(6):
            x, y = rng.random(2) * (image.shape[1], image.shape[0])
            clicks += Click(x, y, bool(rng.random() < 0.6))
            state = anchor.step(state, clicks)
            assert obeyed(state, clicks)
