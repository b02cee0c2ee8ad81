"""How often a click is refined where nobody says it: as the model does by itself; the journal tells how often."""

import uuid

import numpy as np
import pytest

import fewclicks
from annotating import Api, client_of, make_folder, patched
from fakes import Discs, gradient
from fewclicks.annotator.editing.actions import Boxed, Clicked, Scribbled
from fewclicks.annotator.editing.history import History
from fewclicks.clicks import Click, Clicks
from fewclicks.refinement import CFR, ClickConsistency, own_passes

IMAGE = gradient(60, 80)


def refined(predictor, *actions):
    history, said = History(predictor, predictor.start(IMAGE)), []
    for action in actions:
        step = history.after(action)
        history.commit(step)
        said.append((step.entry.action.cfr, step.entry.action.adaptive, len(step.passes)))
    return said


@pytest.mark.parametrize("wrap", [ClickConsistency, lambda inner: inner])
def test_a_click_without_a_number_is_refined_as_the_model_does_by_itself(wrap):
    clicks = Clicked(30, 30, cfr=None), Clicked(50, 20, cfr=None), Scribbled(((10, 10),), cfr=None)
    first_only = wrap(CFR(Discs(), steps=2, until_click=1))
    assert refined(first_only, *clicks) == [(2, False, 3), (0, False, 1), (0, False, 1)]
    assert refined(wrap(CFR(Discs(), steps=1)), *clicks) == [(1, False, 2)] * 3
    assert refined(wrap(Discs()), *clicks) == [(0, False, 1)] * 3
    # A box begins anew: it is a first prompt, whatever was clicked before. A number that is given counts.
    said = refined(first_only, *clicks, Boxed(5, 5, 50, 50, cfr=None), Clicked(60, 50, cfr=3))
    assert said[3:] == [(2, False, 3), (3, False, 4)]


def test_the_masks_are_those_that_the_predictor_gives_by_itself():
    predictor = ClickConsistency(CFR(Discs(), steps=2, until_click=1))
    history, state, clicks = History(predictor, predictor.start(IMAGE)), predictor.start(IMAGE), Clicks()
    for x, y, positive in ((30, 30, True), (50, 20, False), (60, 50, True)):
        history.commit(history.after(Clicked(x, y, positive, cfr=None)))
        clicks += Click(x, y, positive)
        state = predictor.step(state, clicks)
        assert np.array_equal(history.mask.mask(), state.mask)
    assert history.repeats(Clicked(60, 50, cfr=None))


def test_a_model_that_stops_by_itself_does_so_here():
    assert own_passes(CFR(Discs(), steps=4, tol=20), Clicks()) == (4, 20)
    assert refined(ClickConsistency(CFR(Discs(), steps=4, tol=20)), Clicked(30, 30, cfr=None))[0][:2] == (4, True)


def test_the_shipped_model_refines_the_first_click_once_by_the_api(tmp_path):
    with client_of(make_folder(tmp_path / "photos"), fewclicks.load("default", threads=1)) as client:
        api = Api(client)
        folder = client.get("/api/v1/folder").json()
        assert folder["options"] == {"cfr": None, "adaptive": False}
        made = api.new()["id"]
        assert len(api.click(made, 60, 40)["passes"]) == 2
        assert len(api.click(made, 70, 45)["passes"]) == 1
        assert client.get("/api/v1/folder").json()["own"] == {"first": 1, "later": 0, "adaptive": False, "quick": True}
        # A quick preview is much like the exact one, and nothing is kept of either.
        click = {"x": 60, "y": 40, "photo_id": 1}
        masks = [
            patched(
                np.zeros((80, 120), bool), api("POST", f"/objects/{uuid.uuid4()}/preview", {**click, **how})["patch"]
            )
            for how in ({}, {"quick": True})
        ]
        assert (masks[0] & masks[1]).sum() > 0.8 * (masks[0] | masks[1]).sum() > 0
        _, entries, _ = client.annotator.store.history(made)
        assert [entry.action.cfr for entry in entries] == [1, 0]
