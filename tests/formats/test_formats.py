"""Each format against a reader of its own, or against one written here from the format's description."""

import base64
import contextlib
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from exported import LABELS, annotation, apart, blotch, disc, facts, folder_of_photos, overlapping, photo, ring
from fewclicks import formats
from fewclicks.formats.annotations import Label
from fewclicks.formats.palette import voc_palette
from fewclicks.images.reading import read_image

HW = (60, 80)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


@pytest.fixture
def two():
    rng = np.random.default_rng(1)
    return [photo("a.jpg"), photo("sub/b.png", overlapping(rng, (71, 33)), (71, 33))]


def pixels(path):
    with PIL.Image.open(path) as picture:
        return np.array(picture)


def changed(note):
    """(the most, the sum) of pixels in a note."""
    numbers = [int(word.replace(",", "")) for word in note.split() if word.replace(",", "").isdecimal()]
    return numbers[-2:]


def coco_of(path):
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("shapes", ["rle", "polygons"])
def test_pycocotools_reads_every_pixel(tmp_path, two, shapes):
    formats.export("coco", two, LABELS, tmp_path / "all.json", shapes=shapes)
    theirs = coco_of(tmp_path / "all.json")
    assert [image["file_name"] for image in theirs.loadImgs(theirs.getImgIds())] == ["a.jpg", "sub/b.png"]
    for image_id, item in enumerate(two, start=1):
        rows = theirs.loadAnns(theirs.getAnnIds(imgIds=image_id))
        assert len(rows) == len(item.objects)
        for row, found in zip(rows, item.objects, strict=True):
            assert np.array_equal(theirs.annToMask(row), found.mask)
            rle = theirs.annToRLE(row)
            assert row["area"] == coco_mask.area(rle)
            assert row["bbox"] == coco_mask.toBbox(rle).tolist()
            assert row["iscrowd"] == 0
            assert theirs.cats[row["category_id"]]["name"] == (found.label or "object")


def test_filled_polygons_of_coco_say_what_they_fill(tmp_path, two):
    done = formats.export("coco", two, LABELS, tmp_path / "all.json", shapes="filled_polygons")
    theirs = coco_of(tmp_path / "all.json")
    masks = [found.mask for item in two for found in item.objects]
    drawn = [theirs.annToMask(row) for row in theirs.loadAnns(theirs.getAnnIds())]
    more = [int((np.asarray(d, bool) ^ m).sum()) for d, m in zip(drawn, masks, strict=True)]
    assert changed(done.notes[0]) == [max(more), sum(more)]
    assert done.notes[0].startswith(f"{sum(count > 0 for count in more)} objects with holes, which polygons fill")


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme"])
def test_a_tolerance_makes_polygons_smaller_and_says_its_price(tmp_path, name):
    smooth = photo(objects=[annotation(disc((200, 300), 150, 100, 80))], hw=(200, 300))
    shapes = {"coco": {"shapes": "polygons"}, "labelme": {"shapes": "polygon"}}.get(name, {})
    exact = formats.export(name, [smooth], LABELS, tmp_path / "exact", **shapes)
    rough = formats.export(name, [smooth], LABELS, tmp_path / "rough", tolerance_px=2, **shapes)
    assert exact.notes == ()
    sizes = [sum(f.stat().st_size for f in done.files) for done in (exact, rough)]
    assert sizes[1] < 0.7 * sizes[0]
    back = formats.read(name, tmp_path / "rough", [smooth])[0].objects[0].mask
    difference = int((back ^ smooth.objects[0].mask).sum())
    assert 0 < difference < 0.03 * smooth.objects[0].mask.sum()
    assert changed(rough.notes[0]) == [difference, difference]


def test_polygons_of_coco_are_filled_as_pycocotools_does(tmp_path):
    """Not by the same rule at the edge (it draws the outline five times as large), so up to some pixels of it."""
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for _ in range(20):
        radii = rng.uniform(20, 80, 12)
        points = np.column_stack([100 + radii * np.cos(angles), 90 + radii * np.sin(angles)])
        write_coco(tmp_path / "all.json", [{"segmentation": [points.ravel().tolist()]}], (180, 200))
        mine = formats.read("coco", tmp_path / "all.json", [photo(hw=(180, 200), objects=())])[0].objects[0].mask
        theirs = coco_mask.decode(coco_mask.frPyObjects([points.ravel().tolist()], 180, 200)[0])
        assert (mine ^ theirs.astype(bool)).sum() <= 0.01 * theirs.sum()


def write_coco(path, annotations, hw=HW, file="a.jpg", **more):
    rows = [{"id": i, "image_id": 7, "category_id": 3, "iscrowd": 0, **row} for i, row in enumerate(annotations)]
    image = {"id": 7, "file_name": file, "width": hw[1], "height": hw[0]}
    path.write_text(
        json.dumps({"images": [image], "annotations": rows, "categories": [{"id": 3, "name": "cat"}]} | more)
    )


def test_coco_of_other_programs(tmp_path):
    """Run lengths as a list, one flat list as polygon, crowds, several polygons, boxes, names with folders."""
    mask = ring(HW, 40, 30, 20, 9)
    counts = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[2], mask.T.ravel(), [2]])))).tolist()
    square = [10, 10, 20, 10, 20, 15, 10, 15]
    rows = [
        {"segmentation": {"size": [60, 80], "counts": counts}, "iscrowd": 1, "score": 0.25},
        {"segmentation": {"size": [60, 80], "counts": runs}},
        {"segmentation": square},
        {"segmentation": [square, [30, 30, 33, 30, 33, 34, 30, 34], [79, 59, 90, 59, 90, 70, 79, 70]]},
        {"segmentation": [], "bbox": [1, 2, 3, 4]},
        {"segmentation": [[1.1, 1.1, 1.2, 1.1, 1.2, 1.2]], "category_id": 3},
    ]
    write_coco(tmp_path / "instances.json", rows, file="train2017/a.jpg")
    back = formats.read("coco", tmp_path, [photo(objects=()), photo("b.jpg", ())])
    assert [item.file for item in back] == ["a.jpg"]
    found = back[0]
    assert [o.label for o in found.objects] == ["cat"] * 4
    assert np.array_equal(found.objects[0].mask, mask)
    assert np.array_equal(found.objects[1].mask, mask)
    assert found.objects[0].score == 0.25
    box = np.zeros(HW, bool)
    box[10:15, 10:20] = True
    assert np.array_equal(found.objects[2].mask, box)
    box[30:34, 30:33] = True
    box[59, 79] = True
    assert np.array_equal(found.objects[3].mask, box)
    assert found.notes == (
        "1 object marked as crowds (iscrowd): each is taken in as one object",
        "1 object without outline (a box only): left out",
        "1 object smaller than a pixel: left out",
    )
    assert found.left_out == 2


def yolo_lines(path, hw, whole=np.trunc):
    """The class and mask of each line, drawn by OpenCV."""
    for line in path.read_text().splitlines():
        index, *numbers = line.split()
        points = whole(np.array(numbers, np.float32).reshape(-1, 2) * (hw[1], hw[0])).astype(np.int32)
        canvas = np.zeros(hw, np.uint8)
        cv2.fillPoly(canvas, [points], 1)
        assert len(points) >= 3
        assert min(map(float, numbers)) >= 0
        assert max(map(float, numbers)) <= 1
        yield int(index), canvas.astype(bool)


@pytest.mark.parametrize("whole", [np.trunc, np.round])
def test_yolo_drawn_by_opencv(tmp_path, two, whole):
    done = formats.export("yolo", two, LABELS, tmp_path / "out")
    more = []
    for item, file in zip(two, ("a", "sub/b"), strict=True):
        drawn = list(yolo_lines(tmp_path / "out" / "labels" / f"{file}.txt", item.hw, whole))
        assert [LABELS[i].name if i < 3 else "object" for i, _ in drawn] == [o.label or "object" for o in item.objects]
        assert all((mask >= found.mask).all() for (_, mask), found in zip(drawn, item.objects, strict=True))
        more += [int((mask ^ found.mask).sum()) for (_, mask), found in zip(drawn, item.objects, strict=True)]
    assert [more[0], more[1], more[3]] == [0, 0, 0]
    bridged = [count for count in more if count]
    assert done.notes[1].startswith(f"{len(bridged)} objects of several parts, joined by bridges")
    assert changed(done.notes[1]) == [max(bridged), sum(bridged)]


def test_yolo_on_a_photo_of_many_pixels(tmp_path):
    hw = (400, 12001)
    big = photo(objects=[annotation(ring(hw, 9000, 200, 190, 77))], hw=hw)
    done = formats.export("yolo", [big], LABELS, tmp_path / "out")
    assert done.notes == ()
    assert np.array_equal(next(yolo_lines(tmp_path / "out" / "labels" / "a.txt", hw))[1], big.objects[0].mask)


def test_bridges_between_parts_are_short(tmp_path):
    rng = np.random.default_rng(5)
    masks = [blotch(rng, (200, 300), share) for share in (0.1, 0.3, 0.5)]
    noise = rng.random((120, 160)) < 0.2  # more parts than are compared with each other
    for mask in [*masks, noise]:
        done = formats.export(
            "yolo", [photo(objects=[annotation(mask)], hw=mask.shape)], [], tmp_path / "out", overwrite=True
        )
        _, drawn = next(yolo_lines(tmp_path / "out" / "labels" / "a.txt", mask.shape))
        assert (drawn >= mask).all()
        assert changed(done.notes[0])[0] == (drawn ^ mask).sum()
        if mask is not noise:
            assert (drawn ^ mask).sum() < 0.05 * mask.size


@pytest.mark.parametrize(
    "text",
    [
        'names: [cat, \'the "dog"\', "a, b"]\n',
        'train: x\nnames:\n  - cat\n  # the others\n  - \'the "dog"\'\n\n  - "a, b"\nnc: 3\n',
        'names:\n- cat\n- the "dog"  # comment\n- a, b\n',
        "nc: 3\nnames:\n  0: cat\n  2: 'a, b'\n  1: the \"dog\"\n",
        'names: {0: cat, 1: \'the "dog"\', 2: "a, b"}',
        "names: [\n  cat, 'the \"dog\"',\n  'a, b'\n]\nnc: 3\n",
    ],
)
def test_the_names_of_yolo_in_all_their_forms(tmp_path, text):
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text(text)
    (tmp_path / "labels" / "a.txt").write_text(
        "1 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9 0.75\n2 0.5 0.5 0.1 0.1\n\n2 0 0 1 0 1 1\n"
    )
    back = formats.read("yolo", tmp_path, [photo(objects=())])
    assert [label.name for label in back.labels] == ["cat", 'the "dog"', "a, b"]
    found = back[0]
    assert [(o.label, o.score) for o in found.objects] == [('the "dog"', 0.75), ("a, b", None)]
    assert found.objects[0].mask.sum() == 49 * 65
    assert found.notes == ("1 object given as a box only: left out",)


def labelme_masks(path, hw):
    """The objects as LabelMe draws them: Pillow's polygon with its outline; parts by group."""
    content = json.loads(path.read_text())
    assert (content["imageHeight"], content["imageWidth"], content["imageData"]) == (*hw, None)
    found = {}
    for number, shape in enumerate(content["shapes"]):
        canvas = PIL.Image.new("L", hw[::-1])
        if shape["shape_type"] == "mask":
            (x0, y0), (x1, y1) = np.array(shape["points"], int)
            picture = PIL.Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
            assert picture.size == (x1 - x0 + 1, y1 - y0 + 1)
            canvas.paste(picture, (x0, y0))
        else:
            assert len(shape["points"]) > 2
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in shape["points"]], fill=1, outline=1)
        key = number if shape["group_id"] is None else f"group {shape['group_id']}"
        found[key] = found.get(key, np.zeros(hw, bool)) | (np.asarray(canvas) > 0)
    return list(found.values())


@pytest.mark.parametrize("shapes", ["auto", "mask", "polygon"])
def test_labelme_drawn_by_pillow(tmp_path, two, shapes):
    done = formats.export("labelme", two, LABELS, tmp_path / "out", shapes=shapes)
    more = []
    for item, file in zip(two, ("a", "sub/b"), strict=True):
        drawn = labelme_masks(tmp_path / "out" / f"{file}.json", item.hw)
        more += [int((mask ^ found.mask).sum()) for mask, found in zip(drawn, item.objects, strict=True)]
    if shapes == "polygon":
        assert changed(done.notes[0]) == [max(more), sum(more)]
        assert max(more) > 100
    else:
        assert sum(more) == 0
        assert done.notes == ("1 object without a label: called 'object'",)


def test_labelme_of_other_programs(tmp_path):
    """Rectangles, circles, groups, shapes without area, the fields of X-AnyLabeling."""
    shapes = [
        {"label": "cat", "shape_type": "rectangle", "points": [[20, 15], [10, 10]], "group_id": None, "score": 0.5},
        {"label": "cat", "shape_type": "circle", "points": [[40, 30], [40, 40]], "description": "round"},
        {"label": "dog", "points": [[1, 1], [3, 1], [3, 3]], "group_id": 2},
        {"label": "cat", "shape_type": "linestrip", "points": [[1, 1], [3, 1]], "group_id": None},
        {"label": "dog", "shape_type": "rotation", "points": [[5, 1], [7, 1], [7, 3], [5, 3]], "group_id": 2},
        {"label": "cat", "shape_type": "point", "points": [[1, 1]]},
    ]
    content = {"version": "4", "flags": {}, "shapes": shapes, "imagePath": "a.jpg", "imageHeight": 60, "imageWidth": 80}
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = formats.read("labelme", tmp_path, [photo(objects=())])[0]
    assert [(o.label, o.name, o.score) for o in found.objects] == [
        ("cat", "", 0.5),
        ("cat", "round", None),
        ("dog", "", None),
    ]
    assert found.objects[0].mask.sum() == 11 * 6
    assert (found.objects[1].mask ^ disc(HW, 40, 30, 10)).sum() < 20
    assert found.objects[2].mask.sum() == 6 + 9
    assert found.notes == ("2 shapes without area (points and lines): left out",)


def test_voc_as_its_programs_read_it(tmp_path, two):
    formats.export("voc", two, LABELS, tmp_path / "out")
    for item, stem in zip(two, ("a", "sub/b"), strict=True):
        ids = pixels(tmp_path / "out" / "SegmentationObject" / f"{stem}.png")
        classes = pixels(tmp_path / "out" / "SegmentationClass" / f"{stem}.png")
        root = ET.parse(tmp_path / "out" / "Annotations" / f"{stem}.xml").getroot()
        assert ids.dtype == np.uint8
        rows = root.findall("object")
        assert len(rows) == ids.max() == len(item.objects)
        for i, (row, found) in enumerate(zip(rows, item.objects, strict=True), start=1):
            number = [label.name for label in LABELS].index(found.label) + 1 if found.label else 4
            assert set(classes[ids == i]) == {number}
            assert row.findtext("name") == (found.label.replace(":", "_") or "object"), (
                "a colon ends names in labelmap.txt"
            )
            box = [int(row.findtext(f"bndbox/{tag}")) for tag in ("xmin", "ymin", "xmax", "ymax")]
            yy, xx = np.nonzero(ids == i)
            assert box == [xx.min() + 1, yy.min() + 1, xx.max() + 1, yy.max() + 1]
        assert root.findtext("size/width") == str(item.hw[1])
    listed = (tmp_path / "out" / "ImageSets" / "Segmentation" / "trainval.txt").read_text()
    assert listed == "a\nsub/b\n"


def test_the_palette_is_that_of_voc():
    assert voc_palette()[[0, 1, 2, 3, 20, 255]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 64, 128], [224, 224, 192]
    ]  # fmt: skip


def test_voc_itself_and_colours(tmp_path):
    """No labelmap.txt: the classes of VOC; a void border; SegmentationClass in the colours of labelmap.txt."""
    ids, classes = np.zeros((2, *HW), np.uint8)
    for index, (number, x) in enumerate([(8, 20), (15, 55)], start=1):
        border = disc(HW, x, 30, 14)
        ids[border], classes[border] = 255, 255
        ids[disc(HW, x, 30, 12)], classes[disc(HW, x, 30, 12)] = index, number
    for folder, picture in (("SegmentationObject", ids), ("SegmentationClass", classes)):
        (tmp_path / folder).mkdir()
        paletted = PIL.Image.fromarray(picture)
        paletted.putpalette(voc_palette().tobytes())
        paletted.save(tmp_path / folder / "a.png")
    found = formats.read("voc", tmp_path, [photo(objects=())])[0]
    assert [o.label for o in found.objects] == ["cat", "person"]
    assert np.array_equal(found.objects[0].mask, disc(HW, 20, 30, 12))
    (tmp_path / "SegmentationObject" / "a.png").unlink()
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nx:1,2,3::\ny:9,9,9::\n"
    )
    colours = np.zeros((*HW, 3), np.uint8)
    colours[disc(HW, 20, 30, 12)] = 9
    PIL.Image.fromarray(colours).save(tmp_path / "SegmentationClass" / "a.png")
    found = formats.read("voc", tmp_path, [photo(objects=())])[0]
    assert [o.label for o in found.objects] == ["y"]


def test_index_masks_of_many_objects_skip_255(tmp_path):
    hw = (20, 400)
    masks = np.zeros((300, *hw), bool)
    for i in range(300):
        masks[i, i % 20, i] = True
    item = photo(objects=[annotation(mask, name=str(i)) for i, mask in enumerate(masks)], hw=hw)
    done = formats.export("index_png", [item], LABELS, tmp_path / "out")
    assert done.notes == ("1 photo with ids above 254: written as 16-bit PNG, which some programs do not read",)
    ids = pixels(tmp_path / "out" / "masks" / "a.png")
    assert ids.dtype == np.uint16
    assert sorted(set(ids.ravel().tolist())) == [i for i in range(302) if i != 255]
    assert facts(formats.read("index_png", tmp_path / "out", [item])[0]) == facts(item)
    formats.export("index_png", [replace(item, objects=item.objects[:254])], LABELS, tmp_path / "small")
    small = pixels(tmp_path / "small" / "masks" / "a.png")
    assert small.dtype == np.uint8
    assert small.max() == 254


def test_index_masks_of_labels(tmp_path):
    item = photo(objects=[*apart(), annotation(disc(HW, 35, 10, 5))])
    done = formats.export("index_png", [item], LABELS, tmp_path / "out", ids="labels")
    ids = pixels(tmp_path / "out" / "masks" / "a.png")
    assert np.array_equal(ids == 1, item.objects[0].mask | item.objects[4].mask)
    assert ids.max() == 4
    assert done.notes == (
        "1 object with the same id as another of the label: they become one",
        "1 object without a label: called 'object'",
    )
    assert [o.label for o in formats.read("index_png", tmp_path / "out", [item])[0].objects] == [
        *(label.name for label in LABELS),
        "object",
    ]


def test_index_masks_of_other_programs(tmp_path):
    """Without objects.json: palette with 255, grey, black and white, colours, 16 bits; named in several ways."""
    one, two = disc(HW, 20, 30, 12), disc(HW, 60, 30, 12)
    ids = (one * 3 + two * 255).astype(np.uint8)
    paletted = PIL.Image.fromarray(ids)
    paletted.putpalette(voc_palette().tobytes())
    (tmp_path / "masks").mkdir()
    paletted.save(tmp_path / "masks" / "p.png")
    PIL.Image.fromarray(one.astype(np.uint8) * 255).save(tmp_path / "masks" / "white_mask.png")
    PIL.Image.fromarray((one * 40 + two * 80).astype(np.uint8)).save(tmp_path / "masks" / "grey_gt.png")
    PIL.Image.fromarray((one | two)[..., None] * np.array([9, 8, 7], np.uint8)).save(tmp_path / "c.bmp")
    PIL.Image.fromarray((one * 1000 + two * 255).astype(np.uint16)).save(tmp_path / "deep.png")
    PIL.Image.fromarray(one).save(tmp_path / "bits.png")
    names = ["p", "white", "grey", "c", "deep", "bits"]
    back = {item.file: item for item in formats.read("index_png", tmp_path, [photo(f"{n}.jpg", ()) for n in names])}
    expected = {"p": [one], "white": [one], "grey": [one, two], "c": [one | two], "deep": [one], "bits": [one]}
    for name, masks in expected.items():
        found = back[f"{name}.jpg"].objects
        assert [o.mask.tobytes() for o in found] == [mask.tobytes() for mask in masks], name
        assert {o.label for o in found} == {"object"}


def test_binary_masks_of_other_programs(tmp_path):
    """Without objects.json: in the order of the numbers, the label behind them; also one mask named as the photo."""
    for number in (10, 2, 1):
        (tmp_path / "a").mkdir(exist_ok=True)
        PIL.Image.fromarray(disc(HW, 20, 30, number)).save(tmp_path / "a" / f"{number}-dog.png")
    PIL.Image.fromarray(disc(HW, 20, 30, 5)).save(tmp_path / "b_mask.png")
    back = formats.read("binary_png", tmp_path, [photo(objects=()), photo("b.jpg", ())])
    assert [o.label for o in back[0].objects] == ["dog"] * 3
    assert [o.mask.sum() for o in back[0].objects] == [disc(HW, 20, 30, r).sum() for r in (1, 2, 10)]
    assert [o.label for o in back[1].objects] == ["object"]


def test_a_photo_is_not_taken_for_its_mask(tmp_path):
    photos = folder_of_photos(tmp_path, [photo("a.png", ()), photo("b.png", ())])
    PIL.Image.fromarray(disc(HW, 20, 30, 5)).save(tmp_path / "a_mask.png")
    back = formats.read("index_png", tmp_path, photos)
    assert [item.file for item in back] == ["a.png"]
    assert np.array_equal(back[0].objects[0].mask, disc(HW, 20, 30, 5))


def test_cutouts(tmp_path):
    item = folder_of_photos(tmp_path, [photo()])[0]
    image = read_image(item.path)
    formats.export("cutout", [item], LABELS, tmp_path / "out")
    rgba = pixels(tmp_path / "out" / "a" / "0002-dog__big.png")
    mask = item.objects[1].mask
    assert np.array_equal(rgba[..., 3], mask * np.uint8(255))
    assert np.array_equal(rgba[mask][:, :3], image[mask])
    assert not rgba[~mask].any()
    formats.export("cutout", [item], LABELS, tmp_path / "crops", crop=True, margin_px=2)
    assert np.array_equal(pixels(tmp_path / "crops" / "a" / "0002-dog__big.png"), rgba[3:38, 43:78])
    assert pixels(tmp_path / "crops" / "a" / "0004-object.png").shape == (5, 5, 4)


def test_the_edge_of_a_cutout_is_soft_but_for_painted_pixels(tmp_path):
    item = folder_of_photos(tmp_path, [photo()])[0]
    prob = np.zeros(HW, np.float32)
    prob[20:40, 20:40] = np.linspace(0, 1, 20, dtype=np.float32)
    mask = prob > 0.5
    mask[0, 0] = True  # painted
    mask[30, 38] = False  # erased
    formats.export("cutout", [replace(item, objects=[annotation(mask, prob=prob)])], LABELS, tmp_path / "out")
    alpha = pixels(tmp_path / "out" / "a" / "0001-cat.png")[..., 3]
    assert alpha[0, 0] == 255
    assert alpha[30, 38] == 0
    assert len(set(alpha[25, 20:40].tolist())) > 8
    assert (alpha[20:40, 20:40] > 0).sum() > mask.sum()


def test_cutouts_of_a_photo_on_its_side(tmp_path):
    """The EXIF orientation is applied: masks are in the frame as displayed."""
    sensor = np.zeros((*HW, 3), np.uint8)
    sensor[:, :40] = (200, 0, 0)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    PIL.Image.fromarray(sensor).save(tmp_path / "a.png", exif=exif)
    top = np.zeros((80, 60), bool)
    top[:40] = True
    item = photo("a.png", [annotation(top)], (80, 60), path=tmp_path / "a.png")
    formats.export("cutout", [item], [Label("cat", (0, 0, 0))], tmp_path / "out", crop=True)
    assert (pixels(tmp_path / "out" / "a" / "0001-cat.png") == [200, 0, 0, 255]).all()
