"""The contract that every file in methods/ keeps, tested by its being there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import gradient
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.plugins import find, names
from fewclicks.predictor import step_each
from fewclicks.session import Session
from quick import quick

CLICKS = Clicks((Click(52, 40), Click(10, 12, False), Click(70.4, 33.6), Click(95, 63, False), Click(0, 0)))


WEIGHT_FREE = ("grow", "grabcut", "eiseg", "nc_cut")


def disc_photo(height=64, width=96):
    """An orange disc at (52, 40) of radius 20 on a blue slope."""
    photo = gradient(height, width) // 4 + np.array([20, 60, 140], np.uint8)
    rows, columns = np.mgrid[:height, :width]
    photo[(rows - 40) ** 2 + (columns - 52) ** 2 < 400] = (220, 140, 30)
    return photo


@pytest.fixture(scope="module", params=quick(["default", "grow", "eiseg", "ritm", "focalclick"], names("methods")))
def predictor(request, tmp_path_factory):
    """Of methods that have no weights of their own: on small networks of their kind, drawn at random."""
    module = find("methods", request.param)
    weights = getattr(module, "WEIGHTS", None)
    if weights is not None and not Path(weights).exists():
        pytest.skip(f"the weights of {request.param} are not built yet: {weights}")
    if not hasattr(module, "SMALL"):
        return module.build(**({} if weights is None else {"zoom": 128, "threads": 1}))
    pytest.importorskip("torch")
    from goldens import small_predictor

    return small_predictor(request.param, tmp_path_factory.mktemp("weights") / request.param)


def run(predictor, photo, clicks):
    """All states, from the one before the first click."""
    states = [predictor.start(photo)]
    for count in range(1, len(clicks) + 1):
        states.append(predictor.step(states[-1], Clicks(clicks.items[:count])))
    return states


def test_the_start_is_empty(predictor):
    state = predictor.start(disc_photo())
    assert state.prob.shape == (64, 96)
    assert state.prob.dtype == np.float32
    assert not state.prob.any()


@pytest.mark.parametrize("hw", [(64, 96), (97, 41), (500, 300), (3, 5), (1, 1)])
def test_prob_has_the_size_of_the_photo_and_lies_in_0_1(predictor, hw):
    height, width = hw
    clicks = Clicks((Click(width // 2, height // 2), Click(width - 1, height - 1, False), Click(0, 0)))
    for state in run(predictor, gradient(height, width), clicks)[1:]:
        assert state.prob.shape == hw
        assert state.prob.dtype == np.float32
        assert state.prob.min() >= 0
        assert state.prob.max() <= 1


def test_clicks_are_honoured(predictor):
    states = run(predictor, disc_photo(), CLICKS)
    for count, state in enumerate(states):
        for click in CLICKS.items[:count]:
            assert state.mask[click.pixel((64, 96))] == click.positive, f"click {click} after {count} clicks"


def test_the_same_clicks_give_the_same_mask(predictor):
    first, second = (run(predictor, disc_photo(), CLICKS) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.prob, other.prob)


def test_several_at_once_are_answered_as_one_by_one(predictor):
    states = [predictor.start(disc_photo()), predictor.start(disc_photo()[:, ::-1].copy())]
    clicks = [Clicks(CLICKS.items[:1]), Clicks((Click(43, 40), Click(5, 5, False)))]
    together = step_each(predictor, states, clicks)
    for found, state, said in zip(together, states, clicks, strict=True):
        alone = predictor.step(state, said)
        np.testing.assert_allclose(found.prob, alone.prob, atol=1e-4)


def test_undo_is_exact(predictor):
    """A step from an old state gives what it gave before, whatever was stepped since."""
    states = run(predictor, disc_photo(), CLICKS)
    predictor.start(gradient(30, 30))
    for count in (4, 1, 2):
        again = predictor.step(states[count - 1], Clicks(CLICKS.items[:count]))
        np.testing.assert_array_equal(again.prob, states[count].prob)


def test_nothing_it_is_given_is_changed(predictor):
    photo = disc_photo()
    photo.flags.writeable = False
    state = predictor.start(photo)
    for count in range(1, 4):
        state.prob.flags.writeable = False
        before, memo = state.prob.copy(), dict(state.memo)
        after = predictor.step(state, Clicks(CLICKS.items[:count]))
        np.testing.assert_array_equal(state.prob, before)
        assert dict(state.memo) == memo
        state = after
    np.testing.assert_array_equal(photo, disc_photo())


def test_a_single_background_click_is_taken(predictor):
    state = predictor.step(predictor.start(disc_photo()), Clicks((Click(5, 5, False),)))
    assert not state.mask[5, 5]


def test_a_box_alone_is_answered_and_undone(predictor):
    session = Session(disc_photo(), predictor)
    found = session.box(28, 12, 68, 52)
    assert found.any()
    again = session.click(47, 31)
    assert again[31, 47]
    assert np.array_equal(session.undo(), found)
    assert not session.undo().any()
    assert np.array_equal(session.redo(), found)


def test_a_click_outside_is_refused(predictor):
    with pytest.raises(InputError, match="outside the image"):
        predictor.step(predictor.start(disc_photo()), Clicks((Click(96, 5),)))


def test_nothing_is_marked_before_anything_positive_was_said(predictor):
    state = predictor.start(disc_photo())
    for count in (1, 2):
        state = predictor.step(state, Clicks((Click(52, 40, False), Click(5, 5, False))[:count]))
        assert not state.mask.any(), f"after {count} background clicks"


def test_a_mask_to_begin_with_is_corrected_and_not_forgotten(predictor, request):
    if hasattr(find("methods", request.node.callspec.params["predictor"]), "SMALL"):
        pytest.skip("what a network with random weights makes of a mask is random")
    rows, columns = np.mgrid[:64, :96]
    loaded = ((rows - 40) ** 2 + (columns - 52) ** 2 < 400).astype(np.float32)
    start = predictor.start(disc_photo())
    with_mask = predictor.step(replace(start, prob=loaded), Clicks((Click(5, 5, False),)))
    assert with_mask.mask.any(), "a background click far from it wipes the mask away"


def memory(memo):
    """Bytes of the arrays that a memo holds, however deep."""
    if isinstance(memo, np.ndarray):
        return memo.nbytes
    if isinstance(memo, Mapping):
        return sum(map(memory, memo.values()))
    if isinstance(memo, tuple | list):
        return sum(map(memory, memo))
    if hasattr(memo, "__dataclass_fields__"):
        return sum(memory(getattr(memo, name)) for name in memo.__dataclass_fields__)
    if hasattr(memo, "untyped_storage"):
        return int(memo.untyped_storage().nbytes())
    return memory(vars(memo)) if hasattr(memo, "__dict__") else 0


def test_what_a_state_remembers_does_not_grow_with_the_clicks(predictor):
    states = run(predictor, disc_photo(), Clicks(tuple(Click(20 + 4 * i, 40, i % 4 < 3) for i in range(16))))
    assert memory(states[16].memo) <= 1.2 * memory(states[10].memo) + 4096


@pytest.mark.slow
@pytest.mark.parametrize("hw", [(7, 2000), (4000, 3000)])
def test_long_and_large_photos_are_taken(predictor, hw):
    height, width = hw
    clicks = Clicks((Click(width // 2, height // 2), Click(width - 1, height - 1, False)))
    for state in run(predictor, gradient(height, width), clicks)[1:]:
        assert state.prob.shape == hw
        assert np.isfinite(state.prob).all()


@pytest.mark.parametrize("name", names("methods"))
def test_an_unknown_option_is_answered_with_those_that_exist(name):
    with pytest.raises(InputError, match=r"no option 'colour'.* there are: \w+"):
        find("methods", name).build(colour=3)


@pytest.mark.parametrize("name", names("methods"))
def test_a_method_says_what_suits_it_and_why_not(name):
    """In its docstring."""
    said = find("methods", name).__doc__
    for around in ("CFR", "ZoomIn", "Flip", "ClickConsistency"):
        assert around in said, around


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_the_weight_free_methods_find_a_plain_disc(name):
    rows, columns = np.mgrid[:64, :96]
    truth = (rows - 40) ** 2 + (columns - 52) ** 2 < 400
    clicks = Clicks((Click(52, 40), Click(10, 12, False)))
    mask = run(find("methods", name).build(), disc_photo(), clicks)[-1].mask
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_the_weight_free_methods_correct_a_loaded_mask(name):
    """The first click on a loaded mask may be negative: the part it is on goes, the part far from it stays."""
    photo = np.full((100, 200, 3), 60, np.uint8)
    photo[20:80, 20:80] = photo[20:80, 120:180] = (200, 180, 60)
    predictor = find("methods", name).build()
    start = predictor.start(photo)
    loaded = start.prob.copy()
    loaded[20:80, 20:80] = loaded[20:80, 120:180] = 1
    mask = predictor.step(replace(start, prob=loaded), Clicks((Click(150, 50, False),))).mask
    assert mask[20:80, 20:80].mean() > 0.9
    assert not mask[50, 150]
    assert mask[20:80, 120:180].mean() < mask[20:80, 20:80].mean()
