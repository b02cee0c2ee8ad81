"""Annotations as public reports have them: each test names the report that its input is made after."""

import json

import numpy as np
import PIL.Image
import pytest

from exported import disc, photo
from fewclicks import formats
from fewclicks.errors import InputError

HW = (60, 80)
SQUARE = [10, 10, 20, 10, 20, 15, 10, 15]


def read(source, *names):
    """(areas, labels, what is said, how many are left out) of a source, in the format that it is."""
    photos = [photo(name, (), HW) for name in names or ("a.jpg",)]
    found = formats.read(formats.recognized(source, photos), source, photos)
    items = list(found)
    objects = [o for item in items for o in item.objects]
    said = "; ".join([*found.notes, *(note for item in items for note in item.notes)])
    left_out = found.left_out + sum(item.left_out for item in items)
    return [int(o.mask.sum()) for o in objects], [o.label for o in objects], said, left_out


def coco(path, rows, file="a.jpg", categories=({"id": 0, "name": "cat"},)):
    images = [{"id": 0, "file_name": file, "width": 80, "height": 60}]
    annotations = [{"id": n, "image_id": 0, "category_id": 0, **row} for n, row in enumerate(rows)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def yolo(folder, text):
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "a.txt").write_text(text)
    return folder


def test_a_segmentation_that_is_one_flat_list(tmp_path):
    """cvat-ai/cvat#6392: "object of type 'float' has no len()"."""
    assert read(coco(tmp_path / "c.json", [{"segmentation": SQUARE}]))[::3] == ([50], 0)


def test_a_polygon_of_two_points_among_others(tmp_path):
    """cocodataset/cocoapi#348: the first of the polygons has four numbers, and pycocotools takes it for a box."""
    assert read(coco(tmp_path / "c.json", [{"segmentation": [[30, 30, 30, 35], SQUARE, [40, 40, 44, 40]]}]))[0] == [50]


def test_a_list_of_run_lengths(tmp_path):
    """jsbroks/coco-annotator#169: a segmentation that is a list of {size, counts}."""
    parts = [{"size": list(HW), "counts": [60 * x, 60, 4800 - 60 * x - 60]} for x in (3, 5)]
    assert read(coco(tmp_path / "c.json", [{"segmentation": parts}]))[::3] == ([120], 0)
    parts[1]["size"] = [6, 8]
    assert read(coco(tmp_path / "c.json", [{"segmentation": parts}]))[::3] == ([], 1)


def test_a_mask_that_is_a_row_too_high(tmp_path):
    """cvat-ai/cvat#9316: masks that exceed the photo by one row; the other objects come."""
    rows = [{"segmentation": {"size": [61, 80], "counts": [0, 4880]}}, {"segmentation": [SQUARE]}]
    areas, _, said, left_out = read(coco(tmp_path / "c.json", rows))
    assert (areas, left_out) == ([50], 1)
    assert "its RLE has the size [61, 80], not [60, 80]" in said


def test_categories_from_0_on_and_names_of_uploads(tmp_path):
    """HumanSignal/label-studio#6609 and #9366: ids from 0; file names of its own storage, with a prefix."""
    path = coco(tmp_path / "c.json", [{"segmentation": [SQUARE]}], "images\\/23082be9-0A9LCRZ1DR.jpg")
    areas, labels, said, _ = read(path, "0A9LCRZ1DR.jpg", "other.jpg")
    assert (areas, labels) == ([50], ["cat"])
    assert "is taken for what 'images\\/23082be9-0A9LCRZ1DR.jpg' was" in said


def test_captions_are_no_outlines(tmp_path):
    """HumanSignal/label-studio#8707: captions_train2017.json ends in a KeyError."""
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}],
                                "annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]}))  # fmt: skip
    assert read(path) == ([], [], "1 object without outline (a box only): left out", 1)


def test_subsets_with_ids_of_their_own(tmp_path):
    """cvat-ai/cvat#7938: instances_Train.json and instances_Test.json, whose image ids are the same."""
    (tmp_path / "annotations").mkdir()
    for subset, file, category in (("Train", "a.jpg", "cat"), ("Test", "b.jpg", "dog")):
        path = tmp_path / "annotations" / f"instances_{subset}.json"
        coco(path, [{"segmentation": [SQUARE]}], file, [{"id": 0, "name": category}])
    assert read(tmp_path, "a.jpg", "b.jpg")[1] == ["dog", "cat"] or read(tmp_path, "a.jpg", "b.jpg")[1] == [
        "cat",
        "dog",
    ]
    found = formats.read("coco", tmp_path, [photo("a.jpg", (), HW), photo("b.jpg", (), HW)])
    assert {item.file: [o.label for o in item.objects] for item in found} == {"a.jpg": ["cat"], "b.jpg": ["dog"]}


def test_coordinates_a_hair_outside_of_0_to_1(tmp_path):
    """HumanSignal/label-studio#5481: exported labels go below 0 and above 1."""
    line = "1 0.0 0.0 0.5029174401232304 -0.0011254847734823994 1.0001915708812261 1.0 0.003234159651848588 1.0\n"
    areas, labels, said, left_out = read(yolo(tmp_path, line))
    assert (labels, said, left_out) == (["dog"], "", 0)
    assert areas[0] > 0.9 * 60 * 80 * 0.75


def test_names_and_pixels_in_the_place_of_numbers(tmp_path):
    """ultralytics/ultralytics#3285: a name for the class, and pixels: 0 images, 0 corrupt. The file is named."""
    folder = yolo(tmp_path, "LIAISONS1607 797 1607 799 1608 799 1609 800\n")
    (folder / "classes.txt").unlink()
    with pytest.raises(InputError, match=r"'a\.txt' is named as a photo, but no line of it is `class x1 y1"):
        read(folder)
    said = read(
        yolo(tmp_path, "0 0.1 0.1 0.5 0.1 0.5 0.5\nLIAISONS 1607 797 1607 799\n0 1607 797 1607 799 1608 799\n")
    )[2]
    assert "line 2 of 'a.txt': 'LIAISONS 1607" in said
    assert "line 3 of 'a.txt': coordinates from 797 to 1608, not from 0 to 1" in said


def test_boxes_with_a_negative_width(tmp_path):
    """ultralytics/yolov5#857: "negative labels"; a box has no outline either way."""
    assert read(yolo(tmp_path, "1 0.42 0.33 -0.73 0.35\n"))[2:] == ("1 object given as a box only: left out", 1)


def test_parts_of_one_group_and_rectangles_from_any_corner(tmp_path):
    """Tony607/labelme2coco#9: parts by group_id; PaddlePaddle/PaddleDetection#1296: corners in any order."""
    shapes = [
        {"label": "cat", "points": [[1, 1], [5, 1], [5, 5], [1, 5]], "group_id": 1},
        {"label": "cat", "points": [[11, 1], [15, 1], [15, 5], [11, 5]], "group_id": "1"},
        {"label": "dog", "points": [[20, 9], [10, 12]], "shape_type": "rectangle", "group_id": None},
        {"label": "dog", "points": [[3, 3]], "shape_type": "polygon"},
    ]
    (tmp_path / "a.b.c.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.b.c.jpg"}))
    assert read(tmp_path, "a.b.c.jpg", "a.jpg")[:2] == ([50, 44, 1], ["cat", "dog", "dog"])


def test_cvats_own_xml_is_named(tmp_path):
    """cvat-ai/cvat#8124: run lengths of "CVAT for images", which are no COCO."""
    text = '<annotations><image name="a.jpg"><mask label="x" rle="1, 2"/></image></annotations>'
    (tmp_path / "annotations.xml").write_text(text)
    for source in (tmp_path, tmp_path / "annotations.xml"):
        with pytest.raises(InputError, match="is CVAT's own XML; export it as COCO or as segmentation masks there"):
            read(source)


def test_masks_of_photos_that_are_gone(tmp_path):
    """jsbroks/coco-annotator#376, for pictures: what belongs to no photo is counted."""
    for name in ("a_mask.png", "gone.png"):
        PIL.Image.fromarray(disc(HW, 20, 30, 5).astype(np.uint8)).save(tmp_path / name)
    areas, _, said, left_out = read(tmp_path)
    assert (len(areas), left_out) == (1, 1)
    assert said == "'gone.png': the picture is named as no photo of the folder; left out"
