"""darktable's model file, run in the order and with the options of darktable's code (src/common/ai/segmentation.c)."""

import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from fewclicks.api import load
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.images.reading import read_image

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "chelsea.png"
ZOOM = 160
"""Less than what ships, for the sake of time."""
SIDE = 1024


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    pytest.importorskip("onnxscript")
    from fewclicks.integrations.darktable import write_model_file

    (path,) = write_model_file("default", tmp_path_factory.mktemp("darktable") / "few.dtmodel", zoom=ZOOM)
    return zipfile.ZipFile(path)


class Darktable:
    """What darktable does with a model; tensors are passed by their place, not by name."""

    def __init__(self, archive, folder="mask-object-fewclicks"):
        optimized, plain = ort.SessionOptions(), ort.SessionOptions()
        plain.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        files = [archive.read(f"{folder}/{name}.onnx") for name in ("encoder", "decoder")]
        self.encoder = ort.InferenceSession(files[0], optimized, providers=["CPUExecutionProvider"])
        self.decoder = ort.InferenceSession(files[1], plain, providers=["CPUExecutionProvider"])
        shape = self.decoder.get_outputs()[0].shape
        assert shape == [1, 1, SIDE, SIDE], "darktable reads the size before it runs anything"
        assert all(isinstance(side, int) for side in self.encoder.get_outputs()[0].shape)
        self.prev = np.zeros(shape, np.float32)

    def encode(self, image):
        height, width = self.hw = image.shape[:2]
        self.scale = SIDE / max(height, width)
        h, w = (min(int(side * self.scale + 0.5), SIDE) for side in self.hw)
        x, y = np.meshgrid(np.arange(w, dtype=np.float32) / self.scale, np.arange(h, dtype=np.float32) / self.scale)
        square = np.zeros((SIDE, SIDE, 3), np.float32)
        square[:h, :w] = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        feed = {self.encoder.get_inputs()[0].name: square.transpose(2, 0, 1)[None] / 255}
        self.encoded = self.encoder.run(None, feed)[0]
        self._decode([(0, 0, 1)])  # the warm-up, whose mask is thrown away

    def mask(self, clicks, passes=1):
        """The mask after all clicks; a first click begins anew."""
        if len(clicks) <= 1:
            self.prev[:] = 0
        for _ in range(passes):
            self.prev = self._decode(clicks)
        h, w = (min(int(side * self.scale + 0.5), SIDE) for side in self.hw)
        y, x = (np.linspace(0, valid - 1, side, dtype=np.float32) for valid, side in zip((h, w), self.hw, strict=True))
        return cv2.remap(self.prev[0, 0], *np.meshgrid(x, y), cv2.INTER_LINEAR)

    def _decode(self, clicks):
        points = np.array(clicks, np.float32)
        tensors = [self.encoded, points[None, :, :2] * np.float32(self.scale), points[None, :, 2], self.prev]
        names = [one.name for one in self.decoder.get_inputs()]
        return self.decoder.run(None, dict(zip(names, tensors, strict=True)))[0]


def agree(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


def test_the_archive_is_what_darktable_installs(archive):
    names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"mask-object-fewclicks"}
    config = json.loads(archive.read("mask-object-fewclicks/config.json"))
    assert config["id"] == "mask-object-fewclicks"
    assert (config["task"], config["arch"], config["backend"]) == ("mask", "segnext", "onnx")
    assert {"id", "name", "description", "task", "backend", "version"} <= set(config)
    card = config["model_card"]
    assert {"scope", "author", "paper", "license", "training_data", "training_data_license", "notes"} <= set(card)
    assert "COCO" in card["training_data"]
    assert b"non-commercial" in archive.read("mask-object-fewclicks/README.md")


def test_clicks_in_its_order_are_answered_as_the_package_answers_them(archive):
    image = read_image(PHOTO)
    ours, theirs = load(threads=1, zoom=ZOOM), Darktable(archive)
    theirs.encode(image)
    state, clicks, said = ours.start(image), Clicks(), []
    for x, y, label in ((220, 120, 1), (420, 60, 0), (60, 200, 1)):
        clicks += Click(x, y, bool(label))
        said.append((x, y, label))
        state = ours.step(state, clicks)
        prob = theirs.mask(said)
        assert prob.min() >= 0
        assert prob.max() <= 1
        assert agree(prob > 0.5, state.mask) > 0.96
        assert all((prob[y, x] > 0.5) == bool(label) for x, y, label in said)
    assert not theirs.prev[0, 0, 800:].any(), "nothing is marked below the photo"


@pytest.mark.slow
def test_a_first_click_forgets_the_last_mask_and_more_passes_refine_it(archive):
    theirs = Darktable(archive)
    theirs.encode(read_image(PHOTO))
    once = theirs.mask([(220, 120, 1)]) > 0.5
    theirs.mask([(220, 120, 1), (420, 60, 1)])
    assert agree(theirs.mask([(220, 120, 1)]) > 0.5, once) == 1
    assert agree(theirs.mask([(220, 120, 1)], passes=3) > 0.5, once) > 0.9
    stroke = [(150 + 5 * i, 120 + 3 * (i % 5), 1) for i in range(30)]
    brushed = theirs.mask(stroke) > 0.5
    assert all(brushed[y, x] for x, y, _ in stroke)


def test_the_file_is_the_same_each_time_and_another_suffix_is_told(archive, tmp_path):
    from fewclicks.integrations.darktable import write_model_file

    (path,) = write_model_file("default", tmp_path / "a.dtmodel", zoom=ZOOM)
    again = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    assert {name: again.read(name) for name in again.namelist()} == {
        name: archive.read(name) for name in archive.namelist()
    }
    with pytest.raises(InputError, match=r"name it few\.dtmodel"):
        write_model_file("default", tmp_path / "few.zip")
