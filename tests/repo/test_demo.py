"""`make demo`, the part after the installation."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from fewclicks.images.reading import read_image

ROOT = Path(__file__).parents[2]
ENTRIES = json.loads((ROOT / "examples" / "clicks.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the demo prints, and the folder it wrote to. Warnings are errors."""
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-W", "error", "examples/demo.py", "--out", str(out / "pictures")]
    done = subprocess.run([*command, "--sheet", str(out / "sheet.png")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, out


def test_it_shows_a_table_and_says_how_to_go_on(demo):
    text, out = demo
    for entry in ENTRIES:
        assert Path(entry["photo"]).name in text
    assert "ms per click" in text
    assert "fewclicks segment PHOTO --click X,Y --cutout -o out.png" in text
    assert str(out / "pictures") in text


def test_it_writes_a_picture_of_three_panels_for_each_photo(demo):
    _, out = demo
    assert len(ENTRIES) >= 4
    for entry in ENTRIES:
        height, width = read_image(ROOT / "examples" / entry["photo"]).shape[:2]
        with PIL.Image.open(out / "pictures" / f"{Path(entry['photo']).stem}.png") as picture:
            assert picture.size == (3 * width + 2 * 8, height)
            assert np.asarray(picture).std() > 10


def test_it_writes_a_sheet_of_all(demo):
    _, out = demo
    with PIL.Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 3 * sheet.height


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["object"])
def test_the_stored_clicks_lie_in_their_photo(entry):
    height, width = read_image(ROOT / "examples" / entry["photo"]).shape[:2]
    assert entry["clicks"][0]["positive"]
    assert all(0 <= click["x"] < width and 0 <= click["y"] < height for click in entry["clicks"])


def test_every_photo_has_a_source_and_a_licence():
    sources = (ROOT / "examples" / "SOURCES.md").read_text("utf-8")
    rows = {line.split("](images/")[1].split(")")[0]: line for line in sources.splitlines() if "](images/" in line}
    assert set(rows) == {file.name for file in (ROOT / "examples" / "images").iterdir()}
    assert all(row.rstrip(" |").endswith(("public domain", "CC0 by the photographer")) for row in rows.values())
