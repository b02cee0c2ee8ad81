"""Samples, recipes and the loop: deterministic, resumable, and loud when something is wrong."""

import dataclasses
import itertools
import json
import os
import signal
import threading
import time

import numpy as np
import PIL.Image
import pytest
import torch

from fakes import shared
from fewclicks.checkpoints import checkpoint
from fewclicks.datasets import held_out
from fewclicks.errors import CheckpointError, DatasetError, InputError, TrainingError
from fewclicks.plugins import find
from fewclicks.training import clicks as clicks_module
from fewclicks.training import loop, objectives, sets, trainer
from fewclicks.training.augmentation import crop_matrix, recolour, warp
from fewclicks.training.optimizer import schedule
from fewclicks.training.photo_cache import Decoded
from fewclicks.training.recipe import Recipe
from fewclicks.training.samples import Samples, collate

SMALL = Recipe(
    name="small", crop_hw=(32, 32), min_area_px=20, batch=2, steps=10, lr=1e-3, max_clicks=3, resize=(0.9, 1.4),
    holdout=0, place_prob=0.5, ema=0.9,
)  # fmt: skip


def toy_samples(recipe: Recipe = SMALL) -> Samples:
    return Samples(recipe, [sets.Toy()])


def test_a_sample_depends_on_its_index_and_seed_only():
    first, again = toy_samples(), toy_samples()
    for _ in range(3):
        again[7]  # what was drawn before must not matter
    assert all(np.array_equal(a, b) for a, b in zip(first[3][:3], again[3][:3], strict=True))
    other = toy_samples(dataclasses.replace(SMALL, seed=1))
    assert not np.array_equal(first[3][0], other[3][0])


def test_batches_are_the_same_for_any_number_of_workers():
    recipe = dataclasses.replace(SMALL, steps=3)
    alone, shared = (list(loop.batches(recipe, 0, workers)) for workers in (0, 2))
    assert len(alone) == len(shared) == 3
    for (a,), (b,) in zip(alone, shared, strict=True):
        assert a.samples == b.samples
        assert a.names == b.names
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.truth, b.truth)
        assert torch.equal(a.clicks, b.clicks)


def test_photos_decoded_once_give_the_same_samples(tmp_path):
    toy = sets.Toy(count=12)
    kept = Decoded.of(toy, tmp_path)
    plain, first, again = (Samples(SMALL, [one]) for one in (toy, kept, Decoded.of(toy, tmp_path)))
    for i in range(6):
        for a, b, c in zip(plain[i][:3], first[i][:3], again[i][:3], strict=True):
            assert np.array_equal(a, b)
            assert np.array_equal(a, c)
    assert len(list(tmp_path.rglob("*.image.npy"))) > 1
    assert isinstance(kept[int(min(tmp_path.rglob("*.json")).stem)].image, np.memmap)
    damaged = min(tmp_path.rglob("*.image.npy"))
    damaged.write_bytes(b"")
    index = int(damaged.name.partition(".")[0])
    assert np.array_equal(kept[index].image, toy[index].image), "what is damaged is decoded anew"
    assert Decoded.of(sets.Toy(count=13), tmp_path).folder != kept.folder


def test_samples_are_what_the_network_expects():
    batch = collate([toy_samples()[i] for i in range(4)]).to(torch.device("cpu"))
    assert batch.image.shape == (4, 3, 32, 32)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert set(batch.truth.unique().tolist()) <= {-1, 0, 1}
    for points, truth in zip(batch.clicks, batch.truth, strict=True):
        assert (points[:, 2] == 1).any()
        for x, y, label in points.int().tolist():
            if label == 1:
                assert truth[y, x] == 1
            if label == 0:
                assert truth[y, x] == 0


def test_held_out_photos_are_never_drawn():
    recipe = dataclasses.replace(SMALL, holdout=3)
    toy = sets.Toy()
    kept = set(Samples(recipe, [toy]).kept[0])
    assert kept == {i for i in range(len(toy)) if not held_out(toy, i, 3)}
    assert 0.5 < len(kept) / len(toy) < 0.8


def test_warp_moves_photo_and_objects_together():
    scene = sets.Toy()[0]
    bright = dataclasses.replace(scene, image=np.where(scene.ids[..., None] > 0, 255, 0).astype(np.uint8).repeat(3, 2))
    rng = np.random.default_rng(0)
    for _ in range(5):
        matrix = crop_matrix(scene.ids == 3, SMALL, rng)
        cut = warp(bright, matrix, (64, 64))
        inside = (cut.ids > 0) & (cut.ids < 255)
        if inside.any():
            assert cut.image[inside].mean() > 200
        assert (cut.image[cut.ids == 255] < 255).all() or not (cut.ids == 255).any()


def test_recolour_changes_colours_only():
    image = sets.Toy()[0].image
    changed = recolour(image, SMALL, np.random.default_rng(1))
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)


def test_next_click_is_deep_in_the_larger_error():
    truth = np.zeros((40, 60), np.int8)
    truth[5:35, 10:40] = 1
    prob = np.zeros((40, 60), np.float32)
    ((x, y, label),) = clicks_module.next_click(truth, prob, np.random.default_rng(0))
    assert label == 1
    assert 15 <= x <= 34
    assert 10 <= y <= 29
    prob[:, 10:60] = 1  # now the spill on the right is the larger error
    ((x, y, label),) = clicks_module.next_click(truth, prob, np.random.default_rng(0))
    assert label == 0
    assert x > 40
    assert clicks_module.next_click(truth, (truth == 1).astype(np.float32), np.random.default_rng(0))[0, 2] == -1


def test_random_clicks_have_the_published_mean_counts():
    truth = np.zeros((64, 64), np.int8)
    truth[16:48, 16:48] = 1
    rng = np.random.default_rng(0)
    drawn = [clicks_module.random_clicks(truth, truth == 2, 24, 0.8, rng) for _ in range(1500)]
    positives = np.mean([(points[:, 2] == 1).sum() for points in drawn])
    negatives = np.mean([(points[:, 2] == 0).sum() for points in drawn])
    assert positives == pytest.approx(4.886, abs=0.35)  # golden `prob_gamma`
    assert negatives == pytest.approx(3.905, abs=0.35)


def test_recipe_json_round_trips_and_refuses_unknown_fields():
    assert Recipe.from_json(SMALL.to_json()) == SMALL
    with pytest.raises(InputError, match="learning_rate"):
        Recipe.from_json('{"name": "x", "learning_rate": 1}')
    with pytest.raises(InputError, match="set_weights"):
        Recipe(name="x", sets=("a", "b"))


@pytest.mark.slow
def test_ten_steps_equal_five_and_a_resume(tmp_path):
    whole = loop.run(SMALL, tmp_path / "whole", workers=0)
    loop.run(SMALL, tmp_path / "parts", workers=0, stop_at=5)
    parts = loop.run(None, tmp_path / "parts", resume=True, workers=0)
    for file in (checkpoint.WEIGHTS, trainer.STATE):
        a, b = checkpoint.read_tensors(whole, file), checkpoint.read_tensors(parts, file)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[k], b[k]) for k in a)
    lines = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("whole", "parts")]
    losses = [[json.loads(line)["loss"] for line in run] for run in lines]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 10


@pytest.mark.slow
def test_the_deployed_weights_are_the_running_mean(tmp_path):
    folder = loop.run(SMALL, tmp_path / "run", workers=0)
    mean, state = checkpoint.read_tensors(folder), checkpoint.read_tensors(folder, trainer.STATE)
    assert any(not torch.equal(mean[k], state[f"net.{k}"]) for k in mean)
    net = checkpoint.load(folder)
    assert all(torch.equal(v, mean[k]) for k, v in net.state_dict().items())


def test_a_polite_kill_saves_and_leaves_nothing_half_written(tmp_path):
    long = dataclasses.replace(SMALL, steps=100_000)

    def interrupt() -> None:
        while not (tmp_path / "run" / "metrics.jsonl").exists() or not (tmp_path / "run/metrics.jsonl").stat().st_size:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    folder = loop.run(long, tmp_path / "run", workers=0)
    thread.join()
    step = checkpoint.read_config(folder)["step"]
    assert 0 < step < 1000
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == step
    assert list((tmp_path / "run" / "pictures").glob("*.png"))
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_loss_that_is_no_number_stops_and_names_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(objectives, "nfl", lambda logits, truth, **_: logits.sum((1, 2, 3)) * float("nan"))
    with pytest.raises(TrainingError, match=r"nan at step 0.*sample 0, toy"):
        loop.run(SMALL, tmp_path / "run", workers=0)


def test_a_run_is_not_overwritten_and_a_foreign_one_not_resumed(tmp_path):
    one = dataclasses.replace(SMALL, steps=1)
    with pytest.raises(TrainingError, match="nothing to resume"):
        loop.run(one, tmp_path / "run", resume=True, workers=0)
    loop.run(one, tmp_path / "run", workers=0)
    with pytest.raises(TrainingError, match="--resume"):
        loop.run(one, tmp_path / "run", workers=0)
    with pytest.raises(InputError, match=r"radius_px is 5\.0, not 3\.0; .* --fork"):
        loop.run(dataclasses.replace(one, radius_px=3.0), tmp_path / "run", resume=True, workers=0)
    with pytest.raises(DatasetError, match="no training set 'nowhere'"):
        loop.run(dataclasses.replace(one, sets=("nowhere",)), tmp_path / "other", workers=0)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    folder = loop.run(dataclasses.replace(SMALL, steps=1), tmp_path / "run", workers=0)
    weights = folder / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="sha256"):
        checkpoint.load(folder)
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        checkpoint.load(tmp_path)


@pytest.mark.slow
def test_frozen_norms_keep_their_statistics_and_the_rest_learns(tmp_path):
    for frozen in (True, False):
        recipe = dataclasses.replace(SMALL, steps=1, ema=0.0, frozen_norms=frozen)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            begun = trainer.initialised(recipe).state_dict()
        learnt = checkpoint.read_tensors(loop.run(recipe, tmp_path / str(frozen), workers=0, accelerator="cpu"))
        same = {key for key in begun if torch.equal(begun[key], learnt[key])}
        running = {key for key in begun if key.rpartition(".")[2].startswith(("running_", "num_batches"))}
        assert running
        assert same & running == (running if frozen else set())
        norms = {key.removesuffix("running_mean") for key in running if key.endswith("running_mean")}
        assert not same & {norm + part for norm in norms for part in ("weight", "bias")}


def test_schedule_warms_up_holds_and_decays():
    recipe = dataclasses.replace(SMALL, steps=100, warmup=10, decay_from=0.5)
    factors = [schedule(recipe, step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[-1] < 0.02
    assert all(a >= b for a, b in itertools.pairwise(factors[50:]))


def test_real_training_photos_give_samples():
    shared("train")
    recipe = find("recipes", "compact").compact()
    samples = Samples(recipe, [sets.scenes(name) for name in recipe.sets])
    drawn = [samples[i] for i in range(6)]
    assert {item[3].split(", ")[0] for item in drawn} == {f"sample {i}" for i in range(6)}
    assert all((item[1] == 1).sum() > 0 for item in drawn)


def test_a_foreign_mask_is_wrong_in_places_and_comes_with_a_click_on_its_error():
    samples = toy_samples(dataclasses.replace(SMALL, foreign_prob=1.0, crop_hw=(64, 64)))
    shares = []
    for i in range(40):
        _, truth, clicks, _, prev = samples[i]
        assert prev.shape == truth.shape
        assert prev.dtype == np.float32
        assert 0 <= prev.min() <= prev.max() <= 1
        wrong = (truth == 1) != (prev > 0.49)
        shares.append((wrong & (truth >= 0)).sum() / (truth == 1).sum())
        (x, y, label), *none = clicks
        assert not none
        if label >= 0:
            assert truth[int(y), int(x)] == label
            assert wrong[int(y), int(x)]
    assert 0.05 < np.median(shares) < 0.6, "mostly right, and never all right by design"
    assert all(np.array_equal(a, b) for a, b in zip(samples[3][:3], samples[3][:3], strict=True))


def test_a_batch_begins_with_its_foreign_masks():
    recipe = dataclasses.replace(SMALL, foreign_prob=0.5)
    batch = collate([toy_samples(recipe)[i] for i in range(8)])
    filled = (batch.prev.flatten(1) > 0).any(1)
    assert filled.any()
    assert not filled.all()
    seen = []

    def net(image, clicks, prev):
        seen.append(prev)
        return torch.zeros_like(prev, requires_grad=True), (None, None, None)

    rngs = [np.random.default_rng(i) for i in range(8)]
    list(objectives.build(recipe).terms(net, batch, (1.0, 1.0), rngs))
    assert torch.equal(seen[0], batch.prev)
    assert (seen[1] == 0.5).all(), "then what the network said"
    assert collate([toy_samples()[0]]).prev is None


@pytest.mark.slow
def test_checkpoints_of_one_network_average(tmp_path):
    for k in (1, 2, 3):
        loop.run(dataclasses.replace(SMALL, steps=k), tmp_path / str(k), workers=0, accelerator="cpu")
    folders = [tmp_path / str(k) / "last" for k in (1, 3)]
    checkpoint.average(folders, tmp_path / "mean")
    one, three, mean = (checkpoint.read_tensors(folder) for folder in (*folders, tmp_path / "mean"))
    assert one.keys() == mean.keys()
    assert any(not torch.equal(one[key], three[key]) for key in one)
    for key, value in mean.items():
        assert value.dtype == one[key].dtype
        if value.is_floating_point():
            assert torch.allclose(value, (one[key] + three[key]) / 2)
    assert checkpoint.read_config(tmp_path / "mean")["step"] == 3
    checkpoint.load(tmp_path / "mean")
    (other := tmp_path / "other").mkdir()
    (other / "config.json").write_text(json.dumps({"network": {"backbone": "vit"}}))
    with pytest.raises(CheckpointError, match="different networks"):
        checkpoint.average([folders[0], other], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_photo_that_cannot_be_read_is_left_out_and_named(tmp_path, caplog):
    for name in "abc":
        scene = sets.Toy()[ord(name)]
        for folder, picture in (("images", scene.image), ("masks", scene.ids)):
            (tmp_path / folder).mkdir(exist_ok=True)
            PIL.Image.fromarray(picture).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    recipe = dataclasses.replace(SMALL, sets=(str(tmp_path),))
    samples = Samples(recipe, [sets.scenes(name) for name in recipe.sets])
    for index in range(12):
        samples[index]
    (message,) = {record.getMessage() for record in caplog.records}
    assert "left out" in message
    assert "b.png" in message
    for name in "ac":
        (tmp_path / "images" / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="no photo of the 3 to train on can be used"):
        Samples(recipe, [sets.scenes(name) for name in recipe.sets])[0]
