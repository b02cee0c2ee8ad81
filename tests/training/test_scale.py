"""Many processes learn what one learns: the same samples, clicks, losses and weights, whatever the strategy."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fewclicks import cli
from fewclicks.checkpoints import checkpoint
from fewclicks.errors import DatasetError, FewClicksError, InputError, TrainingError
from fewclicks.models.segmenter import build_segmenter
from fewclicks.training import layers, loop, sets
from fewclicks.training.distributed import Distributed, launch, machine
from fewclicks.training.optimizer import adam, schedule
from fewclicks.training.recipe import Recipe
from fewclicks.training.trainer import STATE, Trainer, without_gradient

VIT = Recipe(
    name="scale", backbone="vit", size="xtiny", crop_hw=(32, 32), min_area_px=20, batch=4, steps=5, lr=1e-3,
    max_clicks=3, resize=(0.9, 1.4), holdout=0,
)  # fmt: skip
COMPACT = replace(VIT, backbone="compact", size="lite0", crop_hw=(64, 64), lr=1e-5)
ACCUMULATED = replace(VIT, accumulate=2, steps=2, ema=0.9, clip_norm=0.5, seed=1)
SHARDED = replace(
    VIT, steps=3, ema=0.9, layer_decay=0.75, weight_decay=0.02, activation_checkpointing=True, random_length=False
)
HALF = replace(VIT, precision="fp16", steps=2, click_weights=(1.0, 1.0))
ROUNDING = 1e-4
"""Several processes add gradients in another order, by kernels that the processor chooses; Adam makes steps of it."""


def losses(out):
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def alone(recipe, out, **options):
    """The losses of one process."""
    loop.run(recipe, out, workers=0, accelerator="cpu", **options)
    return losses(out)


def same_weights(one, other, tolerance):
    for file in (checkpoint.WEIGHTS, STATE):
        a, b = checkpoint.read_tensors(one / "last", file), checkpoint.read_tensors(other / "last", file)
        assert a.keys() == b.keys()
        for key in a:
            if not key.endswith("qkv.bias"):  # a key's bias has no effect, so its gradient is noise, which Adam scales
                far = ~torch.isclose(a[key], b[key], rtol=tolerance, atol=tolerance)
                # Adam makes a full step of a gradient that is noise, so that a few weights may differ by some steps.
                assert far.float().mean() <= 1e-3, key
                assert (a[key] - b[key]).abs().max() <= 1e-2, key


# What two processes do in one go, as if torchrun had started them; the tests below look at what they left.


def as_under_torchrun(out):
    rank = int(os.environ["LOCAL_RANK"])
    os.environ.update(TORCHELASTIC_RUN_ID="test", LOCAL_WORLD_SIZE="2", WORLD_SIZE="2", RANK=str(rank), GROUP_RANK="0")
    here = partial(loop.run, workers=0, accelerator="cpu")
    here(COMPACT, out / "compact")
    here(ACCUMULATED, out / "accumulated")
    here(SHARDED, out / "sharded", strategy="fsdp")
    here(HALF, out / "half")
    here(SHARDED, out / "resumed", resume=True, strategy="fsdp", stop_at=2)
    told_to_stop(here, out, rank)
    one_fails(here, out, rank)


def told_to_stop(here, out, rank):
    """The second process is asked to stop while it learns."""
    run = out / "stopped"

    def interrupt():
        while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").stat().st_size:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    if rank == 1:
        threading.Thread(target=interrupt).start()
    here(replace(VIT, steps=10_000), run)


def one_fails(here, out, rank):
    """The second process cannot read its third sample."""
    original = sets.Toy.__getitem__
    if rank == 1:
        sets.Toy.__getitem__ = broken
    try:
        here(VIT, out / "failed")
    except (FewClicksError, SystemExit) as error:
        (out / f"failed{rank}.txt").write_text(f"{type(error).__name__} {error}")
    sets.Toy.__getitem__ = original


def broken(scenes, index):
    raise DatasetError("photo 7 is damaged")


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    alone(SHARDED, out / "resumed", stop_at=1)
    launch(partial(as_under_torchrun, out), 2)
    return out


@pytest.mark.slow
def test_two_processes_of_the_command_learn_as_one(tmp_path, capfd):
    changes = ["backbone=vit", "size=xtiny", "crop_hw=32,32", "min_area_px=20", "steps=5", "lr=0.0005"]
    command = ["train", "toy", *changes, "--workers", "0", "--accelerator", "cpu"]
    assert cli._run([*command, "--devices", "2", "-o", str(tmp_path / "two")]) == 0
    printed = capfd.readouterr()
    assert printed.out.count("\n") == 1, "only the last line is for stdout"
    assert "5/5" in printed.err, "progress is on stderr"
    assert cli._run([*command, "-o", str(tmp_path / "one")]) == 0
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == 5
    assert two == pytest.approx(one, rel=ROUNDING)
    same_weights(tmp_path / "one", tmp_path / "two", 1e-4)


@pytest.mark.slow
def test_batchnorm_has_the_statistics_of_all_processes(left, tmp_path):
    """At a low rate: some gradients of an untrained compact are mere rounding, which Adam makes whole steps of."""
    one = alone(COMPACT, tmp_path / "one")
    assert len(one) == 5
    assert losses(left / "compact") == pytest.approx(one, rel=1e-5)
    a, b = (checkpoint.read_tensors(out / "last", STATE) for out in (tmp_path / "one", left / "compact"))
    statistics = [key for key in a if "running_" in key]
    assert statistics
    for key in statistics:
        torch.testing.assert_close(a[key], b[key], rtol=1e-3, atol=1e-5, msg=key)


@pytest.mark.slow
def test_accumulated_gradients_are_those_of_the_whole_batch(left, tmp_path):
    whole = alone(replace(ACCUMULATED, accumulate=1), tmp_path / "whole")
    assert alone(ACCUMULATED, tmp_path / "one") == pytest.approx(whole, rel=1e-5)
    assert losses(left / "accumulated") == pytest.approx(whole, rel=1e-5)
    same_weights(left / "accumulated", tmp_path / "whole", 1e-4)


@pytest.mark.slow
def test_shards_and_recomputed_blocks_learn_the_same(left, tmp_path):
    plain = alone(replace(SHARDED, activation_checkpointing=False), tmp_path / "one")
    assert losses(left / "sharded") == pytest.approx(plain, rel=1e-5)
    same_weights(left / "sharded", tmp_path / "one", 1e-4)


@pytest.mark.slow
def test_half_precision_learns_about_the_same(left, tmp_path):
    assert losses(left / "half") == pytest.approx(alone(replace(HALF, precision="fp32"), tmp_path / "one"), rel=0.02)
    scaler = checkpoint.read_config(left / "half" / "last")["scaler"]
    assert scaler["scale"] > 0


@pytest.mark.slow
def test_a_run_moves_from_one_process_to_two_and_back(left, tmp_path):
    alone(SHARDED, left / "resumed", resume=True)  # one step alone, one in two shards, the last alone
    assert losses(left / "resumed") == pytest.approx(losses(left / "sharded"), rel=1e-5)
    same_weights(left / "resumed", left / "sharded", 1e-4)


@pytest.mark.slow
def test_one_process_stops_all_after_the_step(left):
    step = checkpoint.read_config(left / "stopped" / "last")["step"]
    assert 0 < step < 1000
    assert len(losses(left / "stopped")) == step


@pytest.mark.slow
def test_an_error_of_one_process_ends_all_and_is_told_once(left):
    told = "DatasetError the crops of 20 photos in a row held no object of 20 pixels; lower min_area_px"
    assert (left / "failed0.txt").read_text() == told
    assert (left / "failed1.txt").read_text() == "SystemExit 2"


def always_fails():
    raise DatasetError(f"process {os.environ['LOCAL_RANK']} fails")


@pytest.mark.slow
def test_an_error_crosses_the_border_of_processes():
    with pytest.raises(DatasetError, match=r"process \d fails"):
        launch(always_fails, 2)


class Aborting:
    """What gloo's threads may do when Python is taken down under them."""

    def __del__(self):
        os.abort()


def crashes_or_ends():
    if os.environ["LOCAL_RANK"] == "1":
        os.abort()
    sys.kept = Aborting()


@pytest.mark.slow
def test_a_crash_says_where_and_ends_of_threads_are_not_one():
    with pytest.raises(TrainingError, match=r"^process 1 of 2 ended: .*SIGABRT .*test_scale.py.* in crashes_or_ends"):
        launch(crashes_or_ends, 2)


@pytest.mark.slow
def test_torchrun_starts_the_command(tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "fewclicks", "train", "toy", "crop_hw=32,32", "min_area_px=20", "steps=2",
               "--workers", "0", "--accelerator", "cpu"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("runs/toy/last holds the weights") == 1
    assert len(losses(tmp_path / "runs" / "toy")) == 2


# The parts


def test_micro_batches_of_all_processes_are_the_batch():
    recipe = replace(VIT, batch=8, accumulate=2, steps=2)
    shares = [list(loop.batches(recipe, 0, 0, rank, 2)) for rank in range(2)]
    assert [[part.samples for part in step] for step in shares[0]] == [[(0, 1), (4, 5)], [(8, 9), (12, 13)]]
    assert [[part.samples for part in step] for step in shares[1]] == [[(2, 3), (6, 7)], [(10, 11), (14, 15)]]


def test_a_machine_is_what_there_is():
    assert machine("auto", None, "auto", "cpu") == Distributed(1, 1, "ddp", "cpu")
    assert machine("3", None, "fsdp", "cpu").processes == 3
    for options, message in (
        ((0, None, "auto", "cpu"), "devices"),
        (("many", None, "auto", "cpu"), "devices"),
        ((2, 2, "auto", "cpu"), "torchrun --nnodes 2"),
        ((99, None, "auto", "cuda"), "GPUs"),
        ((1, None, "fsdp", "cpu"), "several"),
        ((1, None, "zero", "cpu"), "ddp, fsdp"),
        ((1, None, "auto", "tpu"), "cuda"),
    ):
        with pytest.raises(InputError, match=message):
            machine(*options)
    with pytest.raises(InputError, match="take batch=6"):
        Distributed(3).check(replace(VIT, batch=4))


def test_torchrun_says_how_many_processes_there_are(monkeypatch):
    for key, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "16", "LOCAL_WORLD_SIZE": "8"}.items():
        monkeypatch.setenv(key, value)
    found = machine("auto", None, "auto", "cpu")
    assert (found.devices, found.nodes, found.started) == (8, 2, True)
    with pytest.raises(InputError, match="8 processes on 2 nodes"):
        machine(4, None, "auto", "cpu")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert machine(4, None, "auto", "cpu") == Distributed(4)


def test_a_batch_too_small_for_batchnorm_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"micro-batch of 1 .* 32x32"):
        loop.run(replace(COMPACT, batch=1, crop_hw=(32, 32)), tmp_path / "run", workers=0, accelerator="cpu")
    assert not without_gradient(replace(COMPACT, batch=1, crop_hw=(32, 32), frozen_norms=True)), "one is enough for it"
    with pytest.raises(InputError, match="no auxiliary logits"):
        loop.run(replace(COMPACT, aux_weight=0.4), tmp_path / "run", workers=0, accelerator="cpu")


def test_weights_that_never_run_are_not_trained():
    idle = without_gradient(VIT)
    assert {"backbone.cls_token", "backbone.fc_norm.weight", "backbone.head.bias"} <= idle
    assert "backbone.blocks.0.attn.qkv.weight" not in idle
    assert not without_gradient(COMPACT)


def test_dropout_depends_on_the_sample_only():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Dropout2d(0.5), nn.Conv2d(8, 8, 1), nn.Dropout(0.5))
    first, second = layers.sample_dropout(net)
    x = torch.rand(3, 3, 4, 4)

    def out(part, *samples):
        first.seeds = second.seeds = [(0, 3, i) for i in samples]
        return net(part)

    whole = out(x, 5, 6, 7)
    torch.testing.assert_close(whole[1:2], out(x[1:2], 6))
    assert not torch.allclose(whole[1:2], out(x[1:2], 9))
    by_channel = first(torch.ones(3, 64, 4, 4))
    assert set(by_channel.unique().tolist()) == {0.0, 2.0}
    assert (by_channel.amax((2, 3)) == by_channel.amin((2, 3))).all()
    assert torch.equal(net.eval()(x), net(x))


def test_recomputed_blocks_move_batchnorm_once():
    torch.manual_seed(0)
    pair = [nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()) for _ in range(2)]
    pair[1].load_state_dict(pair[0].state_dict())
    layers.recompute(pair[1])
    x = torch.rand(2, 3, 4, 4)
    for net in pair:
        net(x).square().sum().backward()
    for a, b in zip(pair[0].state_dict().values(), pair[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(pair[0][0].weight.grad, pair[1][0].weight.grad)


def test_blocks_are_those_of_the_backbone():
    with torch.device("meta"):
        assert len(layers.blocks(build_segmenter("vit", "huge").backbone)) == 32
        assert len(layers.blocks(build_segmenter("compact").backbone)) == 7


def test_layers_learn_at_their_rates_and_norms_do_not_decay():
    recipe = replace(VIT, backbone_lr=0.5, layer_decay=0.5, weight_decay=0.02)
    net = build_segmenter("vit", "xtiny")
    groups = {name: g for g in adam(net, recipe).param_groups for name, p in net.named_parameters() for q in g["params"]
              if q is p}  # fmt: skip
    factors = {name: group["factor"] for name, group in groups.items()}
    assert factors["head.conv_seg.weight"] == factors["patch_embed_coords.proj.weight"] == 1
    assert factors["backbone.blocks.7.mlp.fc1.weight"] == 0.5**2
    assert factors["backbone.patch_embed.proj.weight"] == 0.5**10
    decays = {name: group["weight_decay"] for name, group in groups.items()}
    assert decays["backbone.blocks.0.mlp.fc1.weight"] == 0.02
    assert decays["backbone.blocks.0.norm1.weight"] == decays["backbone.pos_embed"] == decays["head.conv_seg.bias"] == 0
    with pytest.raises(InputError, match="layer_decay"):
        adam(build_segmenter("compact"), replace(COMPACT, layer_decay=0.5))


def test_milestones_drop_the_rate():
    recipe = replace(VIT, steps=100, milestones=(0.5, 0.9), lr_drop=0.1)
    assert [schedule(recipe, step) for step in (0, 49, 50, 89, 90)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


@pytest.mark.slow
def test_init_names_a_checkpoint_a_file_or_what_is_wrong(tmp_path):
    trained = loop.run(replace(COMPACT, steps=1), tmp_path / "run", workers=0, accelerator="cpu")
    fabric = machine("auto", None, "auto", "cpu").fabric("fp32")
    weights = Trainer(replace(COMPACT, init=str(trained)), fabric).net.state_dict()
    stored = checkpoint.read_tensors(trained)
    assert all(torch.equal(weights[key], stored[key]) for key in stored)
    with pytest.raises(FewClicksError, match=r"nowhere\.pth"):
        Trainer(replace(VIT, init=str(Path("nowhere.pth"))), fabric)
    with pytest.raises(InputError, match="vit"):
        Trainer(replace(VIT, init="imagenet"), fabric)


def test_clicks_keep_their_pixels_in_bfloat16(tmp_path):
    fabric = machine("auto", None, "auto", "cpu").fabric("bf16")
    trainer = Trainer(replace(VIT, precision="bf16"), fabric)
    seen = []
    trainer.net.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    clicks = torch.tensor([[[301.0, 5.0, 1.0]]])
    logits, _ = trainer.module.eval()(torch.zeros(1, 3, 32, 32), clicks, torch.zeros(1, 1, 32, 32))
    assert float(seen[0][0, 0, 0]) == 301
    assert logits.dtype == torch.float32
    assert np.isfinite(logits.detach().numpy()).all()
