"""Another method is chosen while people work: masks and clicks stay, and what fails changes nothing."""

import gc
import uuid
import weakref
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from annotating import OWN, Api, annotator_of, make_folder
from fakes import Discs
from fewclicks.annotator.server.app import application
from fewclicks.annotator.services.model import Model
from fewclicks.cli.annotate import model_of, with_choices
from fewclicks.config import needs_no_file
from fewclicks.errors import InputError
from fewclicks.refinement import ClickConsistency

NAMES = ("small", "large", "absent", "broken")


class Broken(Discs):
    """Loads, and cannot answer a click."""

    def step(self, state, clicks):
        raise ZeroDivisionError


@pytest.fixture
def made():
    """Weak references to the predictors that were loaded."""
    return []


@pytest.fixture
def api(tmp_path, made, request):
    def load(name):
        if name == "absent":
            raise InputError("its weights are not here; fetch them")
        predictor = ClickConsistency(Broken() if name == "broken" else Discs({"small": 6, "large": 20}[name]))
        made.append(weakref.ref(predictor.inner))
        return predictor, name

    def choose(name):
        return Model(load=lambda: load(name), name=name, choices=NAMES, choose=choose, workers=workers)

    workers = getattr(request, "param", 1)
    root = make_folder(tmp_path / "photos")
    annotator = annotator_of(root, choose("small"))
    with TestClient(application(annotator), base_url=OWN, follow_redirects=False) as client:
        found = Api(client)
        found.annotator = annotator
        yield found


def mask_of(api, made):
    return np.asarray(api.annotator.store.mask(made).mask())


@pytest.mark.parametrize("api", [1, 2], indirect=True)
def test_masks_and_clicks_stay_and_the_next_click_is_the_other_methods(api):
    thing = api.new()["id"]
    first = api.click(thing, 30, 30)["object"]
    before = mask_of(api, thing)
    assert api("PUT", "/methods", {"name": "large"}) == {"name": "large", "choices": list(NAMES)}
    assert api("GET", "/folder")["method"] == "large"
    now = api("GET", f"/objects/{thing}")
    assert now["clicks"] == first["clicks"]
    assert np.array_equal(mask_of(api, thing), before)
    api.click(thing, 80, 50)
    assert mask_of(api, thing)[50, 80 + 15]  # a large disc
    api.act(thing, "click", x=100, y=20, positive=False)
    for _ in range(2):
        api("POST", f"/objects/{thing}/undo", {"action_id": str(uuid.uuid4())})
    assert np.array_equal(mask_of(api, thing), before)


@pytest.mark.parametrize(
    ("name", "says"), [("absent", "fetch them"), ("broken", "the server's log"), ("none", "No method")]
)
def test_a_method_that_cannot_be_used_says_why_and_the_one_before_goes_on(api, name, says):
    thing = api.new()["id"]
    api.click(thing, 30, 30)
    refused = api("PUT", "/methods", {"name": name}, status=404 if name == "none" else 400)
    assert says in refused["detail"]
    assert api("GET", "/methods")["name"] == "small"
    assert api("GET", "/folder")["problem"] is None
    api.click(thing, 80, 50)
    assert mask_of(api, thing)[50, 80 + 4]
    assert not mask_of(api, thing)[50, 80 + 15]


@pytest.mark.parametrize("wrong", [{}, {"name": ""}, {"name": 3}, {"name": "small", "more": 1}, {"name": None}])
def test_what_names_no_method_is_refused(api, wrong):
    api("PUT", "/methods", wrong, status=422)


def test_what_is_not_used_is_not_kept(api, made):
    api.click(api.new()["id"], 30, 30)
    for name in ("large", "small", "large"):
        api("PUT", "/methods", {"name": name})
        api.click(api.new()["id"], 60, 40)
    gc.collect()
    assert sum(one() is not None for one in made) == 1
    count = len(made)
    api("PUT", "/methods", {"name": "large"})  # it is already
    assert len(made) == count


def test_a_model_that_could_not_be_loaded_is_changed_for_one_that_can(api):
    api.annotator.objects.model = replace(api.annotator.objects.model, load=lambda: 1 / 0)
    api.annotator.objects.failure = "gone"
    api("PUT", "/methods", {"name": "large"})
    assert api("GET", "/folder")["problem"] is None


def test_the_list_has_what_needs_no_file_and_what_was_named(tmp_path):
    assert {"default", "default-int8", "default-0.1", "grabcut", "grow"} <= set(needs_no_file())
    assert "ritm" not in needs_no_file()
    answers = with_choices(model_of("grow", {}, 1), ["default-int8"], 1)
    assert answers.choices[:2] == ("grow", "default-int8")
    assert len(set(answers.choices)) == len(answers.choices)
    assert set(answers.others) == set(answers.choices)
    assert answers.choose("grabcut").name == "grabcut"
    assert answers.choose("grow").choices == answers.choices
    with pytest.raises(InputError, match="no weights"):
        with_choices(model_of("grow", {}, 1), [str(tmp_path / "absent.onnx")], 1)
