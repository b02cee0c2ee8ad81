"""The network in 8 bits: what is quantised, how near it stays to the float one, and how it is chosen."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx as onnx_file
import pytest

import fewclicks
from fewclicks import Anchor, Click, Clicks, Denoise, ZoomIn
from fewclicks.cli import main
from fewclicks.config import PredictorConfig, resolve
from fewclicks.engines import onnx
from fewclicks.engines.network import Network
from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.errors import CheckpointError, DatasetError, InputError
from fewclicks.images.reading import read_image
from fewclicks.methods import default, default_int8
from fewclicks.recipes.toy import toy
from fewclicks.refinement import CFR
from fewclicks.training import quantize

PHOTOS = sorted((Path(__file__).parents[2] / "examples" / "images").glob("*.*"))
CLICKS = Clicks((Click(190, 170), Click(20, 20, False)))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The default model in 8 bits, calibrated on next to nothing, and how many photos were told of."""
    told = []
    out = tmp_path_factory.mktemp("int8") / "small.onnx"
    assert quantize.quantize(default.WEIGHTS, out, toy(), 2, lambda: told.append(1)) == out
    assert len(told) == 2
    return out


def asked(photo):
    """What the network is asked in real use on a photo that it was not trained on: two clicks, CFR-1."""
    recorder = quantize._Recorder(onnx.load(default.WEIGHTS, threads=1))
    predictor = PredictorConfig(cfr=1).around(Network(recorder))
    state = predictor.start(read_image(photo))
    for count in (1, 2):
        state = predictor.step(state, Clicks(CLICKS.items[:count]))
    return recorder.seen


@pytest.mark.slow
@pytest.mark.parametrize("photo", PHOTOS[:2], ids=lambda photo: photo.stem)
def test_it_stays_near_the_float_network_on_photos(small, photo):
    nets = [onnx.load(path, threads=1) for path in (default.WEIGHTS, small)]
    feeds = asked(photo)
    assert len(feeds) == 4
    for feed in feeds:
        logits = [net(*feed).ravel() for net in nets]
        assert np.corrcoef(*logits)[0, 1] > 0.99
        assert not np.array_equal(*logits)


@pytest.mark.slow
def test_it_is_smaller_than_weights_in_16_bits_and_says_what_it_is(small):
    assert small.stat().st_size < 0.6 * default.WEIGHTS.stat().st_size
    about = read_metadata(small)
    assert about["float_sha256"] == default.weights_hash()
    assert about["int8"].startswith("calibrated on 2 photos of toy")
    assert about.items() >= read_metadata(default.WEIGHTS).items()
    assert str(Path(fewclicks.__file__).parent).encode() not in small.read_bytes(), "no path of this machine"


@pytest.mark.slow
def test_all_but_the_first_convolutions_are_quantised(small):
    graph = onnx_file.load(small).graph
    made_by = {name: node for node in graph.node for name in node.output}
    whole = {
        node.input[1] for node in graph.node
        if node.op_type == "Conv" and made_by.get(node.input[1], node).op_type != "DequantizeLinear"
    }  # fmt: skip
    every = {node.input[1] for node in onnx_file.load(default.WEIGHTS).graph.node if node.op_type == "Conv"}
    assert whole == {name for name in every if name.startswith(quantize.FLOAT)}
    assert 4 <= len(whole) < len(every) / 5


def test_the_ranges_come_from_the_same_feeds_every_time():
    forward = onnx.load(default.WEIGHTS, threads=1)
    first, second = (list(quantize.feeds(forward, toy(), 1)) for _ in range(2))
    assert len(first) == quantize.EACH
    assert any(prev.any() for _, _, prev in first), "previous masks as in use"
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.slow
def test_what_cannot_be_quantised_is_refused_and_nothing_written(small, tmp_path):
    out = tmp_path / "out.onnx"
    with pytest.raises(InputError, match="in 8 bits already"):
        quantize.quantize(small, out, toy(), 1)
    with pytest.raises(CheckpointError, match="no weight file"):
        quantize.quantize(tmp_path / "gone.onnx", out, toy(), 1)
    with pytest.raises(DatasetError, match=r"no training set 'gone'.*FEWCLICKS_DATA"):
        quantize.quantize(default.WEIGHTS, out, replace(toy(), sets=("gone",)), 1)
    assert not out.exists()


def test_the_name_means_the_file():
    photo = read_image(PHOTOS[0])
    states = []
    for name in ("default-int8", default_int8.WEIGHTS):
        predictor = fewclicks.load(name, threads=1, cfr=1)
        assert isinstance(predictor, Anchor)
        states.append(predictor.step(predictor.start(photo), CLICKS))
    assert np.array_equal(states[0].prob, states[1].prob)
    assert states[0].mask.any()
    with pytest.raises(InputError, match=r"no option 'zom'.*zoom"):
        fewclicks.load("default-int8", zom=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["default-int8", "default_int8"])
def test_the_command_line_knows_it_as_a_network(small, monkeypatch, name):
    monkeypatch.setattr(default_int8, "WEIGHTS", small)
    resolved = resolve(name, cfr=2, threads=1)
    predictor = resolved.build()
    assert isinstance(predictor.inner, CFR)
    assert isinstance(predictor.inner.inner, Denoise)
    assert isinstance(predictor.inner.inner.inner, ZoomIn), "its own rings, and none around them"
    told = resolved.describe()
    assert (told["weights"], told["cfr"]) == ("small.onnx", 2)
    assert told["weights_sha256"] == default.weights_hash(small)


def test_what_ships_in_8_bits_is_the_model_that_ships():
    about = read_metadata(default_int8.WEIGHTS)
    made_by = f"fewclicks quantise {default.WEIGHTS} {default_int8.WEIGHTS}"
    assert about["float_sha256"] == default.weights_hash(), f"the default model has changed; run: {made_by}"
    assert resolve("default-int8").describe()["method"] == "default-int8"
    assert resolve("default").describe()["method"] == "default"


def test_without_its_file_there_is_a_clear_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(default_int8, "WEIGHTS", tmp_path / "default-int8.onnx")
    with pytest.raises(CheckpointError, match=r"no weight file .*default-int8\.onnx"):
        fewclicks.load("default-int8")
    with pytest.raises(SystemExit):
        main(["segment", str(PHOTOS[0]), "--click", "1,2", "--method", "default-int8"])
    assert "default-int8.onnx" in capsys.readouterr().err


WITHOUT_TORCH = """
import sys
class Missing:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("torch", "onnx", "safetensors"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
sys.meta_path.insert(0, Missing())
from fewclicks.cli import main
main()
"""


def test_it_runs_without_torch_and_onnx(tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH]
    arguments = ["segment", PHOTOS[0], "--click", "190,170", "--method", "default-int8", "--json", "-o", "m.png"]
    done = subprocess.run(
        [*command, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["area_px"] > 0
    arguments = ["quantise", default.WEIGHTS, tmp_path / "out.onnx"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'fewclicks[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_command_quantises(tmp_path, capsys):
    out = tmp_path / "out.onnx"
    with pytest.raises(SystemExit) as end:
        main(["quantise", str(default.WEIGHTS), str(out), "--recipe", "toy", "--photos", "1"])
    assert end.value.code == 0
    assert f"{out}: 6." in capsys.readouterr().out
    assert isinstance(fewclicks.load(out, threads=1), Anchor)
