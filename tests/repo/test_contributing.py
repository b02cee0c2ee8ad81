"""What CONTRIBUTING.md tells newcomers to write down works as it stands, by its being there."""

import importlib
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import fewclicks
from fakes import gradient
from fewclicks import formats, plugins
from fewclicks.datasets import open_benchmark
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
EXAMPLES = re.findall(r"### A \w+: `src/fewclicks/(\w+)/(\w+)\.py`\n.*?```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def written_down(tmp_path, monkeypatch):
    """Each example as a file of its folder, as far as the package can tell."""
    for kind, name, code in EXAMPLES:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.py").write_text(code, "utf-8")
        package = importlib.import_module(f"fewclicks.{kind}")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / kind)])
    plugins._extensions.cache_clear()
    yield
    plugins._extensions.cache_clear()


def test_there_is_an_example_of_each():
    assert [(kind, name) for kind, name, _ in EXAMPLES] == [
        ("methods", "disc"),
        ("formats", "boxes_csv"),
        ("datasets", "ponds"),
    ]
    for kind, name, _ in EXAMPLES:
        assert name in plugins.names(kind)
    assert len(re.findall("^### An? ", PAGE, re.MULTILINE)) == 6


def test_the_method_segments_and_is_saved_with_its_options():
    session = fewclicks.open(gradient(60, 80), "disc", radius_px=5)
    assert 70 < session.click(30, 40).sum() < 90
    assert '"disc"' in session.to_json()
    with pytest.raises(fewclicks.InputError, match="radius"):
        fewclicks.load("disc", radius=5)


def test_the_format_writes_boxes(tmp_path):
    mask = np.zeros((40, 50), bool)
    mask[10:20, 5:25] = True
    objects = (Annotation(mask=mask, label="cup"), Annotation(mask=mask & False, label="cup"))
    photo = AnnotatedPhoto("a.png", (40, 50), objects)
    done = formats.export("boxes_csv", [photo], [Label("cup", (1, 2, 3))], tmp_path / "out")
    assert (tmp_path / "out" / "boxes.csv").read_text().splitlines()[1:] == ["a.png,cup,5,10,25,20"]
    assert "1 object without pixels: left out" in done.notes
    assert "Boxes (CSV)" in [item.title for item in formats.formats()]


def test_the_dataset_opens_and_its_error_prints_the_tree(tmp_path):
    with pytest.raises(fewclicks.DatasetError, match="masks/STEM"):
        open_benchmark("ponds", tmp_path)
    for folder, value in (("images", 90), ("masks", 255)):
        place = tmp_path / "Ponds" / folder
        place.mkdir(parents=True)
        PIL.Image.fromarray(np.full((8, 9, 3) if folder == "images" else (8, 9), value, np.uint8)).save(place / "a.png")
    (sample,) = list(open_benchmark("ponds", tmp_path))
    assert (sample.truth == 1).all()
