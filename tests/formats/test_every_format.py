"""What holds in every format, for whatever is thrown at it: labels come back, and what comes in is kept or named."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exported import photo
from fewclicks import formats
from fewclicks.annotator.services.importing import ImportOptions, take_in
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.palette import colour_of, voc_palette
from fewclicks.plugins import find, names

READABLE = [name for name in names("formats") if hasattr(find("formats", name), "read")]
HW = (40, 50)
AWKWARD = [
    "background",
    "Background",
    "_background_",
    "__ignore__",
    "#1 bolt",
    "#",
    "a:b",
    "::",
    ":1,2,3::",
    " cat ",
    "\tcat",
    "cat",
    "Cat",
    "CAT",
    "caf\u00e9",
    "cafe\u0301",
    "a\nb",
    "a\r\nb",
    "a\x00b",
    "\x1b",
    "\u2028",
    "\ufeff",
    "\x85",
    "'",
    '"',
    "\\",
    "\\n",
    "`",
    "1",
    "01",
    "1.0",
    "true",
    "null",
    "~",
    "yes",
    "- a",
    "? a",
    "a: b",
    "a #b",
    "[a]",
    "{a}",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "0x10",
    "1e3",
    "2001-01-01",
    ".inf",
    "NaN",
    "=",
    "<<",
    "---",
    "...",
    "../x",
    "/",
    "a/b",
    ".",
    "..",
    "CON",
    "x" * 300,
    "x" * 301,
    "\u732b" * 100,
    "\U0001f469\u200d\U0001f692",
    "\u05d0\u200f",
    "\ufffe",
    "\uffff",
    "\U0010ffff",
    "<b>&amp;",
    "object",
    "class_1",
    "_",
    "__",
    "-",
    "a,b",
    "a;b",
    "a|b",
    "a_b",
    "a?b",
    "a*b",
]
LABELS = st.lists(
    st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    min_size=1,
    max_size=5,
    unique=True,
)
QUICK = settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck), database=None)


def place(number):
    mask = np.zeros(HW, np.bool_)
    mask[8 * number : 8 * number + 5, 3:30] = True
    return mask


def there_and_back(name, labels, listed=True, alone=True):
    """The labels of the objects, in a photo of all and in one for each, after a round trip; the notes; the list."""
    folder = Path(tempfile.mkdtemp())
    try:
        several = [Annotation(mask=place(i), label=label) for i, label in enumerate(labels)]
        photos = [photo("all.jpg", several, HW)]
        photos += [photo(f"{i}.jpg", [one], HW) for i, one in enumerate(several) if alone]
        known = [Label(label, colour_of(40 + i)) for i, label in enumerate(labels)] if listed else []
        done = formats.export(name, photos, known, folder / "out")
        bare = [AnnotatedPhoto(item.file, item.hw) for item in photos]
        assert formats.recognized(folder / "out", bare) == name
        back = formats.read(name, folder / "out", bare)
        found = [[o.label for o in item.objects] for item in back]
        assert all(np.array_equal(o.mask, place(i)) for i, o in enumerate(back[0].objects))
        return found, done.notes
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", READABLE)
@QUICK
@given(labels=LABELS, listed=st.booleans())
@example(labels=["background", "cat", "dog"], listed=True)
@example(labels=["#1 bolt", "_#1 bolt", "a:b", "a_b", "background_"], listed=False)
@example(labels=["caf\u00e9", "cafe\u0301", "Cat", "cat", " cat"], listed=True)
@example(labels=["x" * 300, "x" * 301, "", " ", "object"], listed=True)
def test_labels_come_back_whatever_they_are(name, labels, listed):
    found, notes = there_and_back(name, labels, listed)
    expected = [label if label.strip() else "object" for label in labels]
    assert found == [expected, *([label] for label in expected)]
    assert any("without a label" in note for note in notes) == any(not label.strip() for label in labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", READABLE)
def test_all_awkward_labels_at_once(name):
    for start in range(0, len(AWKWARD), 5):
        labels = AWKWARD[start : start + 5]
        assert there_and_back(name, labels, alone=False)[0][0] == [
            label if label.strip() else "object" for label in labels
        ]


def test_a_label_that_a_format_cannot_hold_is_renamed_with_a_note(tmp_path):
    objects = [Annotation(mask=place(i), label=label) for i, label in enumerate(["#1", "_#1", "a:b", "\ud800"])]
    done = formats.export("voc", [photo("a.jpg", objects, HW)], [], tmp_path / "out")
    assert done.notes[:2] == (
        "the class '#1' is called '_#1' in these files, which cannot hold its name",
        "the class '_#1' is called '_#1_2' in these files, which cannot hold its name",
    )
    rows = (tmp_path / "out" / "labelmap.txt").read_text().splitlines()
    assert [row.split(":")[0] for row in rows[2:]] == ["_#1", "_#1_2", "a_b", "?"]
    (tmp_path / "out" / ".fewclicks-export.json").unlink()
    back = formats.read("voc", tmp_path / "out", [AnnotatedPhoto("a.jpg", HW)])
    assert [o.label for o in back[0].objects] == ["_#1", "_#1_2", "a_b", "?"], "what other programs see"


# What comes in is kept or named: rows of each format, good and bad.

SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]
COCO_ROWS = [
    {"segmentation": [SQUARE]},
    {"segmentation": [SQUARE, SQUARE]},
    {"segmentation": SQUARE},
    {"segmentation": [SQUARE[:7]]},
    {"segmentation": []},
    {"segmentation": None},
    {"segmentation": [[900, 900, 950, 900, 950, 950]]},
    {"segmentation": "x"},
    {"segmentation": {"size": [40, 50], "counts": [2000]}},
    {"segmentation": {"size": [40, 50], "counts": [100, 50, 1850]}},
    {"segmentation": {"size": [4, 5], "counts": [20]}},
    {"segmentation": {"counts": "zz"}},
    {"segmentation": [[None] * 6]},
    {"segmentation": [SQUARE], "category_id": 9},
    {"segmentation": [SQUARE], "category_id": "1"},
    {"segmentation": [SQUARE], "image_id": 2},
    {"segmentation": [SQUARE], "image_id": "1"},
    {"segmentation": [SQUARE], "image_id": 3},
    {"segmentation": [SQUARE], "image_id": 4},
    {"segmentation": [SQUARE], "image_id": 99},
    {"segmentation": [SQUARE], "image_id": None},
    {"segmentation": [SQUARE], "iscrowd": 1},
    {"segmentation": [[float("nan")] * 6]},
    {"segmentation": [[1e30] * 6]},
]


def write_coco(folder, rows):
    images = [
        {"id": 1, "file_name": "a.jpg"},
        {"id": 2, "file_name": "gone.jpg"},
        {"id": 3, "file_name": "a.jpg"},
        {"id": 4, "file_name": "b.jpg", "width": 9, "height": 9},
    ]
    annotations = [{"id": i, "image_id": 1, "category_id": 1} | row for i, row in enumerate(rows)]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "c.json").write_text(json.dumps(content))


LABELME_ROWS = [
    {"points": [[5, 5], [15, 5], [15, 15]]},
    {"points": [[5, 5], [15, 15]], "shape_type": "rectangle"},
    {"points": [[900, 900]] * 3},
    {"points": [[5, 5], [8, 8]], "shape_type": "circle"},
    {"points": [[5, 5]], "shape_type": "point"},
    {"points": []},
    {"points": None},
    {"points": [[1, 1], [2, 2]], "shape_type": "mask", "mask": "bm8="},
    {},
    {"label": None, "points": [[1, 1], [5, 1], [5, 5]]},
    {"label": ["x"], "points": [[1, 1], [5, 1], [5, 5]]},
    {"points": [[1, 1], [5, 1], [5, None]]},
    {"points": [[1, 1], [2, 2]], "shape_type": "odd"},
]


def write_labelme(folder, rows):
    for stem, part in (("a", rows[::2]), ("gone", rows[1::2])):
        shapes = [{"label": "cat", "group_id": None} | row for row in part]
        (folder / f"{stem}.json").write_text(json.dumps({"shapes": shapes, "imagePath": f"{stem}.jpg"}))


YOLO_ROWS = [
    "0 .1 .1 .5 .1 .5 .5",
    "1 .1 .1 .5 .1 .5 .5 .9",
    "0 .5 .5 .1 .1",
    "7 .1 .1 .5 .1 .5 .5",
    "0 9 9 9 8 8 8",
    "x y",
    "0 .1 .1 .5",
    "0",
    "0 nan .1 .5 .1 .5 .5",
    "0 1.5 1.5 1.6 1.5 1.6 1.6",
    "+1, .1, .1, .5, .1, .5, .5,",
    "1e400 .1 .1 .5 .1 .5 .5",
    "-1 .1 .1 .5 .1 .5 .5",
]


def write_yolo(folder, rows):
    (folder / "data.yaml").write_text("names: [cat, dog]")
    (folder / "labels").mkdir()
    for stem, part in (("a", rows[::2]), ("gone", rows[1::2])):
        text = "".join(f"{row}\n" for row in part)
        (folder / "labels" / f"{stem}.txt").write_text(text if stem == "a" or not part else f"0 .1 .1 .2 .2\n{text}")
    return len(rows) + (len(rows) > 1)


LISTED_ROWS = [
    {"label": "cat"},
    {"label": None},
    {"label": 5},
    {"label": ["x"]},
    {"odd": 1},
    {"id": "x", "mask": "../x.png"},
]


def write_index(folder, rows):
    ids = np.zeros(HW, np.uint8)
    objects = []
    for i, row in enumerate(rows, start=1):
        ids[3 * i : 3 * i + 2] = i
        objects.append({"id": i} | row)
    (folder / "masks").mkdir()
    PIL.Image.fromarray(ids).save(folder / "masks" / "a.png")
    content = {"ids": "objects", "labels": [], "photos": [{"file": "a.jpg", "mask": "masks/a.png", "objects": objects}]}
    content["photos"].append({"file": "gone.jpg", "mask": "masks/a.png", "objects": [{"id": 1}]})
    (folder / "objects.json").write_text(json.dumps(content))
    # a row that cannot be used names no id: its pixels are then of an id that is not listed, which is named too
    return len(rows) + 1 + sum(isinstance(row.get("label"), list) or row.get("id") == "x" for row in rows)


def write_binary(folder, rows):
    (folder / "a").mkdir()
    objects = []
    for i, row in enumerate(rows, start=1):
        PIL.Image.fromarray(np.eye(*HW, dtype=bool) if i % 3 else np.zeros(HW, bool)).save(folder / "a" / f"{i}.png")
        objects.append({"mask": f"a/{i}.png"} | row)
    content = {
        "labels": [],
        "photos": [{"file": "a.jpg", "objects": objects}, {"file": "gone.jpg", "objects": objects}],
    }
    (folder / "objects.json").write_text(json.dumps(content))
    return 2 * len(rows)


def write_voc(folder, rows):
    ids = np.zeros(HW, np.uint8)
    for i, number in enumerate(rows, start=1):
        ids[3 * i : 3 * i + 2] = number
    (folder / "SegmentationClass").mkdir()
    picture = PIL.Image.fromarray(ids)
    picture.putpalette(voc_palette().tobytes())
    picture.save(folder / "SegmentationClass" / "a.png")
    (folder / "labelmap.txt").write_text("background:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n")
    return len(set(rows) - {0, 255})


SOURCES = {
    "coco": (COCO_ROWS, write_coco),
    "labelme": (LABELME_ROWS, write_labelme),
    "yolo": (YOLO_ROWS, write_yolo),
    "index_png": (LISTED_ROWS, write_index),
    "binary_png": (LISTED_ROWS, write_binary),
    "voc": ([0, 1, 2, 3, 27, 255], write_voc),
}


def test_every_format_that_is_read_is_tried():
    assert sorted(SOURCES) == READABLE


@pytest.mark.parametrize("name", READABLE)
@QUICK
@given(data=st.data())
def test_what_comes_in_is_kept_or_named(name, data):
    pool, write = SOURCES[name]
    rows = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=8))
    folder = Path(tempfile.mkdtemp())
    try:
        count = write(folder, rows)
        total = len(rows) if count is None else count
        photos = [AnnotatedPhoto("a.jpg", HW), AnnotatedPhoto("b.jpg", HW)]
        taken = take_in(None, formats.read(name, folder, photos), options=ImportOptions(dry_run=True))
    finally:
        shutil.rmtree(folder)
    assert taken.objects + taken.left_out == total
    assert bool(taken.left_out) <= bool(taken.notes)
    assert taken.objects == sum(one.objects for one in taken.per_photo)
    if not taken.objects:
        assert taken.notes
