"""Any part of a request of any tool may be anything: it is answered, or refused by a sentence, and others go on."""

import base64
import copy
import io
import json
from itertools import islice

import numpy as np
import PIL.Image
import pytest
from starlette.testclient import TestClient

import fakes
from fewclicks.integrations import brush_rle, cvat
from fewclicks.integrations.photo_sources import PhotoSource
from fewclicks.integrations.replay import Replays
from fewclicks.integrations.tool_server import application

HW = (12, 16)
ANYTHING = (
    *(None, True, 0, -1, 10**400, 1e308, float("nan"), float("inf"), "", "x", "\ud800\x00", "../../etc/passwd"),
    *([], [[]], [None, 3, "x", {}], {}, {"type": {}, "x": [], "label": {}}),
)
FILE = io.BytesIO()
PIL.Image.fromarray(fakes.gradient(*HW)).save(FILE, "PNG")
PHOTO = base64.b64encode(FILE.getvalue()).decode()
CONFIG = (
    '<View><Image name="img" value="$photo"/><BrushLabels name="b" toName="img"><Label value="a"/></BrushLabels></View>'
)
POINT = {"type": "keypointlabels", "is_positive": 1, "value": {"x": 50, "y": 50, "width": 1, "keypointlabels": ["a"]}}
RECTANGLE = {"type": "rectanglelabels", "value": {"x": 9, "y": 9, "width": 50, "height": 50, "rectanglelabels": ["a"]}}
BRUSH = {
    "type": "brushlabels",
    "value": {"format": "rle", "rle": brush_rle.encode(np.ones(HW, bool))[:9], "brushlabels": ["a"]},
}
TASK = {"id": 7, "data": {"photo": "data:image/png;base64," + PHOTO}, "drafts": [{"result": [BRUSH]}]}
REQUESTS = {
    "/predict": {"tasks": [TASK], "label_config": CONFIG, "params": {"context": {"result": [POINT, RECTANGLE]}}},
    "/setup": {"project": "1.2", "schema": CONFIG},
    "/webhook": {"action": "ANNOTATION_CREATED", "project": {"id": 3}},
    "/v1/predict": {
        "model": "fewclicks",
        "image": PHOTO,
        "params": {
            "marks": [{"type": "point", "data": [4, 3], "label": 1}, {"type": "rectangle", "data": [1, 1, 9, 9]}]
        },
    },
    "/api/generate": {
        "model": "sam",
        "image": PHOTO,
        "prompt": {"points": [[4, 3], [1, 1], [9, 9]], "point_labels": [1, 2, 3]},
    },
}
NUCLIO = {
    "image": PHOTO,
    "pos_points": [[4, 3]],
    "neg_points": [[1, 1]],
    "obj_bbox": [[1, 1], [9, 9]],
    "threshold": 0.5,
}


def variants(value):
    """The value with each part of it, and itself, exchanged for anything, and each part left out."""
    yield from ANYTHING
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for part in variants(value[key]):
            changed = copy.copy(value)
            changed[key] = part
            yield changed
        less = copy.copy(value)
        del less[key]
        yield less


@pytest.fixture(scope="module")
def client():
    return TestClient(application(fakes.Discs(5, 0.0), [], PhotoSource(), "v1"))


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", REQUESTS)
def test_any_part_may_be_anything(client, path, every):
    good = client.post(path, json=REQUESTS[path])
    assert good.status_code in (200, 201), good.text
    refused = 0
    for body in islice(variants(REQUESTS[path]), None, None, every):
        answer = client.post(path, content=json.dumps(body))
        assert answer.status_code in (200, 201, 400), body
        if answer.status_code == 400:
            assert len(answer.json()["detail"]) > 5, body
            refused += 1
    assert refused
    assert client.post(path, json=REQUESTS[path]).status_code == good.status_code


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10_000, b'"\xed\xa0\x80"']
)
def test_bodies_that_are_no_json_are_refused(client, content):
    for path in REQUESTS:
        assert "the body is no JSON" in client.post(path, content=content).json()["detail"]
    assert json.loads(cvat.respond(Replays(fakes.Discs()), content)[0])["message"]


def test_more_clicks_than_anybody_makes_are_not_computed(client):
    many = {"points": [[4, 3]] * 101, "point_labels": [1] * 101}
    answer = client.post("/api/generate", json={"image": PHOTO, "prompt": many})
    assert (answer.status_code, "at most 100 clicks" in answer.json()["detail"]) == (400, True)


def test_of_many_tasks_a_bad_one_costs_no_other(client):
    asked = {**REQUESTS["/predict"], "tasks": [TASK, None, {**TASK, "data": {"photo": "http://elsewhere/x"}}, TASK]}
    results = client.post("/predict", json=asked).json()["results"]
    assert [bool(answer["result"]) for answer in results] == [True, False, False, True]
    assert "--tool-url" in results[2]["error"]


def test_a_nuclio_function_answers_anything():
    replays = Replays(fakes.Discs(5, 0.0))
    assert {cvat.respond(replays, body)[1] for body in variants(NUCLIO)} == {200, 400}
    text, status = cvat.respond(replays, json.dumps(NUCLIO).encode())
    assert (status, np.shape(json.loads(text)["mask"])) == (200, HW)
