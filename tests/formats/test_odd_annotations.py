"""Annotations as other programs really write them: what can be used is read, and the rest is counted in a note."""

import base64
import io
import json
import re
import unicodedata

import numpy as np
import PIL.Image
import pytest

from exported import disc, photo
from fewclicks import formats
from fewclicks.errors import InputError
from fewclicks.formats.palette import voc_palette

HW = (60, 80)
SQUARE = [10, 10, 20, 10, 20, 15, 10, 15]
OTHER = [40, 40, 50, 40, 50, 45, 40, 45]


def bare(*names):
    return [photo(name, (), HW) for name in names or ("a.jpg",)]


def row(number=1, **more):
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [SQUARE]} | more


def coco(path, rows, images=({"id": 1, "file_name": "a.jpg"},), categories=({"id": 1, "name": "cat"},), **more):
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories, **more}))
    return path


def read(source, *names, as_format=None):
    """(labels of the objects, what is said, how many are left out) of a source, in the format that it is."""
    photos = bare(*names)
    found = formats.read(as_format or formats.recognized(source, photos), source, photos)
    items = list(found)
    objects = [o.label for item in items for o in item.objects]
    said = "; ".join([*found.notes, *(note for item in items for note in item.notes)])
    return objects, said, found.left_out + sum(item.left_out for item in items)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (row(2, segmentation=[SQUARE[:-1]]), "annotation 2 of 'c.json': a polygon of 7 numbers"),
        (row(2, segmentation=[[100, 100, 120, 100, 120, 120]]), "outside of the photo, 80x60 pixels"),
        (row(2, category_id=9), "its category 9 is not in categories"),
        (row(2, category_id=None), "its category None is not in categories"),
        (row(2, segmentation={"size": [30, 40], "counts": [1200]}), "has the size"),
        (row(2, segmentation={"size": [60, 80], "counts": [7]}), "7 pixels long"),
        (row(2, segmentation={"size": [60, 80], "counts": "0"}), "pixels long"),
        (row(2, segmentation={"counts": 5}), "has no counts"),
        (row(2, segmentation={"size": [60, 80], "counts": [4800]}), "1 object without pixels"),
        (row(2, segmentation=[]), "1 object without outline"),
        (row(2, segmentation=None, bbox=[1, 2, 3, 4]), "1 object without outline"),
        (row(2, segmentation=[[float("nan"), 1, 2, 3, 4, 5]]), "no pixels"),
        (row(2, segmentation=[[1, 1]]), "1 object smaller than a pixel"),
        (row(2, segmentation="no"), "1 object without outline"),
        (row(2, image_id=77), "the file has no image with its image_id 77"),
        (row(2, image_id=None), "no image with its image_id None"),
        ({"id": 2, "segmentation": [SQUARE]}, "does not say to which image"),
        (3, "annotation no. 2"),
    ],
)
def test_one_bad_annotation_of_coco_is_left_out_and_named(tmp_path, bad, says):
    objects, said, left_out = read(coco(tmp_path / "c.json", [row(1), bad, row(3, segmentation=[OTHER])]))
    assert (objects, left_out) == (["cat", "cat"], 1)
    assert says in said


def test_annotations_with_the_same_fault_are_one_note(tmp_path):
    rows = [row(n, segmentation=[SQUARE[:-1]]) for n in range(5, 30)]
    _, said, left_out = read(coco(tmp_path / "c.json", [row(1), *rows]))
    assert (left_out, said.count("left out")) == (25, 1)
    assert said.startswith("25 objects left out, as annotation 5 of 'c.json': a polygon of 7 numbers")


@pytest.mark.parametrize("ids", [(1, "1"), ("1", 1), (1, 1.0), ("7f", "7f"), (1.0, "1.0")])
def test_ids_are_the_same_as_text_and_as_number(tmp_path, ids):
    image, named = ids
    path = coco(
        tmp_path / "c.json",
        [row(image_id=named, category_id=named)],
        [{"id": image, "file_name": "a.jpg"}],
        [{"id": image, "name": "cat"}],
    )
    assert read(path) == (["cat"], "", 0)


def test_images_that_are_there_twice_or_not_at_all(tmp_path):
    images = [{"id": n, "file_name": name} for n, name in enumerate(["a.jpg", "a.jpg", "gone.jpg", "x/gone.jpg"])]
    rows = [row(n, image_id=n % 4, segmentation=[SQUARE if n % 2 else OTHER]) for n in range(8)]
    objects, said, left_out = read(coco(tmp_path / "c.json", rows, images))
    assert (len(objects), left_out) == (4, 4)
    assert said == "2 photos of 'c.json' are not in the folder, as 'gone.jpg': 4 annotations left out"


def test_photos_of_one_name_in_two_folders_are_not_mixed(tmp_path):
    """train/a.jpg and val/a.jpg are two photos; only one of them can be the a.jpg of the folder."""
    images = [{"id": 1, "file_name": "train/a.jpg"}, {"id": 2, "file_name": "val/a.jpg"}]
    path = coco(tmp_path / "c.json", [row(1), row(2, image_id=2), row(3, image_id=2)], images)
    assert read(path, "val/a.jpg")[0] == ["cat", "cat"]
    with pytest.raises(InputError, match="has no annotation for any of the 1 photo"):
        read(path, "a.jpg")
    images[1]["file_name"] = "a.jpg"
    assert read(coco(tmp_path / "c.json", [row(1), row(2, image_id=2)], images), "a.jpg")[2] == 1


def test_what_coco_need_not_say(tmp_path):
    """No sizes, no categories, sizes as text, run lengths as numbers with a point, pairs instead of a flat list."""
    pairs = np.reshape(SQUARE, (-1, 2)).tolist()
    rows = [row(1, segmentation=pairs), row(2, segmentation=[pairs]), row(3, segmentation=SQUARE)]
    rows.append(row(4, segmentation={"counts": [600.0, 60.0, 4140.0], "size": ["60", 80]}))
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg", "width": "80"}], "annotations": rows}))
    objects, said, left_out = read(path)
    assert (objects, left_out) == (["class_1"] * 4, 0)
    assert "4 objects of a class without a name" in said


def test_crowds_and_keypoints_are_told_of(tmp_path):
    _, said, left_out = read(coco(tmp_path / "c.json", [row(1, iscrowd=1), row(2, keypoints=[1, 2, 2])]))
    assert left_out == 0
    assert said.startswith("1 object marked as crowds (iscrowd)")
    assert said.endswith("1 object with keypoints, which are left out")


def test_several_coco_files_are_read_together(tmp_path):
    """As Roboflow and COCO itself have them: a file for each split, with ids of its own."""
    for split, name in (("train", "a.jpg"), ("valid", "b.jpg")):
        (tmp_path / split).mkdir()
        names = [{"id": 1, "name": f"of {split}"}]
        coco(tmp_path / split / "_annotations.coco.json", [row()], [{"id": 1, "file_name": name}], names)
    assert read(tmp_path, "a.jpg", "b.jpg") == (["of train", "of valid"], "", 0)


@pytest.mark.parametrize(
    ("written", "there"),
    [
        (unicodedata.normalize("NFC", "über.jpg"), unicodedata.normalize("NFD", "über.jpg")),
        (unicodedata.normalize("NFD", "über.jpg"), unicodedata.normalize("NFC", "über.jpg")),
        ("A.JPG", "a.jpg"),
        ("Sub\\A.jpg", "sub/a.jpg"),
        ("C:\\Users\\me\\sub\\a.jpg", "sub/a.jpg"),
        ("/data/me/photos/a.jpg", "a.jpg"),
        ("a%20b.jpg", "a b.jpg"),
        ("a%2520b.jpg", "a b.jpg"),
        ("a+b.jpg", "a b.jpg"),
        ("a+b.jpg", "a+b.jpg"),
        ("%C3%BCber.jpg", "über.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("100%.jpg", "100%.jpg"),
        ("file:///data/sub/a.jpg", "sub/a.jpg"),
        ("https://host/x/a.jpg?size=2#top", "a.jpg"),
        ("/data/local-files/?d=sub/a.jpg", "sub/a.jpg"),
        ("/data/upload/3/0123abcd-a.jpg", "a.jpg"),
        ("a_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("a.jpeg", "a.jpg"),
    ],
)
def test_names_are_compared_as_people_mean_them(tmp_path, written, there):
    path = coco(tmp_path / "c.json", [row()], [{"id": 1, "file_name": written}])
    assert read(path, there, "other.jpg")[0] == ["cat"]


@pytest.mark.parametrize(
    ("written", "there", "means"),
    [
        ("a.jpg", ("A.jpg", "a.jpg"), "a.jpg"),
        ("A.JPG", ("A.jpg", "a.jpg"), None),
        ("x/a.jpg", ("x/a.jpg", "y/a.jpg"), "x/a.jpg"),
        ("X/A.JPG", ("x/a.jpg", "y/a.jpg"), "x/a.jpg"),
        ("data/x/a.jpg", ("x/a.jpg", "a.jpg"), "x/a.jpg"),
        ("/data/a.jpg", ("x/a.jpg", "a.jpg"), "a.jpg"),
        ("a.jpg", ("x/a.jpg", "y/a.jpg"), None),
        ("a.JPG", ("a.png", "a.jpg"), "a.jpg"),
    ],
)
def test_where_several_photos_could_be_meant(tmp_path, written, there, means):
    path = coco(tmp_path / "c.json", [row(), row(2, image_id=2)],
                [{"id": 1, "file_name": written}, {"id": 2, "file_name": "other.jpg"}])  # fmt: skip
    found = formats.read("coco", path, bare(*there, "other.jpg"))
    assert [item.file for item in found if item.file != "other.jpg"] == ([means] if means else [])
    if means is None:
        assert any("could be" in note for note in found.notes)
        assert found.left_out == 1


def shape(label="cat", points=((1, 1), (9, 1), (9, 9)), **more):
    return {"label": label, "points": [list(point) for point in points], **more}


def labelme(path, shapes, **more):
    path.write_text(json.dumps({"version": "5", "shapes": shapes, "imagePath": "a.jpg", **more}))
    return path


def mask_shape(x0, y0, x1, y1, size):
    file = io.BytesIO()
    PIL.Image.fromarray(np.ones(size[::-1], bool)).save(file, "PNG")
    return shape(points=((x0, y0), (x1, y1)), shape_type="mask", mask=base64.b64encode(file.getvalue()).decode())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (shape(points=((100, 100), (120, 100), (120, 120))), "outside of the photo"),
        (shape(points=((1, None), (9, 1), (9, 9))), "no pairs of numbers"),
        (shape(points=()), "a polygon is a list"),
        ({"label": "cat"}, "it lacks 'points'"),
        (shape(label={"a": 1}), "a label is a text"),
        (7, "shape 2"),
        (shape(shape_type="point"), "1 shape without area"),
        (mask_shape(100, 5, 104, 9, (5, 5)), "outside of the photo"),
        (shape(points=((1, 1), (2, 2)), shape_type="mask", mask="????"), "not an image"),
    ],
)
def test_one_bad_shape_of_labelme_is_left_out_and_named(tmp_path, bad, says):
    objects, said, left_out = read(labelme(tmp_path / "a.json", [shape(), bad, shape("dog")]))
    assert (objects, left_out) == (["cat", "dog"], 1)
    assert says in said


def test_masks_of_labelme_are_cut_at_the_edge_and_say_their_size(tmp_path):
    shapes = [
        mask_shape(70, 50, 89, 69, (20, 20)),
        mask_shape(-5, -5, 4, 4, (10, 10)),
        mask_shape(20, 20, 30, 30, (10, 10)),
    ]
    found = formats.read("labelme", labelme(tmp_path / "a.json", shapes), bare())[0]
    assert [int(o.mask.sum()) for o in found.objects] == [100, 25, 100]
    assert found.notes == (
        "2 shapes over the edge of the photo: cut there",
        "1 shape whose picture is of another size than its corners say: laid at the upper left one",
    )


def test_labelme_of_all_ages(tmp_path):
    """No size, size null, numbers as labels and texts as numbers; found by imagePath where the name does not say it."""
    assert read(labelme(tmp_path / "a.json", [shape(3)]))[0] == ["3"]
    assert read(labelme(tmp_path / "a.json", [shape()], imageWidth=None, imageHeight=None))[0] == ["cat"]
    assert read(labelme(tmp_path / "a.json", [shape(points=(("1", "1"), (9, 1), (9, "9.5")))]))[0] == ["cat"]
    (tmp_path / "a.json").unlink()
    labelme(tmp_path / "a_annotated.json", [shape()], imagePath="..\\photos\\a.jpg")
    assert read(tmp_path, "a.jpg", "b.jpg")[0] == ["cat"]
    labelme(tmp_path / "c.json", [shape(), shape()], imagePath="c.jpg")
    objects, said, left_out = read(tmp_path, "a.jpg", "b.jpg")
    assert (objects, left_out) == (["cat"], 2)
    assert said == "1 file of photos that are not in the folder, as 'c.json': 2 shapes left out"


def test_of_photos_that_differ_in_their_endings_the_named_one_is_meant(tmp_path):
    labelme(tmp_path / "a.json", [shape()], imagePath="a.png")
    found = formats.read("labelme", tmp_path, bare("a.jpg", "a.png"))
    assert [item.file for item in found] == ["a.png"]


def yolo(folder, lines, names="names: [cat, dog]\n", file="a"):
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "labels" / f"{file}.txt").write_text("".join(f"{line}\n" for line in lines))
    if names:
        (folder / "data.yaml").write_text(names)
    return folder


TRIANGLE = "0.1 0.1 0.5 0.1 0.5 0.5"


@pytest.mark.parametrize(
    ("line", "label", "score"),
    [
        (f"1.0 {TRIANGLE}", "dog", None),
        (f"1e0 {TRIANGLE}", "dog", None),
        (f"+1 {TRIANGLE}", "dog", None),
        (f"  1\t{TRIANGLE}  ", "dog", None),
        (f"1 {TRIANGLE} 0.5", "dog", 0.5),
        (f"1 {TRIANGLE} nan", "dog", None),
        (f"1 {TRIANGLE} 7", "dog", None),
        (f"1 {TRIANGLE} 0.1 0.5 0.75 12", "dog", 0.75),
        (f"1,{TRIANGLE.replace(' ', ',')},", "dog", None),
        (f"1.000000000000000000e+00, {TRIANGLE.replace(' ', ', ')}, ", "dog", None),
        (f"\ufeff0 {TRIANGLE}", "cat", None),
        (f"0 {TRIANGLE.replace('0.5', '.5')}", "cat", None),
        (f"0 {TRIANGLE.replace('0.1', '-1e-9')}", "cat", None),
    ],
)
def test_numbers_of_yolo_in_all_their_forms(tmp_path, line, label, score):
    photos = bare()
    found = formats.read(formats.recognized(yolo(tmp_path, [line]), photos), tmp_path, photos)[0]
    assert [(o.label, o.score) for o in found.objects] == [(label, score)]
    assert found.notes == ()


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (f"2 {TRIANGLE}", "class 2, but the classes of data.yaml are 0 to 1"),
        ("0 0.5 0.5 2.4 0.5 0.6 0.6", "coordinates from 0.5 to 2.4"),
        ("0 1.5 1.5 1.6 1.5 1.6 1.6", "outside of the photo"),
        (f"0.5 {TRIANGLE}", "not a whole number"),
        (f"cat {TRIANGLE}", "not a whole number"),
        ("0 0.1 0.1 0.2", "no polygon"),
        ("0 0.1 0.1 nan 0.2 0.2 0.2", "no polygon"),
        ("0 0.5 0.5 0.1 0.1", "1 object given as a box only"),
        ("0 0.5 0.5 0.1 0.1 0.9", "1 object given as a box only"),
    ],
)
def test_one_bad_line_of_yolo_is_left_out_and_named(tmp_path, bad, says):
    objects, said, left_out = read(yolo(tmp_path, [f"0 {TRIANGLE}", bad, f"1 {TRIANGLE}"]))
    assert (objects, left_out) == (["cat", "dog"], 1)
    assert says in said


def test_classes_of_yolo_from_wherever_they_are_named(tmp_path):
    line = f"1 {TRIANGLE}"
    for file, text in [
        ("data.yaml", "names: {0: cat, 1: dog, 5: cow}"),
        ("data.yaml", "names: {1: dog}"),
        ("data.yaml", "nc: 2\nnames: &n\n  - cat\n  - dog\n"),
        ("data.yaml", "%YAML 1.1\n---\n# by hand\nnames:\n  '0': cat\n  '1': >-\n    dog\n"),
        ("obj.names", "cat\ndog\n"),
        ("classes.txt", "cat\r\ndog\r\n"),
        ("_darknet.labels", "cat\ndog"),
    ]:
        yolo(tmp_path, [line], None)
        (tmp_path / file).write_text(text)
        assert read(tmp_path)[0] == ["dog"], text
        (tmp_path / file).unlink()
    objects, said, _ = read(yolo(tmp_path, [line], None))
    assert objects == ["class_1"]
    assert "1 object of a class without a name (add data.yaml or classes.txt)" in said
    (tmp_path / "data.yaml").write_text("names: [1, true, null, yes, 0x10, ~, 1e3, 2001-01-01]")
    assert [label.name for label in formats.read("yolo", tmp_path, bare()).labels] == [
        "1", "true", "null", "yes", "0x10", "~", "1e3", "2001-01-01",
    ]  # fmt: skip


def test_poses_and_labels_of_photos_that_are_gone(tmp_path):
    lines = ["0 0.5 0.5 0.2 0.2 0.5 0.5 2 0.4 0.4 1"]
    objects, said, left_out = read(yolo(tmp_path, lines, "names: [person]\nkpt_shape: [2, 3]\n"))
    assert (objects, said, left_out) == ([], "1 object given as a box with keypoints: left out", 1)
    yolo(tmp_path, [f"0 {TRIANGLE}"] * 3, None, "gone")
    (tmp_path / "README.roboflow.txt").write_text("a - v1\n\n0 1 2 3\n")
    _, said, left_out = read(tmp_path)
    assert left_out == 4
    assert said.startswith("1 file of photos that are not in the folder, as 'labels/gone.txt': 3 lines left out")


HOSTILE = {
    "laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nnames: [*c, *c]\n",
    "merges": "a: &a {0: x}\nb: &b {<<: [*a, *a]}\nnames: {<<: [*b, *b]}\n",
    "deep": "names: " + "[" * 100_000,
    "python": "names: !!python/object/apply:os.system [echo]\n",
    "no": "names: [a, b",
    "tab": "names:\n\t- a\n",
    "text": "just text",
    "list": "- a\n- b\n",
    "binary": "\0\1\2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_or_no_more_than_text(tmp_path, name):
    yolo(tmp_path, [f"0 {TRIANGLE}"], HOSTILE[name])
    if name == "python":
        assert read(tmp_path)[0] == ["echo"]
        return
    with pytest.raises(InputError, match=r"^'[^\n]*data\.yaml' is damaged [^\n]*$"):
        read(tmp_path)


def save(picture, path, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = PIL.Image.fromarray(picture)
    if palette is not None:
        made.putpalette(np.asarray(palette, np.uint8).tobytes())
    made.save(path)


def ids(*numbers):
    """Discs of these numbers, the first at the left; with a border of 255 around each."""
    picture = np.zeros(HW, np.uint8)
    for place, number in enumerate(numbers):
        picture[disc(HW, 10 + 18 * place, 30, 8)] = 255
        picture[disc(HW, 10 + 18 * place, 30, 6)] = number
    return picture


def in_colours(picture, palette=None):
    return (voc_palette() if palette is None else np.asarray(palette, np.uint8))[picture]


def test_colours_of_voc_mean_its_classes(tmp_path):
    save(in_colours(ids(8, 15)), tmp_path / "SegmentationClass" / "a.png")
    assert read(tmp_path) == (["cat", "person"], "", 0)
    save(ids(8, 15), tmp_path / "SegmentationClass" / "a.png", voc_palette())
    assert read(tmp_path) == (["cat", "person"], "", 0)


def test_nothing_gets_a_name_by_the_order_in_which_it_occurs(tmp_path):
    """Numbers without names, beyond VOC's, and colours that are nobody's."""
    folder = tmp_path / "SegmentationClass"
    save(ids(27, 3), folder / "a.png", voc_palette())
    objects, said, _ = read(tmp_path)
    assert objects == ["class_3", "class_27"]
    assert "2 objects of a class without a name (add labelmap.txt or class_names.txt)" in said
    save(ids(1, 2), folder / "a.png")
    assert read(tmp_path)[0] == ["class_1", "class_2"]
    odd = np.zeros((256, 3), np.uint8)
    odd[1], odd[2], odd[255] = (255, 128, 0), (1, 2, 3), (224, 224, 192)
    save(in_colours(ids(1, 2), odd), folder / "a.png")
    assert read(tmp_path)[0] == ["color_010203", "color_ff8000"]
    save(ids(1, 2), folder / "a.png", odd)
    assert read(tmp_path)[0] == ["class_1", "class_2"]
    save((ids(9) == 9) * np.uint8(255), folder / "a.png")
    objects, said, _ = read(tmp_path)
    assert objects == ["object"]
    assert "whose class is not said" in said


def test_a_tree_whose_boxes_name_other_classes_is_not_voc(tmp_path):
    save(ids(1, 2), tmp_path / "SegmentationClass" / "a.png", voc_palette())
    assert read(tmp_path)[0] == ["aeroplane", "bicycle"]
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation><object><name>screw</name></object></annotation>")
    assert read(tmp_path)[0] == ["class_1", "class_2"]


def test_lists_of_classes_beside_voc(tmp_path):
    """Those of CVAT by colour, those of labelme2voc by number, in whatever folder the tree lies."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    save(in_colours(ids(1, 2)), root / "SegmentationClass" / "a.png")
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:0,128,0::\nsky:128,0,0:a,b:c\n"
    )
    assert read(tmp_path)[0] == ["sky", "road"]
    (root / "labelmap.txt").write_text("background:0,0,0::\nroad:0,128,0::\n")
    objects, said, left_out = read(tmp_path)
    assert (objects, left_out) == (["road"], 1)
    assert "colour (128, 0, 0) is none of the 1 that labelmap.txt has" in said.replace("labels", "")
    (root / "labelmap.txt").unlink()
    for text in ("__ignore__\n_background_\nroad\nsky\n", "_background_\nroad\nsky", "road\nsky\n"):
        (root / "class_names.txt").write_text(text)
        assert read(tmp_path)[0] == ["road", "sky"], text
    (root / "SegmentationClass" / "a.png").rename(root / "x.png")
    save(ids(1, 2), root / "SegmentationClassPNG" / "a.png", voc_palette())
    assert read(tmp_path)[0] == ["road", "sky"]
    save(ids(1, 2, 5), root / "SegmentationClassPNG" / "a.png", voc_palette())
    objects, said, left_out = read(tmp_path)
    assert (objects, left_out) == (["road", "sky"], 1)
    assert "class 5 is none of the 2 that class_names.txt has" in said


def test_a_fault_in_the_labelmap_is_told_with_its_line(tmp_path):
    save(ids(1), tmp_path / "SegmentationClass" / "a.png")
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nroad\n")
    with pytest.raises(InputError, match=r"labelmap\.txt' is damaged .*line 2: 'road'"):
        read(tmp_path)


def test_objects_of_voc_in_colours_without_the_contour(tmp_path):
    save(in_colours(ids(1, 2)), tmp_path / "SegmentationObject" / "a.png")
    save(in_colours(ids(8, 8)), tmp_path / "SegmentationClass" / "a.png")
    found = formats.read("voc", tmp_path, bare())[0]
    assert [o.label for o in found.objects] == ["cat", "cat"]
    assert np.array_equal(found.objects[0].mask, disc(HW, 10, 30, 6))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"images": [{"file_name": "a.jpg"}], "info": {}}, "without COCO's `annotations`"),
        ({"a.jpg1": {"filename": "a.jpg", "regions": [{"shape_attributes": {}}]}}, "VGG Image Annotator"),
        ([{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": []}]}], "Label Studio's own JSON"),
        ({"objects": [{"classTitle": "cat"}], "size": {}}, "Supervisely's own JSON"),
        ([{"image_id": 1, "category_id": 1, "segmentation": {}, "score": 1}], "without its list of images"),
        ({"hello": 1}, r"neither COCO's keys .* nor LabelMe's .*; it has \"hello\""),
        ("", "is empty"),
        ('{"images": [{"file_name": "a.jpg"}], "annotations": [', "is damaged or of another format .*line 1 column"),
        ('{"shapes": [{"label": "cat"', "is damaged JSON .*line 1 column"),
        ('{"version": ', r"'a\.json' is damaged JSON .*line 1 column"),
    ],
)
def test_what_is_no_known_format_is_told_with_what_is_nearest(tmp_path, content, says):
    (tmp_path / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
    for source in (tmp_path, tmp_path / "a.json"):
        try:
            _, said, _ = read(source)
        except InputError as error:
            said = str(error)
        assert re.search(says, said), said


def test_folders_that_hold_something_else(tmp_path):
    for files, says in [
        ((), "it is empty"),
        (("x.csv", "y.csv"), "2 files with .csv"),
        (("other.png",), "1 picture that may be masks, as other.png, but none is named as a photo is"),
        (("b.xml",), "is XML"),
    ]:
        for file in tmp_path.iterdir():
            file.unlink()
        for file in files:
            (tmp_path / file).write_text("hello")
        with pytest.raises(InputError, match=f"holds no annotations of these photos in a known format .*{says}"):
            read(tmp_path)
