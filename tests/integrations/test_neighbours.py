"""Objects as the types of other libraries, and weights from and to Hugging Face's formats."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import fakes
import fewclicks
import hub_stub
import programs
from fewclicks.errors import CheckpointError, InputError
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation
from fewclicks.formats.coco import mask_of_segmentation
from fewclicks.integrations import fiftyone as fiftyone_module
from fewclicks.integrations.coco import to_coco
from fewclicks.integrations.fiftyone import from_fiftyone, to_fiftyone
from fewclicks.methods import default


def objects():
    one, two = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
    one[10:30, 20:50] = True
    one[15:20, 30:40] = False
    two[40:, 70:] = True
    return [Annotation(mask=one, label="cat", score=0.5), Annotation(mask=two, label="dog", score=0.25)]


def test_coco_in_memory():
    content = to_coco([("a.jpg", objects()), AnnotatedPhoto("b.jpg", (60, 80), objects()[:1])], ["dog"])
    assert [row["name"] for row in content["categories"]] == ["dog", "cat"]
    assert [row["file_name"] for row in content["images"]] == ["a.jpg", "b.jpg"]
    masks = [mask_of_segmentation(row["segmentation"], (60, 80)) for row in content["annotations"]]
    assert np.array_equal(masks[0], objects()[0].mask)
    assert len(masks) == 3
    plain = to_coco([("a.jpg", [objects()[0].mask])], shapes="polygons")
    assert isinstance(plain["annotations"][0]["segmentation"], list)


def test_fiftyone_there_and_back(monkeypatch):
    made = SimpleNamespace(Detection=_Detection, Detections=lambda detections: SimpleNamespace(detections=detections))
    monkeypatch.setattr(fiftyone_module, "_fiftyone", lambda: made)
    back = from_fiftyone(to_fiftyone(objects()), (60, 80))
    for was, now in zip(objects(), back, strict=True):
        assert np.array_equal(was.mask, now.mask)
        assert (was.label, was.score) == (now.label, now.score)
    boxes = SimpleNamespace(detections=[_Detection(label="cat", bounding_box=[0, 0, 1, 1])])
    with pytest.raises(InputError, match="has a box only"):
        from_fiftyone(boxes, (60, 80))


class _Detection(SimpleNamespace):
    def __init__(self, **fields):
        super().__init__(**{"mask": None, "confidence": None, **fields})


SUPERVISION = """
import numpy as np, supervision as sv
from fewclicks.formats.annotations import Annotation
from fewclicks.integrations.supervision import from_supervision, to_supervision
one, two = np.zeros((60, 80), bool), np.zeros((60, 80), bool)
one[10:30, 20:50] = two[40:, 70:] = True
objects = [Annotation(mask=one, label="cat", score=0.5), Annotation(mask=two, label="dog", score=0.25)]
found = to_supervision([*objects, Annotation(mask=np.zeros((60, 80), bool), label="none")], ["dog"])
assert found.xyxy.tolist() == [[20, 10, 50, 30], [70, 40, 80, 60]] and found.class_id.tolist() == [1, 0]
drawn = sv.MaskAnnotator().annotate(np.zeros((60, 80, 3), np.uint8), found)
assert drawn[20, 30].any() and not drawn[0, 0].any()
for was, now in zip(objects, from_supervision(found)):
    assert np.array_equal(was.mask, now.mask) and (was.label, was.score) == (now.label, now.score)
assert len(to_supervision([])) == 0 and len(to_supervision([one])) == 1
"""

FIFTYONE = """
import numpy as np
from fewclicks.formats.annotations import Annotation
from fewclicks.integrations.fiftyone import from_fiftyone, to_fiftyone
mask = np.zeros((60, 80), bool)
mask[10:30, 20:50] = True
found = to_fiftyone([Annotation(mask=mask, label="cat", score=0.5)])
assert found.detections[0].bounding_box == [0.25, 1 / 6, 0.375, 1 / 3]
assert np.array_equal(from_fiftyone(found, (60, 80))[0].mask, mask)
"""


@pytest.mark.integration
@pytest.mark.parametrize(("name", "code"), [("supervision", SUPERVISION), ("fiftyone", FIFTYONE)])
def test_the_real_library_takes_it(name, code):
    done = subprocess.run([programs.program(name), "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_weights_by_the_hub(tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub", reason="run: pip install 'fewclicks[huggingface]'")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from huggingface_hub import ModelCard

    from fewclicks.integrations.huggingface import HubPredictor

    HubPredictor(threads=1).save_pretrained(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} >= {"model.onnx", "README.md"}
    card = ModelCard.load(tmp_path / "model" / "README.md").data.to_dict()
    assert card["library_name"] == "fewclicks"
    assert card["pipeline_tag"] == "mask-generation"
    image = fakes.gradient(60, 80)
    sessions = [
        fewclicks.open(image, HubPredictor.from_pretrained(tmp_path / "model", threads=1)),
        fewclicks.open(image, threads=1),
    ]
    first, second = (session.click(40, 30) for session in sessions)
    assert np.array_equal(first, second)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds neither"):
        HubPredictor.from_pretrained(tmp_path / "empty")


PUSH = """
import numpy as np
import fewclicks
from fewclicks.integrations.huggingface import HubPredictor

HubPredictor(threads=1).push_to_hub("somebody/clicks", token="hf_test")
image = np.zeros((60, 80, 3), np.uint8)
image[20:40, 30:60] = 200
theirs = HubPredictor.from_pretrained("somebody/clicks", threads=1, token="hf_test")
masks = [session.click(40, 30) for session in (fewclicks.open(image, theirs), fewclicks.open(image, threads=1))]
print(bool(masks[0].any()), np.array_equal(*masks))
"""


@pytest.mark.integration
def test_weights_are_pushed_to_a_hub_and_come_back(tmp_path):
    python = programs.program("huggingface")
    with hub_stub.hub() as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run([python, "-c", PUSH], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["True", "True"]
    assert hub.files["model.onnx"] == default.WEIGHTS.read_bytes()
    assert hub.files["README.md"].startswith(b"---\n")
    assert {said for _, path, said in hub.asked if "commit" in path} == {"Bearer hf_test"}


def test_what_is_missing_is_named(monkeypatch):
    for name, module in (("anywidget", "click_widget"), ("huggingface_hub", "huggingface")):
        code = f"import sys; sys.modules['{name}'] = None\nimport fewclicks.integrations.{module}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "MissingExtra" in done.stderr
        assert "pip install 'fewclicks[" in done.stderr
