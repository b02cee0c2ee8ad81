"""SAM's pair of ONNX files: as good as the package, and run by X-AnyLabeling's own class."""

import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

import programs
from fewclicks.api import load
from fewclicks.api import open as open_session
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import CheckpointError
from fewclicks.images.reading import read_image
from fewclicks.integrations import sam_pair

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "chelsea.png"
ZOOM = 160
"""Less than what ships, for the sake of time."""
ON, OFF = (220, 120), (420, 60)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The folder of a pair."""
    pytest.importorskip("onnxscript")
    from fewclicks.integrations.sam_onnx import write_pair

    folder = tmp_path_factory.mktemp("sam") / "pair"
    written = write_pair("default", folder, zoom=ZOOM)
    assert [path.name for path in written] == ["encoder.onnx", "decoder.onnx", "fewclicks.yaml"]
    return folder


@pytest.fixture(scope="module")
def decoder(pair):
    return ort.InferenceSession(os.fspath(pair / "decoder.onnx"), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def photo():
    return cv2.resize(read_image(PHOTO), (226, 150), interpolation=cv2.INTER_AREA)


def embedding(image):
    return image.transpose(2, 0, 1)[None].astype(np.float32) / 255


def decode(decoder, image, points, mask=None):
    """masks, iou_predictions and low_res_masks of points (x, y, label) in pixels of the image."""
    hw = np.array(image.shape[:2], np.float32)
    points = np.array([*points, (0, 0, -1)], np.float32)
    feed = {
        "image_embeddings": embedding(image), "point_coords": points[None, :, :2] * (1024 / hw.max()),
        "point_labels": points[None, :, 2], "orig_im_size": hw,
        "has_mask_input": np.array([mask is not None], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32) if mask is None else mask,
    }  # fmt: skip
    return decoder.run(None, feed)


def agree(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


def test_names_and_sizes_are_those_of_sam(decoder, pair):
    encoder = ort.InferenceSession(os.fspath(pair / "encoder.onnx"), providers=["CPUExecutionProvider"])
    assert [(one.name, one.shape[2:]) for one in encoder.get_inputs()] == [("input_image", [3])]
    assert [one.name for one in encoder.get_outputs()] == ["image_embeddings"]
    assert [one.name for one in decoder.get_inputs()] == [
        "image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size",
    ]  # fmt: skip
    assert [one.name for one in decoder.get_outputs()] == ["masks", "iou_predictions", "low_res_masks"]
    assert decoder.get_outputs()[2].shape == [1, 1, 256, 256]
    assert decoder.get_modelmeta().custom_metadata_map["weights_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("run_as", ["script", "x-anylabeling"])
def test_clicks_are_answered_as_the_package_answers_them(pair, run_as):
    image = read_image(PHOTO)
    ours, theirs = load(threads=1, zoom=ZOOM), sam_pair.build(pair=pair, run_as=run_as, threads=1)
    state, told, clicks = ours.start(image), theirs.start(image), Clicks()
    for click in (Click(*ON), Click(*OFF, False), Click(60, 200)):
        clicks += click
        state, told = ours.step(state, clicks), theirs.step(told, clicks)
        assert agree(state.mask, told.mask) > 0.96
        for said in clicks:
            assert told.mask[said.pixel(told.mask.shape)] == said.positive


@pytest.mark.slow
def test_what_is_black_beside_the_photo_is_not_looked_at(decoder, photo):
    canvas = np.zeros((170, 340, 3), np.uint8)
    canvas[:150, :226] = photo
    alone = decode(decoder, photo, [(110, 60, 1)])[0][0, 0] > 0
    mask = decode(decoder, canvas, [(110, 60, 1)])[0][0, 0] > 0
    assert agree(mask[:150, :226], alone) > 0.99
    assert not mask[150:].any()


@pytest.mark.slow
def test_a_mask_is_corrected_and_without_a_click_refined(decoder, photo):
    masks, scores, low = decode(decoder, photo, [(110, 60, 1)])
    assert masks.shape == (1, 1, 150, 226)
    assert 0.5 < scores[0, 0] <= 1
    assert (low[0, 0, 171:] < -10).all(), "SAM pads below the photo"
    begin = masks[0, 0] > 0
    begin[:, :120] = False
    full = np.where(begin, 6, -6)[None, None].astype(np.float32)
    for mask in (full, low):
        corrected = decode(decoder, photo, [(40, 110, 1)], mask)[0][0, 0] > 0
        assert corrected[110, 40]
        assert agree(corrected, masks[0, 0] > 0) > 0.9
    kept = decode(decoder, photo, [], low)[0][0, 0] > 0
    assert agree(kept, masks[0, 0] > 0) > 0.9


@pytest.mark.slow
def test_a_box_is_a_region_to_look_at(decoder, photo):
    session = open_session(photo, threads=1, zoom=ZOOM)
    session.box(10, 5, 200, 140)
    found = decode(decoder, photo, [(10, 5, 2), (200, 140, 3)])[0][0, 0] > 0
    assert agree(found, session.mask) > 0.8, "the graph looks from farther away only, see docs/integrations/sam.md"
    both = decode(decoder, photo, [(10, 5, 2), (200, 140, 3), (30, 120, 0)])[0][0, 0] > 0
    assert not both[120, 30]


def test_nothing_is_answered_by_nothing(decoder, photo):
    for points in ([], [(30, 30, 0)]):
        assert not (decode(decoder, photo, points)[0] > 0).any()
    corrected = decode(decoder, photo, [(110, 60, 0), (110, 60, 1)])[0][0, 0] > 0
    assert corrected[60, 110], "of contrary clicks on one pixel the last counts"


@pytest.mark.slow
def test_many_clicks_take_no_more_passes_than_eight(decoder, photo):
    clicks = [(20 + 9 * i, 75, 1) for i in range(20)]
    mask = decode(decoder, photo, clicks)[0][0, 0] > 0
    assert all(mask[y, x] for x, y, _ in clicks)


def test_a_missing_pair_is_told(tmp_path):
    with pytest.raises(CheckpointError, match="export-onnx default DIR --sam"):
        sam_pair.build(pair=tmp_path)


SCRIPT = """
import json, os, sys, tempfile
import anylabeling.config as config
config.current_config_file = os.path.join(tempfile.mkdtemp(), "rc")
open(config.current_config_file, "w").write("{}")
import yaml
from PyQt6 import QtGui, QtWidgets
application = QtWidgets.QApplication([])
from anylabeling.services.auto_labeling.segment_anything import SegmentAnything
path, photo, marks, out = sys.argv[1:]
about = {**yaml.safe_load(open(path)), "config_file": path}
model = SegmentAnything(about, print)
model.output_mode = "polygon"
model.set_auto_labeling_marks(json.loads(marks))
shapes = model.predict_shapes(QtGui.QImage(photo), photo).shapes
json.dump([[[point.x(), point.y()] for point in shape.points] for shape in shapes], open(out, "w"))
"""


@pytest.mark.integration
def test_x_anylabeling_runs_it_in_its_own_class(pair, tmp_path):
    marks = [{"type": "point", "data": ON, "label": 1}, {"type": "point", "data": OFF, "label": 0}]
    arguments = [pair / "fewclicks.yaml", PHOTO, json.dumps(marks), tmp_path / "shapes.json"]
    command = [programs.program("x-anylabeling"), "-c", SCRIPT, *map(str, arguments)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    session = open_session(PHOTO, threads=1, zoom=ZOOM)
    session.click(*ON)
    wanted = session.click(*OFF, positive=False)
    found = np.zeros(wanted.shape, np.uint8)
    for polygon in json.loads((tmp_path / "shapes.json").read_text()):
        cv2.fillPoly(found, [np.array(polygon, np.int32)], 1)
    assert agree(found > 0, wanted) > 0.95


@pytest.mark.slow
def test_a_checkpoint_folder_becomes_a_pair(tmp_path):
    """With its own options, and its weights in 16 bits."""
    torch = pytest.importorskip("torch")
    from fewclicks.checkpoints import checkpoint
    from fewclicks.integrations.sam_onnx import write_pair
    from fewclicks.models.segmenter import build_segmenter

    torch.manual_seed(0)
    network = {"backbone": "compact", "size": "lite0", "radius_px": 5.0}
    net = build_segmenter(**network)
    config = {"network": network, "predictor": {"zoom": 96, "cfr": 1}}
    checkpoint.save(tmp_path / "net", {checkpoint.WEIGHTS: net.state_dict()}, config)
    write_pair(os.fspath(tmp_path / "net"), tmp_path / "pair", half=True)
    sizes = [(tmp_path / name).stat().st_size for name in ("pair/decoder.onnx", f"net/{checkpoint.WEIGHTS}")]
    assert sizes[0] < 0.6 * sizes[1]
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    ours, theirs = load(tmp_path / "net", threads=1), sam_pair.build(pair=tmp_path / "pair", threads=1)
    clicks = Clicks((Click(30, 30),))
    one, other = ours.step(ours.start(image), clicks), theirs.step(theirs.start(image), clicks)
    assert np.abs(one.prob - other.prob).mean() < 0.05
