"""Bad files: one line that names the file and the cure, and never anything but a FewClicksError."""

import json
import os
import re
import shutil
import struct
import time
import tracemalloc
import zlib

import numpy as np
import PIL.Image
import pytest

from exported import LABELS, bare, disc, overlapping, photo
from fewclicks import formats
from fewclicks.errors import FewClicksError, InputError
from fewclicks.plugins import find, names

READABLE = [name for name in names("formats") if hasattr(find("formats", name), "read")]
HOSTILE = [None, True, -1, 0, 1e308, float("nan"), 10**400, 2**63, "", "x" * 5000, "../../etc/passwd", "\0", "a\nb"]
HOSTILE += [[], {}, [[]], [1, 2, 3], [[1, 2], [3]], [{"a": []}], [[[[1]]]], [[0, 0, 1e9, 1e9, 0, 5]]]
HOSTILE += [{"size": [1, 1], "counts": "1"}]
HW = (60, 80)
MEMORY_BYTES = 40 * 2**20


def photos():
    rng = np.random.default_rng(0)
    return [photo("a.jpg"), photo("sub/b.png", overlapping(rng, (71, 33)), (71, 33))]


def all_of(name, source, listed):
    """Read every mask and name; what was said of what cannot be used, in one line."""
    found = formats.read(name, source, listed)
    said = list(found.notes)
    for item in found:
        said += item.notes
        for found in item.objects:
            assert found.mask.shape == item.hw
            assert found.mask.dtype == bool
            assert isinstance(found.label, str)
            assert found.label
            assert isinstance(found.name, str)
            assert found.score is None or 0 <= found.score <= 1
    return "; ".join(said)


def said_of(name, source, listed):
    """The error of a reading, or its notes: they say the same."""
    try:
        return all_of(name, source, listed)
    except InputError as error:
        return str(error)


def refused_or_read(name, source, listed):
    """Whether the files were refused; with a line that is of use."""
    message = ""
    tracemalloc.start()
    try:
        message = all_of(name, source, listed)
    except FewClicksError as error:
        message = str(error)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY_BYTES
    assert "\n" not in message
    assert len(message) < 2000
    return bool(message)


def mutated(content, rng):
    """The bytes cut short, or some of them changed, doubled or removed."""
    data = bytearray(content)
    kind = rng.integers(4)
    at = int(rng.integers(max(1, len(data))))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        for place in rng.integers(0, max(1, len(data)), 5):
            data[place : place + 1] = bytes([int(rng.integers(256))])
    elif kind == 2:
        data[at : at + 8] = bytes(rng.choice(list(b'0123456789-.,:[]{}"eE \n'), 8).astype(np.uint8))
    else:
        data[at:at] = data[at : at + int(rng.integers(1, 40))]
    return bytes(data)


@pytest.fixture(params=READABLE)
def written(request, tmp_path):
    formats.export(request.param, photos(), LABELS, tmp_path / "out")
    return request.param, tmp_path / "out"


@pytest.mark.slow
def test_mutated_files_are_refused_or_read(written, tmp_path):
    name, out = written
    rng = np.random.default_rng(1)
    files = [file for file in sorted(out.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    listed, refused = bare(photos()), 0
    for _ in range(100):
        file = files[rng.integers(len(files))]
        content = file.read_bytes()
        file.write_bytes(mutated(content, rng))
        refused += refused_or_read(name, out, listed)
        file.write_bytes(content)
    assert refused > 10
    assert not refused_or_read(name, out, listed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco", "labelme", "index_png", "binary_png"])
def test_hostile_values_are_refused_or_read(name, tmp_path):
    formats.export(name, photos(), LABELS, tmp_path / "out", **({"shapes": "polygons"} if name == "coco" else {}))
    rng = np.random.default_rng(2)
    files, listed = sorted((tmp_path / "out").rglob("[a-z]*.json")), bare(photos())
    for _ in range(60):
        file = files[rng.integers(len(files))]
        content = json.loads(file.read_text())
        file.write_text(json.dumps(replaced(content, rng)))
        refused_or_read(name, tmp_path / "out", listed)
        file.write_text(json.dumps(content))
    assert not refused_or_read(name, tmp_path / "out", listed)


def replaced(value, rng, depth=0):
    """A copy of a JSON value in which one value, at any depth, is hostile."""
    children = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    if not children or (depth and rng.random() < 0.3):
        return HOSTILE[rng.integers(len(HOSTILE))]
    key = children[rng.integers(len(children))]
    copy = value.copy()
    copy[key] = replaced(value[key], rng, depth + 1)
    return copy


def coco(path, **changes):
    row = {"id": 5, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]}
    image = {"id": 1, "file_name": "a.jpg", "width": 80, "height": 60}
    content = {
        "images": [image | changes.get("image", {})],
        "annotations": [row | changes.get("row", {})],
        "categories": [{"id": 1, "name": "cat"}],
    }
    path.write_text(json.dumps(content | changes.get("all", {})))


RLE = {"size": [60, 80]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": {"width": 60, "height": 80}}, r"for a photo of 60x80 pixels, but 'a\.jpg' is 80x60 as displayed"),
        ({"image": {"file_name": "other.jpg"}}, "has no annotation for any of the 1 photo;"),
        ({"row": {"category_id": 7}}, r"annotation 5 of 'c\.json': its category 7 is not in categories"),
        ({"row": {"segmentation": RLE | {"counts": [4799]}}}, "4799 pixels long, not 80x60 = 4800"),
        ({"row": {"segmentation": RLE | {"counts": "12"}}}, "pixels long, not 80x60 = 4800"),
        ({"row": {"segmentation": RLE | {"counts": "aaaa"}}}, "cut short"),
        ({"row": {"segmentation": RLE | {"counts": [-1, 4801]}}}, "whole numbers"),
        ({"row": {"segmentation": {"size": [60000, 80000], "counts": [0]}}}, "has the size"),
        ({"row": {"segmentation": [[100, 100, 120, 100, 120, 120]]}}, "outside of the photo, 80x60 pixels"),
        ({"row": {"segmentation": [[1, 1, 9, 1, 9]]}}, "no pairs"),
        ({"row": {"segmentation": [[1, 1, 1e9, 1, 9, 9]]}}, "no pixels"),
        ({"row": {"segmentation": [["1", None, 9, 1, 9, 9]]}}, "annotation 5"),
        ({"all": {"images": {}}}, "there is no list of images"),
        ({"all": {"annotations": 3}}, "is damaged or of another format"),
        ({"all": {"images": [{"id": 1}]}}, "has no annotation for any of the 1 photo"),
        ({"all": {"categories": [{"id": 1, "name": [5]}]}}, "whose name is no text"),
    ],
)
def test_coco_that_cannot_be_read(tmp_path, changes, message):
    coco(tmp_path / "c.json", **changes)
    assert re.search(message, said_of("coco", tmp_path / "c.json", [photo(objects=())]))


def test_one_bad_photo_does_not_hide_the_others(tmp_path):
    formats.export("labelme", photos(), LABELS, tmp_path / "out")
    (tmp_path / "out" / "a.json").write_text("{")
    back = formats.read("labelme", tmp_path / "out", bare(photos()))
    assert [len(item.objects) for item in back] == [0, 4]
    assert re.search(r"a\.json' is damaged or of another format .*line 1 column 2.* 1 shape left out", back[0].notes[0])
    assert back[0].left_out == 1


@pytest.mark.parametrize("name", ["coco", "labelme", "index_png", "binary_png"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 200_000, '{"a":' * 100_000, "\ud800", "\xff\xfe"])
def test_json_of_another_kind(tmp_path, name, text):
    file = {"coco": "annotations.json", "labelme": "a.json"}.get(name, "objects.json")
    (tmp_path / file).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert file in said_of(name, tmp_path, [photo(objects=())])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1 0.2", "is no polygon"),
        ("7 0.1 0.1 0.2 0.1 0.2 0.2", "class 7, but the classes of classes.txt are 0 to 1"),
        ("-1 0.1 0.1 0.2 0.1 0.2 0.2", "no polygon|not a whole number"),
        ("cat 0.1 0.1 0.2 0.1 0.2 0.2", "'cat"),
        ("0 10 10 20 10 20 20", "coordinates from 10 to 20, not from 0 to 1"),
        ("0 1.1 1.1 1.2 1.1 1.2 1.2", "outside of the photo"),
        ("0 nan 0.1 0.2 0.1 0.2 0.2", "no polygon"),
        ("0 0.1 x 0.2 0.1 0.2 0.2", "not a whole number of a class and coordinates"),
    ],
)
def test_yolo_that_cannot_be_read(tmp_path, line, message):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "a.txt").write_text(line)
    assert re.search(f"^line 1 of 'a.txt': .*{message}", said_of("yolo", tmp_path, [photo(objects=())]))


@pytest.mark.parametrize(
    "text", ["nc: 2", "names: [a, b", "names: {a: b}", "names:\n  0: a\n  0: b\n", 'names: ["a\\x"]']
)
def test_names_of_yolo_that_cannot_be_read(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    (tmp_path / "a.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2")
    with pytest.raises(InputError, match=r"data\.yaml"):
        all_of("yolo", tmp_path, [photo(objects=())])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"points": [[100, 100], [120, 100], [120, 120]]}, "outside of the photo"),
        ({"points": [[1, 1], [2]]}, r"shape 1 \('cat'\)"),
        ({"points": []}, r"shape 1 \('cat'\)"),
        ({"points": [[1, 1], [5, 5]], "shape_type": "mask", "mask": "bm8="}, "not an image"),
        ({"points": [[1, 1], [5, 5]], "shape_type": "mask", "mask": None}, r"shape 1 \('cat'\)"),
        ({"points": [[1, 1], [500, 5]], "shape_type": "mask", "mask": ""}, "not an image"),
        ({"points": [[1, 1]], "shape_type": "circle"}, r"shape 1 \('cat'\)"),
    ],
)
def test_labelme_that_cannot_be_read(tmp_path, shape, message):
    content = {"imageHeight": 60, "imageWidth": 80, "shapes": [{"label": "cat", **shape}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert re.search(message, said_of("labelme", tmp_path, [photo(objects=())]))
    (tmp_path / "a.json").write_text(json.dumps(content | {"imageWidth": 81}))
    assert re.search(r"81x60 pixels, but 'a\.jpg' is 80x60", said_of("labelme", tmp_path, [photo(objects=())]))


def bomb(path, width, height):
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["index_png", "binary_png"])
def test_pictures_that_cannot_be_read(tmp_path, name):
    cases = {"bomb": lambda file: bomb(file, 2**31 - 1, 2**31 - 1), "small": lambda file: bomb(file, 80, 59)}
    cases["text"] = lambda file: file.write_text("no picture")
    cases["empty"] = lambda file: file.write_bytes(b"")
    cases["photo"] = lambda file: PIL.Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    ).save(file)
    for case, make in cases.items():
        (tmp_path / case).mkdir()
        make(tmp_path / case / "a.png")
        if (name, case) == ("binary_png", "photo"):
            continue  # its levels are taken for probabilities
        assert "a.png" in said_of(name, tmp_path / case, [photo(objects=())])


def test_ids_that_nothing_is_known_of(tmp_path):
    formats.export("index_png", photos(), LABELS, tmp_path / "out")
    PIL.Image.fromarray(disc(HW, 20, 20, 9).astype(np.uint8) * 77).save(tmp_path / "out" / "masks" / "a.png")
    assert "id 77: it is not in objects.json" in all_of("index_png", tmp_path / "out", bare(photos()))
    formats.export("voc", photos(), LABELS, tmp_path / "voc")
    (tmp_path / "voc" / "labelmap.txt").write_text("background:0,0,0::\ncat:1,2,3::\n")
    assert "its class 2 is none of the 1 that labelmap.txt has" in all_of("voc", tmp_path / "voc", bare(photos()))


@pytest.mark.parametrize("name", ["index_png", "binary_png"])
def test_no_file_outside_of_the_folder_is_read(tmp_path, name):
    formats.export(name, photos(), LABELS, tmp_path / "out")
    secret = tmp_path / "secret.png"
    PIL.Image.fromarray(disc(HW, 20, 20, 9)).save(secret)
    content = json.loads((tmp_path / "out" / "objects.json").read_text())
    row = content["photos"][0]
    (row if name == "index_png" else row["objects"][0])["mask"] = "../secret.png"
    (tmp_path / "out" / "objects.json").write_text(json.dumps(content))
    assert "the file ../secret.png is not in the folder" in all_of(name, tmp_path / "out", bare(photos()))
    (tmp_path / "links").mkdir()
    os.symlink(secret, tmp_path / "links" / "a.png")
    with pytest.raises(InputError, match="has no annotation"):
        all_of(name, tmp_path / "links", bare(photos()))


def test_polygons_that_would_take_for_ever_are_refused(tmp_path):
    """A million points to and fro, over a photo of many rows."""
    hw = (20000, 4000)
    there = np.tile([[0, 0], [3999, 19999]], (15_000, 1))
    coco(tmp_path / "c.json", image={"width": hw[1], "height": hw[0]}, row={"segmentation": [there.ravel().tolist()]})
    content = {"imageHeight": hw[0], "imageWidth": hw[1], "shapes": [{"label": "cat", "points": there.tolist()}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "a.txt").write_text("0 " + " ".join(f"{v:.3f}" for v in (there / hw[::-1]).ravel()))
    for name, file in (("coco", "c.json"), ("labelme", "a.json"), ("yolo", "a.txt")):
        start = time.process_time()
        found = formats.read(name, tmp_path / file, [photo(objects=(), hw=hw)])[0]
        assert "to and fro" in found.notes[0]
        assert (len(found.objects), found.left_out) == (0, 1)
        assert time.process_time() - start < 5


@pytest.mark.parametrize("name", READABLE)
def test_nothing_there(tmp_path, name):
    with pytest.raises(InputError, match="nothing is at"):
        formats.read(name, tmp_path / "none", [photo()])
    with pytest.raises(InputError, match=r"has no annotation|holds no JSON file") as caught:
        formats.read(name, tmp_path, [photo()])
    assert str(tmp_path) in str(caught.value)


def test_cutouts_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cutout cannot be read"):
        formats.read("cutout", tmp_path, [photo()])


def test_an_unreadable_file_is_named(tmp_path):
    formats.export("labelme", photos(), LABELS, tmp_path / "out")
    back = formats.read("labelme", tmp_path / "out", bare(photos()))
    shutil.rmtree(tmp_path / "out")
    assert re.search(r"a\.json' cannot be read", back[0].notes[0])


def test_text_of_no_encoding_that_no_photo_has_is_no_reason_to_refuse_yolo(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "a.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2")
    (tmp_path / "z.txt").write_bytes(b"0 0.1 0.1 0.2 0.1 0.2 0.2\n\xdc\xff")
    assert len(formats.read("yolo", tmp_path, [photo(objects=())])[0].objects) == 1
