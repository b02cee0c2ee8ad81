"""The tutorials of docs/tutorials as they stand: their blocks are read from the pages and run, on a toy set.

A Python block that begins with a file's name is saved as that file, another is run; each line of a shell block is a
command of fewclicks. Only the size is another: few steps on small crops, few clicks (`TOY`).
"""

import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from commands import runner

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOY = {
    "train": ["--workers", "0", "--log", "none", "--accelerator", "cpu"],
    "bench": ["--max-clicks", "3", "--limit", "2", "--threads", "1"],
    "table4": ["--limit", "1", "--processes", "1"],
}
"""What is added to a command."""
SMALL = ["steps=2", "batch=2", "crop_hw=64,64", "min_area_px=20", "zoom=64"]
"""What is added to a training that begins."""


def blocks(page):
    """The code of a tutorial: (language, text) of each block, in order."""
    return BLOCK.findall((TUTORIALS / page).read_text("utf-8"))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder that a reader of the tutorials is in: my_photos/ of twelve drawn photos, and examples/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    monkeypatch.delenv("FEWCLICKS_ALLOW_FROM", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        monkeypatch.delitem(sys.modules, name)
    shutil.copytree(ROOT / "examples" / "images", "examples/images")
    rng = np.random.default_rng(5)
    for kind in ("images", "masks"):
        Path("my_photos", kind).mkdir(parents=True)
    for i in range(12):
        ids = np.zeros((70, 90), np.uint8)
        cv2.circle(ids, (25 + i, 30), 12 + i % 4, 1, -1)
        cv2.rectangle(ids, (58, 20 + i), (80, 50 + i), 2, -1)
        shades = rng.integers(30, 226, (3, 3))[ids] + rng.integers(-9, 10, (70, 90, 3))
        PIL.Image.fromarray(shades.astype(np.uint8)).save(f"my_photos/images/photo{i}.png")
        PIL.Image.fromarray(ids).save(f"my_photos/masks/photo{i}.png")
    return tmp_path


def follow(page, capsys, monkeypatch):
    """Do what a tutorial says; return what each command printed, by its line."""
    fewclicks, said, names = runner(capsys), {}, {"__name__": "tutorial"}
    for language, text in blocks(page):
        file = re.match(r"# (\S+\.py)\n", text)
        if language == "python" and file:
            Path(file[1]).parent.mkdir(parents=True, exist_ok=True)
            Path(file[1]).write_text(text)
        elif language == "python":
            exec(compile(text, page, "exec"), names)
        else:
            assert language == "sh", f"a block of {page} is {language}, which nothing here runs"
            for line in text.splitlines():
                program, *words = shlex.split(line)
                assert program == "fewclicks", f"{page} runs {program}"
                command = next(word for word in words if word in TOY or word == words[0])
                begins = command == "train" and "--resume" not in words
                code, out, err = fewclicks(*words, *(SMALL if begins else []), *TOY.get(command, []))
                assert code == 0, f"{line}: {err}"
                said[line] = out
    return said


@pytest.mark.slow
def test_add_a_method(desk, capsys, monkeypatch):
    follow("method.md", capsys, monkeypatch)
    with PIL.Image.open("cup.png") as mask:
        assert np.asarray(mask).any()
    report = json.loads(Path("mine.json").read_text())
    assert report["settings"]["method"] == "my_lab.my_method"
    assert report["datasets"]["my_photos"]["objects"] == 2


@pytest.mark.slow
def test_compare_two_models(desk, capsys, monkeypatch):
    (out,) = (text for line, text in follow("compare.md", capsys, monkeypatch).items() if " compare " in line)
    assert "### grow against default" in out
    files = {file.name for file in Path("comparison").iterdir()}
    assert {"comparison.md", "comparison.tex", "curves.png", "scatter_grow.png"} <= files
    assert any(name.startswith("my_photos_grow_01_") for name in files), "a picture of where they differ most"


@pytest.mark.slow
def test_add_a_loss_a_robot_a_metric(desk, capsys, monkeypatch):
    said = follow("loss.md", capsys, monkeypatch)
    assert "2 steps are done, the weights lie in runs/dice" in "\n".join(said.values())
    steps = [json.loads(line) for line in Path("runs/dice/metrics.jsonl").read_text().splitlines()]
    assert all(0 < step["loss_y1"] <= 1 for step in steps)
    report = json.loads(Path("mine.json").read_text())
    assert report["settings"]["robot"] == "my_lab.my_parts:hasty"
    assert "my_lab.my_parts:dice" in report["datasets"]["my_photos"]["metrics_at_click"]
    assert "my_lab.my_parts:dice_1" in Path("mine.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_train_on_photos_of_ones_own_in_four_commands(desk, capsys, monkeypatch):
    commands = [line for language, text in blocks("train.md") if language == "sh" for line in text.splitlines()]
    assert len(commands) == 4
    said = follow("train.md", capsys, monkeypatch)
    assert "### mine against default" in said[commands[-1]]
    default, mine = (json.loads(Path(name).read_text()) for name in ("default.json", "mine.json"))
    assert default["settings"]["held_out"] == mine["settings"]["held_out"] == 5
    measured = set(default["datasets"]["my_photos"]["per_object"]["group"])
    assert 0 < len(measured) < 12, "only what was kept out"
    recipe = json.loads(Path("runs/mine/recipe.json").read_text())
    assert recipe["holdout"] == 5
    assert recipe["sets"] == ["my_photos"]


@pytest.mark.slow
def test_reproduce_a_row(desk, capsys, monkeypatch):
    import torch

    from fewclicks.models.key_maps import RENAMES, published
    from fewclicks.models.segmenter import build_segmenter
    from fewclicks.recipes.ritm import hrnet18s_cocolvis
    from fewclicks.training.trainer import network

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_segmenter(**network(hrnet18s_cocolvis()))
    state = {published(key, RENAMES["ritm"]): value for key, value in net.state_dict().items()}
    Path("weights").mkdir()
    torch.save({"state_dict": state}, "weights/coco_lvis_h18s_itermask.pth")
    os.link("weights/coco_lvis_h18s_itermask.pth", "coco_lvis_h18s_itermask.pth")
    root = Path("data/benchmarks/GrabCut")
    for kind, source in (("data_GT", "images"), ("boundary_GT", "masks")):
        (root / kind).mkdir(parents=True)
        with PIL.Image.open(f"my_photos/{source}/photo1.png") as picture:
            values = np.asarray(picture)
        values = values if kind == "data_GT" else (values == 1).astype(np.uint8) * 255
        PIL.Image.fromarray(values).save(root / kind / f"a.{'png' if kind == 'data_GT' else 'bmp'}")
    monkeypatch.setenv("FEWCLICKS_DATA", str(desk / "data"))
    follow("reproduce.md", capsys, monkeypatch)
    report = json.loads(Path("ritm_h18s.json").read_text())
    assert report["settings"]["preset"] == "released"
    assert report["datasets"]["GrabCut"]["objects"] == 1
    assert "RITM" in Path("table4/table4.md").read_text()


def test_every_tutorial_that_runs_something_is_run_here():
    told = Path(__file__).read_text("utf-8")
    for page in TUTORIALS.glob("*.md"):
        if page.name in ("annotator.md", "engineer.md", "researcher.md"):
            continue
        assert f'"{page.name}"' in told, f"no test runs {page.name}"


def test_every_page_is_in_the_navigation():
    """`make docs` is strict, and refuses a page that is not."""
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]))
    assert named == {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
