import numpy as np
import pytest

from fakes import Spy, gradient
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.predictor import State, blank
from fewclicks.refinement import CFR

IMAGE = gradient(32, 32)
FOUR = Clicks(tuple(Click(n, n) for n in range(4)))


class Halving:
    """Each step moves half as many pixels to the object as the step before: 64, 32, 16 ... and at last none."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        prob, left = state.prob.copy(), state.memo.get("left", 64)
        prob.flat[np.flatnonzero(prob < 0.5)[:left]] = 1
        return State(state.image, prob, 0.5, {"left": left // 2})


def calls_per_click(cfr_of):
    spy = Spy(Halving())
    cfr = cfr_of(spy)
    state, counts = cfr.start(IMAGE), []
    for n in range(1, 5):
        before = len(spy.seen)
        state = cfr.step(state, Clicks(FOUR.items[:n]))
        counts.append(len(spy.seen) - before)
    return counts


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_cfr_n_is_n_plus_1_steps_after_every_click(steps):
    assert calls_per_click(lambda inner: CFR(inner, steps)) == [steps + 1] * 4


def test_the_released_script_refines_the_first_click_only():
    assert calls_per_click(lambda inner: CFR(inner, 1, until_click=1)) == [2, 1, 1, 1]
    assert calls_per_click(lambda inner: CFR(inner, 4, until_click=2)) == [5, 5, 1, 1]


def test_each_pass_is_shown_the_prob_of_the_pass_before_and_all_clicks():
    spy = Spy()
    cfr = CFR(spy, steps=3)
    passes = list(cfr.passes(cfr.start(IMAGE), FOUR))
    assert len(passes) == 4
    assert not spy.seen[0][0].prob.any()
    for (shown, clicks), previous in zip(spy.seen[1:], passes, strict=False):
        assert np.array_equal(shown.prob, previous.prob)
        assert clicks == FOUR
    assert np.array_equal(cfr.step(cfr.start(IMAGE), FOUR).prob, passes[-1].prob)


@pytest.mark.parametrize(("tol", "steps_done"), [(33, 2), (32, 3), (20, 3), (16, 4), (1, 8), (0, 11)])
def test_adaptive_stops_once_fewer_than_tol_pixels_change_side(tol, steps_done):
    """The passes move 64, 32, 16, 8, 4, 2, 1, 0, ... pixels; the first pass never stops."""
    spy = Spy(Halving())
    cfr = CFR(spy, steps=10, tol=tol)
    cfr.step(cfr.start(IMAGE), Clicks((Click(1, 1),)))
    assert len(spy.seen) == steps_done


def test_options_that_cannot_be_used():
    with pytest.raises(InputError, match="steps"):
        CFR(Halving(), steps=-1)
    with pytest.raises(InputError, match="tol"):
        CFR(Halving(), tol=-1)
