"""From an exported .onnx file back to a network that learns: the same answers, and weights that can be moved."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.engines.onnx import load as load_onnx
from fewclicks.errors import CheckpointError
from fewclicks.methods.default import WEIGHTS
from fewclicks.recipes.compact import compact
from fewclicks.training import loop, onnx_weights, sets, trainer
from fewclicks.training.objectives import iou
from fewclicks.training.samples import Samples, collate

SMALL = replace(
    compact(), name="small", size="plus", init="default", sets=("toy",), set_weights=(1.0,), whole_sets=(), holdout=0,
    crop_hw=(96, 64), min_area_px=50, batch=2, steps=1, lr=0.0, precision="fp32", ema=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def shipped():
    """The shipped file's forward, and photos with clicks to try it on."""
    samples, cpu = Samples(SMALL, [sets.Toy()]), torch.device("cpu")
    batches = [collate([samples[i + k] for k in range(4)]).to(cpu) for i in range(0, 16, 4)]
    return load_onnx(WEIGHTS, threads=1), batches


def assert_same(net, shipped):
    forward, batches = shipped
    for batch in batches:
        for i in range(len(batch.image)):
            image, clicks = batch.image[i : i + 1], batch.clicks[i : i + 1]
            prev = (batch.truth[i : i + 1, None] == 1).float() * 0.7
            with torch.no_grad():
                ours = net.eval()(image, clicks, prev).numpy()
            np.testing.assert_allclose(ours, forward(image.numpy(), clicks.numpy(), prev.numpy()), atol=1e-4)


def test_the_network_of_the_shipped_file_answers_as_the_file(shipped):
    recipe, net = onnx_weights.read(WEIGHTS)
    assert recipe.backbone == "compact"
    assert_same(net, shipped)


def test_settled_on_photos_it_answers_the_same_evaluated_and_nearly_so_in_training(shipped):
    _, net = onnx_weights.read(WEIGHTS)
    onnx_weights.settle(net, shipped[1])
    assert_same(net, shipped)
    batch = shipped[1][0]
    with torch.no_grad():
        evaluated, trained = (
            iou(net.train(mode)(batch.image, batch.clicks, batch.image[:, :1] * 0).sigmoid(), batch.truth)
            for mode in (False, True)
        )
    assert (evaluated - trained).abs().median() < 0.1
    for _, conv, norm in onnx_weights.folded(net):
        assert 0.5 < float(conv.weight.detach().square().mean().sqrt()) * (3 * conv.weight[0].numel()) ** 0.5 < 2
        assert norm.running_var.min() > 0


@pytest.mark.slow
def test_a_run_starts_from_the_shipped_weights_by_name_and_from_any_exported_file(shipped, tmp_path):
    folder = loop.run(SMALL, tmp_path / "run", workers=0, accelerator="cpu")
    one = checkpoint.load(folder)
    for _, _, norm in onnx_weights.folded(one):  # a step in training mode moved them; the weights stand still at lr 0
        assert int(norm.num_batches_tracked) > 0
    copy = tmp_path / "mine.onnx"
    copy.write_bytes(WEIGHTS.read_bytes())
    options = {"workers": 0, "accelerator": "cpu"}
    more = replace(SMALL, init=str(copy), steps=2)
    again = checkpoint.load(loop.run(more, tmp_path / "again", stop_at=1, **options))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), again.state_dict().values(), strict=True))
    copy.unlink()
    last = loop.run(more, tmp_path / "again", resume=True, **options)
    assert checkpoint.read_config(last)["step"] == 2, "what a run began with is not asked for again"


def test_a_larger_network_begins_as_the_one_of_the_file():
    old = trainer.SHIPPED["default-0.1"]
    batch = collate([Samples(SMALL, [sets.Toy()])[i] for i in range(4)]).to(torch.device("cpu"))
    assert_same(trainer.exported(replace(SMALL, init="default-0.1")), (load_onnx(old, threads=1), [batch]))


def test_what_cannot_be_trained_on_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"no weight file .*nowhere\.onnx"):
        onnx_weights.read("nowhere.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no model at all")
    with pytest.raises(CheckpointError, match=r"copy the file again|does not tell"):
        onnx_weights.read(damaged)
    with pytest.raises(CheckpointError, match="8 bits"):
        onnx_weights.read(WEIGHTS.with_name("default-int8.onnx"))
    silent = onnx.load(WEIGHTS)
    del silent.metadata_props[:]
    onnx.save(silent, tmp_path / "silent.onnx")
    with pytest.raises(CheckpointError, match="does not tell which network"):
        onnx_weights.read(tmp_path / "silent.onnx")
    with pytest.raises(CheckpointError, match=r"the recipe asks for .*size=plus"):
        loop.run(replace(SMALL, size="lite0"), tmp_path / "run", workers=0, accelerator="cpu")
    with pytest.raises(CheckpointError, match="the recipe asks for"):
        loop.run(replace(SMALL, radius_px=3.0), tmp_path / "run", workers=0, accelerator="cpu")
