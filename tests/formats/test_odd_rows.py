"""Rows, texts and files of annotations that are odd but can be used, or cost no more than themselves."""

import base64
import io
import json

import numpy as np
import PIL.Image
import pytest

from fewclicks import formats
from fewclicks.formats.annotations import AnnotatedPhoto

HW = (60, 80)
SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
TRIANGLE = "0.1 0.1 0.5 0.1 0.5 0.5"


def read(source):
    """(labels, notes in one, left out) of the annotations of a.jpg."""
    photos = [AnnotatedPhoto("a.jpg", HW)]
    found = formats.read(formats.recognized(source, photos), source, photos)
    seen = list(found)
    notes = [*found.notes, *(note for photo in seen for note in photo.notes)]
    left_out = found.left_out + sum(photo.left_out for photo in seen)
    return [item.label for photo in seen for item in photo.objects], "; ".join(notes), left_out


def row(number=1, **more):
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [SQUARE], **more}


def coco(path, rows, encoding="utf-8", **more):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": rows,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    path.write_bytes(json.dumps({**content, **more}).encode(encoding))
    return path


def shape(**more):
    return {"label": "cat", "points": [[1, 1], [9, 1], [9, 9]], **more}


def labelme(path, *shapes, encoding="utf-8", **more):
    path.write_bytes(json.dumps({"shapes": shapes, "imagePath": "a.jpg", **more}).encode(encoding))
    return path


def test_one_bad_category_costs_its_name_only(tmp_path):
    categories = [{"id": 1, "name": ["cat"]}, {"id": 2, "name": "dog"}]
    path = coco(tmp_path / "c.json", [row(), row(2, category_id=2)], categories=categories)
    assert read(path) == (["class_1", "dog"], "1 category whose name is no text: called class_ and its number", 0)
    assert read(coco(path, [row()], categories=["cat", "dog"]))[1].startswith("2 categories that cannot be used")
    assert read(coco(path, [row()], categories={"1": "cat"})) == (["cat"], "", 0)


def test_one_bad_file_of_coco_costs_itself_only(tmp_path):
    coco(tmp_path / "good.json", [row()])
    bad = coco(tmp_path / "bad.json", [row()])
    bad.write_bytes(bad.read_bytes()[:-9])
    labels, said, left_out = read(tmp_path)
    assert (labels, left_out) == (["cat"], 1)
    assert "bad.json' is damaged" in said


@pytest.mark.parametrize(
    "images",
    [
        [{"id": 1, "file_name": "a.jpg", "width": 0, "height": 0}],
        [{"id": 1, "file_name": "a.jpg", "width": -1, "height": None}],
        [{"id": 1, "filename": "a.jpg"}],
    ],
)
def test_images_of_coco_that_say_little(tmp_path, images):
    assert read(coco(tmp_path / "c.json", [row()], images=images)) == (["cat"], "", 0)


@pytest.mark.parametrize("counts", [["600", "60", "4140"], [600.0, 60, 4140], [600, "6e1", 4140]])
def test_run_lengths_in_all_their_forms(tmp_path, counts):
    rle = {"counts": counts, "size": [60, 80]}
    assert read(coco(tmp_path / "c.json", [row(segmentation=rle)])) == (["cat"], "", 0)
    rle["counts"] = [*counts[:2], float("nan")]
    assert read(coco(tmp_path / "c.json", [row(), row(2, segmentation=rle)]))[2] == 1


def test_true_is_a_crowd_and_null_is_no_annotation(tmp_path):
    assert "marked as crowds" in read(coco(tmp_path / "c.json", [row(iscrowd=True)]))[1]
    assert read(coco(tmp_path / "c.json", None)) == ([], "", 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_texts_of_windows(tmp_path, encoding):
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_bytes(f"{mark}1 {TRIANGLE}\r\n".encode(encoding))
    (tmp_path / "classes.txt").write_bytes(f"{mark}cat\r\ndog\r\n".encode(encoding))
    assert read(tmp_path) == (["dog"], "", 0)
    if not mark:
        assert read(coco(tmp_path / "c.json", [row()], encoding))[0] == ["cat"]
        assert read(labelme(tmp_path / "a.json", shape(), encoding=encoding))[0] == ["cat"]


@pytest.mark.parametrize("name", ["c.txt", "annotations", "c.geojson"])
def test_json_is_known_by_its_content(tmp_path, name):
    assert read(coco(tmp_path / name, [row()])) == (["cat"], "", 0)


def test_a_size_of_nothing_says_nothing(tmp_path):
    assert read(labelme(tmp_path / "a.json", shape(), imageWidth=0, imageHeight=0)) == (["cat"], "", 0)


def test_an_empty_group_is_none(tmp_path):
    assert len(read(labelme(tmp_path / "a.json", shape(group_id=""), shape(group_id="")))[0]) == 2


def test_masks_of_labelme_as_browsers_encode_them(tmp_path):
    file = io.BytesIO()
    PIL.Image.fromarray(np.ones((5, 5), bool)).save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    path = labelme(tmp_path / "a.json", shape(shape_type="mask", points=[[1, 1], [5, 5]], mask=picture))
    assert read(path) == (["cat"], "", 0)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (None, "a shape has a label and points, but this is None"),
        (shape(points=None), "no pairs of numbers"),
        (shape(points=[1, 2, 3, 4]), "no pairs of numbers"),
        (
            shape(shape_type="circle", points=[[1, 1]]),
            "a circle has its center and a point on it, but this has 1 point",
        ),
    ],
)
def test_faults_of_shapes_are_told_in_words(tmp_path, bad, says):
    labels, said, left_out = read(labelme(tmp_path / "a.json", shape(), bad))
    assert (labels, left_out) == (["cat"], 1)
    assert says in said


def test_comments_are_no_annotations(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(f"# made by hand\n0 {TRIANGLE} # a cat\n\n")
    (tmp_path / "labels" / "classes.txt").write_text("cat\ndog\n")  # where LabelImg writes it
    assert read(tmp_path) == (["cat"], "", 0)


def test_notes_move_no_cursor(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(f"0 {TRIANGLE}\n\x1b[2J\x07 1\n")
    _, said, left_out = read(tmp_path)
    assert left_out == 1
    assert said.isprintable()
