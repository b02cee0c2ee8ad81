"""Odd files and clicks in the annotator and at the command line."""

import io
import json
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from annotating import Api, client_of, make_folder
from commands import runner
from fakes import gradient
from fewclicks.annotator.services.decoder import Decoder
from fewclicks.annotator.services.photos import in_counting_order


def test_names_are_sorted_as_people_count():
    names = [
        "b.png",
        "10.png",
        "2.png",
        "A.png",
        "a2.png",
        "a10.png",
        "a.png",
        "img2.png",
        "img.png",
        "x/1.png",
        "02.png",
    ]
    want = [
        "02.png",
        "2.png",
        "10.png",
        "A.png",
        "a.png",
        "a2.png",
        "a10.png",
        "b.png",
        "img.png",
        "img2.png",
        "x/1.png",
    ]
    assert sorted(names, key=in_counting_order) == want


def damaged_png():
    file = io.BytesIO()
    PIL.Image.fromarray(gradient(40, 60)).save(file, "PNG")
    content, bad = file.getvalue(), b"eXIfgarbage!"
    return content[:33] + struct.pack(">I", 8) + bad + struct.pack(">I", zlib.crc32(bad)) + content[33:]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = make_folder(tmp_path_factory.mktemp("odd") / "photos", ("b.png", "10.png", "2.png"))
    (root / "1.png").write_bytes(damaged_png())
    with client_of(root) as client:
        yield client


def test_the_annotator_tells_what_was_ignored_of_a_photo(served):
    api = Api(served)
    items = api("GET", "/photos")["items"]
    assert [item["name"] for item in items] == ["1.png", "2.png", "10.png", "b.png"]
    opened = api("GET", f"/photos/{items[0]['id']}")["photo"]
    assert opened["problem"] is None
    assert len(opened["notes"]) == 1
    assert "EXIF" in opened["notes"][0]
    assert api("GET", f"/photos/{items[1]['id']}")["photo"]["notes"] == []
    assert api("GET", "/photos")["items"][0]["notes"] == opened["notes"]
    assert api("GET", f"/photos/{items[0]['id']}/thumb").content[:2] == b"\xff\xd8"


def test_clicks_over_the_api(served):
    api = Api(served)
    photo = api("GET", "/photos")["items"][1]["id"]
    one = api.new(photo)["id"]
    assert api.click(one, 60, 40, positive=False)["object"]["area_px"] == 0
    once = api.click(one, 60, 40)["object"]
    assert [(click["x"], click["positive"]) for click in once["clicks"]] == [(60, True)]
    twice = api.click(one, 60, 40)
    assert (twice["object"]["version"], twice["patch"], twice["passes"]) == (once["version"], None, [])
    back = api.step(one, "undo")["object"]
    assert (back["area_px"], [click["positive"] for click in back["clicks"]]) == (0, [False])


def test_what_people_read_begins_with_a_capital(served):
    api = Api(served)
    for method, path, status in (
        ("GET", "/photos/999", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/photos?limit=x", 422),
    ):
        assert api(method, path, status=status)["detail"][0].isupper()
    one = api.new(1)["id"]
    assert api.click(one, 1, 1)
    assert api.act(one, "click", status=400, x=999, y=1)["detail"][0].isupper()


def test_levels_reach_the_pictures(tmp_path):
    values = gradient(40, 60)[..., 0].astype(np.uint16) * 8
    PIL.Image.fromarray(values).save(tmp_path / "a.png")
    decoder = Decoder(levels=(0, 4095))
    try:
        image = decoder.image(tmp_path / "a.png")
        small = decoder.thumbnail(tmp_path / "a.png", 32)
    finally:
        decoder.close()
    assert np.abs(image[..., 0] - values * (255 / 4095)).max() <= 1
    assert small.max() <= image.max()


def test_mask_is_over_import(tmp_path, capsys):
    folder = make_folder(tmp_path / "photos", ("a.png",))
    (folder / "masks").mkdir()
    values = np.zeros((80, 120), np.uint8)
    values[10:40, 10:40], values[50:70, 60:90] = 100, 200
    PIL.Image.fromarray(values).save(folder / "masks" / "a.png")
    run = runner(capsys)
    _, said, wrong = run("import", folder, "--json")
    assert "--mask-is" in said + wrong
    code, said, _ = run("import", folder, "--mask-is", "ids", "--json")
    assert (code, json.loads(said)["objects"]) == (0, 2)
    assert run("import", folder, "--mask-is", "classes")[0] == 2


@pytest.mark.parametrize(
    "where", ["folder.png", "gone/m.png", "file.txt/m.png", "x" * 300 + ".png", "x" * 251 + ".png"]
)
def test_what_cannot_be_written_is_one_line(tmp_path, capsys, where):
    run = runner(capsys)
    PIL.Image.fromarray(gradient(40, 60)).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").write_text("")
    asked = ("segment", tmp_path / "a.png", "--click", "5,5", "--method", "grow", "-o", tmp_path / where)
    code, _, said = run(*asked)
    assert code == (0 if len(where) == 255 else 2)
    assert len(said.splitlines()) == (code == 2)
    assert not list(tmp_path.glob("*.tmp"))
