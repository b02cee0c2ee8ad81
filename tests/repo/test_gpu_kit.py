"""The kit for a machine with a GPU and no network: packed here, carried in parts, run as it will be run there."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from fewclicks.datasets import folder, held_out
from fewclicks.errors import InputError
from fewclicks.training.sets import Toy
from scripts import ROOT, script

LIMIT = 960_000
CHANGES = ("sets=shapes", "set_weights=1", "whole_sets=", "crop_hw=64,64", "min_area_px=50", "batch=4")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A kit of drawn photos, packed into small parts, as the script packs the real ones."""
    base = tmp_path_factory.mktemp("kit")
    images, masks = (base / "data" / "train" / "shapes" / name for name in ("images", "masks"))
    images.mkdir(parents=True)
    masks.mkdir()
    for i in range(120):
        scene = Toy(side=200)[i]
        Image.fromarray(scene.image).save(images / f"{scene.name}.webp", lossless=True)
        Image.fromarray(scene.ids).save(masks / f"{scene.name}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWCLICKS_DATA", str(base / "data"))
        arguments = {"limit": LIMIT, "long_side": 160, "wheel": wheel(base), "changes": CHANGES}
        about = script("gpu_kit").pack(base / "out", "compact:gpu", "", **arguments)
    return base, about


def wheel(base):
    """The package as `pip wheel` packs it, without the shipped weights, so that parts can be small."""
    path = base / "fewclicks-0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted((ROOT / "src").rglob("*")):
            if file.is_file() and file.suffix in (".py", ".txt", ".md", ".yaml", ".json"):
                out.write(file, file.relative_to(ROOT / "src"))
    return path


def run(kit_folder, *arguments, check=True):
    done = subprocess.run(
        [sys.executable, str(kit_folder / "run.py"), *map(str, arguments)], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def carried(kit_folder, target, *parts):
    """What a transfer brings: the script, the manifest and some parts, in place of what came before."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("run.py", "manifest.json", *parts):
        shutil.copy(kit_folder / name, target / name)
    return target


@pytest.mark.slow
def test_no_part_is_too_large_and_each_has_its_hash(kit):
    base, about = kit
    assert len(about) > 2
    files = sorted((base / "out").glob("part-*.tar"))
    assert [file.name for file in files] == [part["name"] for part in about]
    assert all(file.stat().st_size <= LIMIT for file in files)
    manifest = json.loads((base / "out" / "manifest.json").read_text())
    assert manifest["parts"] == about
    with pytest.raises(InputError, match="--part-mib"):
        script("gpu_kit").Parts(base, 20_000).add([script("gpu_kit").Packed("x", bytes(30_000))])


@pytest.mark.slow
def test_parts_that_come_one_by_one_are_checked_and_make_the_whole(kit, tmp_path):
    base, about = kit
    store, names = tmp_path / "store", [part["name"] for part in about]
    here = carried(base / "out", tmp_path / "here", names[1])
    assert f"still to come: {names[0]}" in run(here, "collect", store).stdout
    assert run(here, "train", store, "--minutes", 1, "--out", tmp_path / "out", check=False).returncode == 2

    here = carried(base / "out", here, names[0])
    content = bytearray((here / names[0]).read_bytes())
    content[2000] ^= 1
    (here / names[0]).write_bytes(content)
    done = run(here, "collect", store)
    assert f"{names[0]} is damaged" in done.stderr
    assert names[0] in done.stdout

    for name in (names[0], *names[2:]):
        last = run(carried(base / "out", here, name), "collect", store).stdout
    assert "all parts are here" in last
    there = folder.scenes(store / "data" / "train" / "shapes")
    kept = folder.scenes(base / "data" / "train" / "shapes")
    wanted = {kept.photo(i) for i in range(len(kept)) if not held_out(kept, i, 20)}
    assert {there.photo(i) for i in range(len(there))} == wanted
    for i in range(len(there)):
        assert there[i].image.shape == (160, 160, 3)
        original = kept[[kept.photo(k) for k in range(len(kept))].index(there.photo(i))]
        assert set(np.unique(there[i].ids)) <= set(np.unique(original.ids))
        assert np.abs(there[i].image.mean((0, 1)) - original.image.mean((0, 1))).max() < 4


@pytest.mark.slow
def test_what_the_kit_lacks_is_told_in_a_line(kit, tmp_path):
    base, about = kit
    here = carried(base / "out", tmp_path / "here", about[-1]["name"])
    (here / "manifest.json").unlink()
    assert "carry it with each part" in run(here, "collect", tmp_path / "store", check=False).stderr
    here = carried(base / "out", here, about[-1]["name"])
    run(here, "collect", tmp_path / "store")
    done = run(here, "train", tmp_path / "store", "--minutes", 1, "--out", tmp_path / "out", check=False)
    assert done.returncode == 2
    assert "--partial" in done.stderr
    partial = ["train", tmp_path / "store", "--minutes", 1, "--out", tmp_path / "out", "--partial"]
    assert "the first part" in run(here, *partial, check=False).stderr


@pytest.mark.slow
def test_the_kit_trains_and_leaves_weights_figures_and_a_log(kit, tmp_path):
    base, about = kit
    store, out = tmp_path / "store", tmp_path / "out"
    run(carried(base / "out", tmp_path / "here", *[part["name"] for part in about]), "collect", store)
    command = ["train", store, "--minutes", 0.1, "--out", out, "--workers", 1, "--evaluate", 2, "--smoke-steps", 4]
    done = run(tmp_path / "here", *command)
    assert "smoke test: " in done.stdout
    summary = json.loads((out / "summary.json").read_text())
    assert summary["smoke"]["samples_per_second"] > 0
    assert summary["steps"] > 0
    names = {file.name for file in out.iterdir()}
    pieces = {"model.safetensors.0", "model.safetensors.1"}
    assert {"model.onnx", *pieces, "config.json", "metrics.jsonl", "log.txt"} <= names
    whole = b"".join((out / name).read_bytes() for name in sorted(pieces))
    assert whole == (store / "runs" / "run" / "last" / "model.safetensors").read_bytes()
    assert len(names) <= 8
    assert all(file.stat().st_size <= 15_000_000 for file in out.iterdir())
    assert "$ fewclicks train compact:gpu" in (out / "log.txt").read_text()
    again = run(tmp_path / "here", *command)  # nothing is left to do, so it only measures once more
    assert json.loads((out / "summary.json").read_text())["steps"] == summary["steps"], again.stdout
