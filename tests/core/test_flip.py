import numpy as np

from fakes import Discs, Noise, Spy, gradient
from fewclicks.clicks import Click, Clicks
from fewclicks.predictor import State
from fewclicks.transforms import Flip, mean_in_logits


def logit(p):
    return np.log(p / (1 - p))


def test_the_mean_is_that_of_the_logits():
    rng = np.random.default_rng(0)
    p, q = rng.uniform(0.01, 0.99, (2, 50, 60)).astype(np.float32)
    want = 1 / (1 + np.exp(-(logit(p.astype(np.float64)) + logit(q.astype(np.float64))) / 2))
    got = mean_in_logits(p, q)
    assert got.dtype == np.float32
    assert np.allclose(got, want, atol=1e-6)


def test_the_mean_of_certainties():
    zero, one = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    assert mean_in_logits(one, zero) == 0.5
    assert mean_in_logits(one, one) > 0.999
    assert mean_in_logits(zero, zero) < 0.001


def test_inner_sees_the_photo_and_its_mirror_image():
    spy = Spy()
    flip = Flip(spy)
    image = gradient(40, 60)
    prob = np.random.default_rng(0).random((40, 60), np.float32)
    start = flip.start(image)
    flip.step(State(image, prob, 0.5, start.memo), Clicks((Click(10, 5), Click(20.5, 30, False))))
    (plain, clicks), (mirrored, turned) = spy.seen
    assert np.array_equal(mirrored.image, plain.image[:, ::-1])
    assert np.array_equal(mirrored.prob, plain.prob[:, ::-1])
    assert turned == Clicks((Click(49, 5), Click(38.5, 30, False)))
    assert clicks == Clicks((Click(10, 5), Click(20.5, 30, False)))


def test_the_answer_does_not_depend_on_the_side():
    flip = Flip(Discs(radius_px=8))
    image = gradient(40, 60)
    there = flip.step(flip.start(image), Clicks((Click(10, 5),)))
    back = flip.step(flip.start(image[:, ::-1].copy()), Clicks((Click(49, 5),)))
    assert np.allclose(there.prob, back.prob[:, ::-1], atol=1e-6)


def test_a_click_on_the_last_half_pixel_stays_in_the_mirror_image():
    spy = Spy()
    Flip(spy).step(Flip(spy).start(gradient(40, 60)), Clicks((Click(59.8, 39.8),)))
    spy.seen[1][1].require_inside((40, 60))


def test_each_side_has_its_own_memo_and_the_mirror_image_is_made_once():
    class Remember(Discs):
        def step(self, state, clicks):
            after = super().step(state, clicks)
            return State(after.image, after.prob, 0.5, {"corner": state.image[0, 0, 1], "before": state.memo})

    spy = Spy(Remember())
    flip = Flip(spy)
    state = flip.start(gradient(40, 60))
    for _ in range(3):
        state = flip.step(state, Clicks((Click(10, 5),)))
    plain, mirrored = state.memo["flip"].memos
    assert plain["corner"] == plain["before"]["corner"] == 0
    assert mirrored["corner"] == mirrored["before"]["corner"] > 200
    assert len(spy.started) == 2
    assert spy.seen[1][0].image is spy.seen[5][0].image


def test_the_threshold_is_that_of_the_inner_predictor():
    assert Flip(Noise(threshold=0.3)).start(gradient(4, 4)).threshold == 0.3
