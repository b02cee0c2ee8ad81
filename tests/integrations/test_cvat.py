"""CVAT's two ways: the Nuclio function as CVAT calls it, and the agent's function with the real SDK."""

import base64
import importlib.util
import io
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import yaml

import fakes
import programs
from fewclicks.integrations.replay import Replays

FOLDER = Path(__file__).parents[2] / "examples" / "cvat-nuclio"


@pytest.fixture
def call():
    """The function as Nuclio runs it."""
    found = importlib.util.spec_from_file_location("nuclio_main", FOLDER / "main.py")
    main = importlib.util.module_from_spec(found)
    found.loader.exec_module(main)
    spy = fakes.Spy(fakes.Discs(10, 0.0))
    context = SimpleNamespace(user_data=SimpleNamespace(replays=Replays(spy)), Response=SimpleNamespace)

    def called(**body):
        file = io.BytesIO()
        PIL.Image.fromarray(fakes.gradient(60, 80)).save(file, "PNG")
        body = {"image": base64.b64encode(file.getvalue()).decode(), **body}
        answer = main.handler(context, SimpleNamespace(body=json.dumps(body).encode()))
        return answer.status_code, json.loads(answer.body)

    called.spy = spy
    return called


def test_clicks_are_answered_by_outline_and_mask(call):
    status, found = call(pos_points=[[40, 30]], neg_points=[[20, 30]], obj_bbox=None)
    assert status == 200
    mask = np.array(found["mask"])
    assert mask.shape == (60, 80)
    assert mask[30, 40] == 1
    assert np.abs(np.array(found["points"]).mean(axis=0) - (40, 30)).max() < 2
    call(pos_points=[[40, 30], [50, 30]], neg_points=[])
    assert len(call.spy.started) == 1, "the photo is read once"
    assert call(pos_points=[], neg_points=[], obj_bbox=[[10, 10], [60, 50]])[0] == 200


@pytest.mark.parametrize("body", [{}, {"pos_points": [[1]]}, {"pos_points": [[1, 1]], "image": ""}, {"obj_bbox": [3]}])
def test_what_is_wrong_is_said(call, body):
    status, found = call(**body)
    assert status == 400
    assert found["message"]


def test_the_function_is_declared_as_cvat_reads_it():
    content = yaml.safe_load((FOLDER / "function.yaml").read_text())
    about = content["metadata"]["annotations"]
    assert (about["type"], about["version"], about["min_pos_points"], about["min_neg_points"]) == (
        "interactor",
        2,
        1,
        0,
    )
    assert content["spec"]["handler"] == "main:handler"


AGENT = """
import numpy as np, PIL.Image
from types import SimpleNamespace
import cvat_sdk.auto_annotation as cvataa
from cvat_sdk.masks import encode_mask
import fewclicks
from fewclicks.integrations import cvat
assert isinstance(cvat.spec, cvataa.InteractionFunctionSpec)
photo = PIL.Image.open({photo!r})
begun = cvat.preprocess_image(None, photo)
session = fewclicks.open({photo!r})
for negative in ([], [(150, 290)]):
    prompts = SimpleNamespace(pos_points=[(290, 130)], neg_points=negative, bounding_box=None)
    (shape,) = cvat.detect(None, begun, prompts)
    mask = session.click(150, 290, positive=False) if negative else session.click(290, 130)
    assert shape.type == "mask" and shape.points == list(encode_mask(mask))
"""


@pytest.mark.integration
def test_the_real_sdk_takes_the_function_of_an_agent():
    code = AGENT.format(photo=str(Path(__file__).parents[2] / "examples" / "images" / "coffee.png"))
    done = subprocess.run([programs.program("cvat"), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
