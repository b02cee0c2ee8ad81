"""The model in the package: runs without torch, in little memory, and is good on real photos."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fewclicks
from fakes import gradient, shared
from fewclicks import Anchor, Click, Clicks, Denoise, ZoomIn
from fewclicks.datasets import Subset, open_benchmark
from fewclicks.engines import onnx
from fewclicks.errors import CheckpointError, InputError
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.robot import deepest_error
from fewclicks.evaluation.rollout import evaluate
from fewclicks.methods import default, default_0_1
from fewclicks.refinement import CFR

WITHOUT_TORCH = """
import json, re, sys
class Missing:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("torch", "torchvision", "matplotlib", "onnx", "safetensors"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, Missing())
import numpy as np
import fewclicks
photo = np.random.default_rng(0).integers(0, 255, (480, 854, 3), np.uint8)
session = fewclicks.open(photo, threads=2, cfr=1)
mask = session.click(427, 240)
peak_kb = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]  # unlike ru_maxrss, since exec
print(json.dumps({"pixel": bool(mask[240, 427]), "mb": int(peak_kb) / 1024}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_it_runs_without_torch_in_little_memory():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["pixel"]
    assert answer["mb"] < 400


def test_options_build_the_rings():
    plain = fewclicks.load(anchor=False, zoom=0, cfr=0, denoise=False)
    assert isinstance(plain.forward, onnx.OnnxForward)
    ringed = fewclicks.load(cfr=2, adaptive=True, until_click=1, flip=True, zoom=320)
    assert isinstance(ringed, Anchor)
    assert ringed.inner == CFR(ringed.inner.inner, 2, 20, 1)
    assert isinstance(ringed.inner.inner, Denoise)
    assert isinstance(ringed.inner.inner.inner, ZoomIn)
    assert ringed.inner.inner.inner.size == 320
    with pytest.raises(InputError, match=r"no option 'zom'.*zoom"):
        fewclicks.load(zom=3)
    with pytest.raises(CheckpointError, match="no weight file"):
        default.build(weights="none.onnx")


def test_a_whole_photo_without_zoom_is_possible():
    predictor = fewclicks.load(zoom=0, threads=1)
    state = predictor.start(gradient(150, 210))
    assert predictor.step(state, Clicks((Click(20, 30),))).prob.shape == (150, 210)


def test_a_few_clicks_cut_out_real_objects():
    shared("benchmarks", "GrabCut")
    result = evaluate(fewclicks.load(cfr=1, threads=1), Subset(open_benchmark("grabcut"), 10), max_clicks=5)
    assert np.mean([max(trace.ious) for trace in result.traces]) > 0.85
    grow = evaluate(fewclicks.load("grow"), Subset(open_benchmark("grabcut"), 10), max_clicks=5)
    assert result.iou_at_click()[0] > grow.iou_at_click()[0]


def test_a_foreign_mask_is_corrected_by_clicks():
    shared("benchmarks", "GrabCut")
    sample = open_benchmark("grabcut")[7]
    truth = sample.truth == 1
    wrong = np.roll(truth, truth.shape[1] // 8, axis=1)
    session = fewclicks.open(sample.image, threads=1)
    before = session.load_mask(wrong)
    begin = iou(before, sample.truth)
    for _ in range(4):
        click = deepest_error(sample.truth, session.mask, session.clicks)
        session.click(click.x, click.y, click.positive)
    assert iou(session.mask, sample.truth) > begin + 0.1


def test_the_model_of_the_version_before_stays_and_is_asked_for_where_it_was_not_installed(monkeypatch, tmp_path):
    photo, clicks = gradient(60, 80), Clicks((Click(20, 30),))
    old, new = (fewclicks.load(name, threads=1) for name in ("default-0.1", "default"))
    states = [one.step(one.start(photo), clicks) for one in (old, new)]
    assert not np.array_equal(states[0].prob, states[1].prob)
    monkeypatch.setattr(default_0_1, "WEIGHTS", tmp_path / "default-0.1.onnx")
    with pytest.raises(CheckpointError, match=r"copy .*from the repository"):
        fewclicks.load("default-0.1")
