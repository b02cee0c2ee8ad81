"""COCO panoptic, LVIS and COCO+LVIS on small sets in the layouts of the originals, and the build of the third."""

import contextlib
import json
import os
import pickle
import sys

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewclicks.cli import main
from fewclicks.datasets import build as build_module
from fewclicks.datasets import coco_files, coco_lvis, coco_panoptic, lvis, plain_pickle
from fewclicks.datasets.build import Build, build, link_photos
from fewclicks.datasets.merge import hierarchy, merge
from fewclicks.errors import DatasetError, MissingExtra
from fewclicks.types import IGNORE_ID

PERSON, CAT, SKY = 1, 17, 187
CATEGORIES = [{"id": PERSON, "isthing": 1}, {"id": CAT, "isthing": 1}, {"id": SKY, "isthing": 0}]
HW = (40, 60)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_CACHE", str(tmp_path_factory.mktemp("cache")))


def box(top, left, bottom, right, hw=HW):
    """A mask of one box."""
    mask = np.zeros(hw, bool)
    mask[top:bottom, left:right] = True
    return mask


def polygon(top, left, bottom, right):
    """The corners of a box, as COCO writes polygons."""
    return [left, top, right, top, right, bottom, left, bottom]


def write_photo(path, hw=HW):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((*hw, 3), 90, np.uint8)).save(path)


def write_coco(root, photos, split="val", folder="images/val2017"):
    """COCO panoptic as published. `photos`: stem -> (segment id, class, crowd, mask) of each segment."""
    annotations = []
    (root / "annotations" / f"panoptic_{split}2017").mkdir(parents=True)
    for stem, segments in photos.items():
        rgb = np.zeros((*HW, 3), np.uint8)
        for number, _, _, mask in segments:
            rgb[mask] = (number % 256, number // 256 % 256, number // 65536)
        PIL.Image.fromarray(rgb).save(root / "annotations" / f"panoptic_{split}2017" / f"{stem}.png")
        write_photo(root / folder / f"{stem}.jpg")
        info = [
            {"id": n, "category_id": c, "iscrowd": k, "bbox": [0, 0, 1, 1], "area": int(m.sum())}
            for n, c, k, m in segments
        ]
        annotations.append({"segments_info": info, "file_name": f"{stem}.png", "image_id": int(stem)})
    images = [{"id": int(stem), "file_name": f"{stem}.jpg", "height": HW[0], "width": HW[1]} for stem in photos]
    content = {"info": {"year": 2018}, "licenses": [], "images": images, "annotations": annotations}
    file = root / "annotations" / f"panoptic_{split}2017.json"
    file.write_text(json.dumps({**content, "categories": CATEGORIES}))
    return file


def write_lvis(root, photos, split="val", with_photos=True):
    """LVIS v1 as published. `photos`: "val2017/STEM.jpg" -> segmentations."""
    images, annotations = [], []
    for name, shapes in photos.items():
        number = int(name.partition("/")[2].removesuffix(".jpg"))
        images.append({"id": number, "coco_url": f"http://host/{name}", "height": HW[0], "width": HW[1]})
        annotations += [{"image_id": number, "category_id": 3, "segmentation": shape} for shape in shapes]
        if with_photos:
            write_photo(root / name)
    for number, annotation in enumerate(annotations):
        annotation["id"] = number
    content = {"info": {}, "annotations": annotations, "images": images, "categories": [{"name": "é"}]}
    root.mkdir(parents=True, exist_ok=True)
    (root / f"lvis_v1_{split}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")


@pytest.fixture
def coco(tmp_path):
    """Two photos; the second has an object of a large id beside a crowd, sky and unlabelled pixels."""
    photos = {
        "000000000009": [(1, PERSON, 0, box(0, 0, 10, 10))],
        "000000000007": [
            (8345037, CAT, 0, box(0, 0, 20, 20)),
            (200, SKY, 0, box(0, 20, 20, 60)),
            (513, PERSON, 1, box(20, 0, 40, 10)),
            (3, PERSON, 0, box(20, 10, 30, 20)),
        ],
    }
    write_coco(tmp_path, photos)
    return tmp_path


def test_panoptic_things_are_objects_and_crowds_are_not_counted(coco):
    scenes = coco_panoptic.scenes(coco, "val")
    assert [scenes.photo(i) for i in range(len(scenes))] == ["000000000007", "000000000009"]
    scene = scenes[0]
    assert scene.objects() == scenes.ids(0) == [1, 2]
    assert scene.ids.shape == HW
    assert scene.ids.dtype == np.uint8
    crowd = box(20, 0, 40, 10)
    for number, mask in ((1, box(0, 0, 20, 20)), (2, box(20, 10, 30, 20))):
        np.testing.assert_array_equal(scene.truth(number), np.where(crowd, -1, mask))
    assert scene.image.shape == (*HW, 3)


def test_panoptic_stuff_is_kept_when_asked_for(coco):
    scene = coco_panoptic.scenes(coco, "val", stuff=True)[0]
    assert scene.objects() == [1, 2, 3]
    assert scene.stuff == {2}
    np.testing.assert_array_equal(scene.truth(2) == 1, box(0, 20, 20, 60))
    assert not coco_panoptic.scenes(coco, "val")[0].stuff


def test_every_panoptic_thing_is_a_sample(coco):
    objects = coco_panoptic.open(coco)
    assert [objects[i].name for i in range(len(objects))] == ["000000000007#1", "000000000007#2", "000000000009#1"]
    assert (objects[2].truth == 1).sum() == 100
    assert len(coco_panoptic.open(coco, stuff=True)) == 4


def test_photos_may_lie_beside_images(coco):
    (coco / "images" / "val2017").rename(coco / "val2017")
    assert len(coco_panoptic.scenes(coco, "val")) == 2


def test_an_incomplete_coco_says_what_is_missing(coco):
    (coco / "images" / "val2017" / "000000000009.jpg").unlink()
    with pytest.raises(DatasetError, match=r"files .* missing in .*val2017, 1 of 2, the first is 000000000009\.jpg"):
        coco_panoptic.open(coco)
    write_photo(coco / "images" / "val2017" / "000000000009.jpg", (4, 4))
    with pytest.raises(DatasetError, match="its photo 4x4"):
        coco_panoptic.scenes(coco, "val")[1]
    (coco / "annotations" / "panoptic_val2017" / "000000000009.png").unlink()
    with pytest.raises(DatasetError, match="annotations/panoptic_val2017"):
        coco_panoptic.open(coco)
    with pytest.raises(DatasetError, match="no split named 'test'"):
        coco_panoptic.open(coco, "test")
    with pytest.raises(DatasetError, match=r"panoptic_train2017 does not exist; expected this layout:\nCOCO/"):
        coco_panoptic.scenes(coco)


@pytest.mark.parametrize("keep", [0, 1, 60, 300, -1])
def test_a_cut_annotation_file_is_refused(coco, keep):
    file = coco / "annotations" / "panoptic_val2017.json"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DatasetError, match="is no whole annotation file"):
        coco_panoptic.open(coco)


@pytest.mark.parametrize("content", ['{"annotations": [{"file_name": 3}]}', '{"annotations": [4]}', "[1]", "{" * 9999])
def test_another_file_in_the_place_of_the_annotations_is_refused(coco, content):
    (coco / "annotations" / "panoptic_val2017.json").write_text(content)
    with pytest.raises(DatasetError, match="annotation"):
        coco_panoptic.open(coco)


def test_the_index_is_read_once_and_anew_when_the_file_changes(coco, monkeypatch):
    calls = []
    monkeypatch.setattr(coco_panoptic, "elements", lambda file: calls.append(file) or coco_files.elements(file))
    first, second = coco_panoptic.scenes(coco, "val"), coco_panoptic.scenes(coco, "val")
    assert len(calls) == 1
    assert first.stems == second.stems
    np.testing.assert_array_equal(first[0].ids, second[0].ids)
    os.utime(coco / "annotations" / "panoptic_val2017.json", (1, 1))
    coco_panoptic.scenes(coco, "val")
    assert len(calls) == 2
    for saved in (coco_files.cache_folder() / "indices").iterdir():
        saved.write_bytes(b"PK\x03\x04 damaged")
    assert coco_panoptic.scenes(coco, "val").stems == first.stems


def test_elements_know_their_place_in_the_file_whatever_the_chunk(coco, tmp_path, monkeypatch):
    file = tmp_path / "some.json"
    file.write_text('{"a": [{"x": "é"} ,\n {"y": [1, 2.5]}], "n": 123456, "b": {"c": []}, "d": [], "e":[{}]}', "utf-8")
    for chunk in (1, 3, 1000):
        monkeypatch.setattr(coco_files, "CHUNK", chunk)
        found = list(coco_files.elements(file))
        assert [key for key, *_ in found] == ["a", "a", "e"]
        for _, _, start, length in found:
            assert json.loads(file.read_bytes()[start : start + length]) in ({"x": "é"}, {"y": [1, 2.5]}, {})


@pytest.fixture
def lvis_root(tmp_path):
    """A val of two photos, of both folders: overlapping boxes, a polygon in two pieces, run lengths."""
    hat, head, pieces = [polygon(0, 0, 8, 8)], [polygon(0, 0, 20, 20)], [polygon(30, 0, 40, 5), polygon(30, 3, 40, 9)]
    run = {"size": list(HW), "counts": [40 * 50, 400]}  # column by column: the last ten columns
    names = {"train2017/000000000581.jpg": [head, hat, pieces], "val2017/000000000139.jpg": [run, [[1, 1, 5, 5]]]}
    write_lvis(tmp_path, names)
    return tmp_path


def test_lvis_objects_overlap_in_layers(lvis_root):
    scenes = lvis.scenes(lvis_root, "val")
    assert [scenes.photo(i) for i in range(len(scenes))] == ["000000000139", "000000000581"]
    scene = scenes[1]
    assert scene.ids.shape == (*HW, 2)
    assert scene.objects() == [1, 2, 3]
    for number, mask in ((1, box(0, 0, 20, 20)), (2, box(0, 0, 8, 8)), (3, box(30, 0, 40, 9))):
        np.testing.assert_array_equal(scene.truth(number), mask, f"object {number}")
    np.testing.assert_array_equal(scenes[0].truth(1), box(0, 50, 40, 60))
    assert scenes[0].objects() == [1], "two points are no polygon"


def test_lvis_leaves_out_what_is_covered_when_asked_to(lvis_root):
    assert lvis.scenes(lvis_root, "val", max_overlap=0.5)[1].objects() == [1, 3]


def test_every_lvis_object_is_a_sample(lvis_root):
    objects = lvis.open(lvis_root)
    assert [objects[i].name for i in range(3)] == ["000000000139#1", "000000000139#2", "000000000581#1"]
    assert len(objects) == 5


def test_lvis_finds_the_photos_in_other_layouts(lvis_root):
    (lvis_root / "images").mkdir()
    (lvis_root / "val2017").rename(lvis_root / "images" / "val2017")
    (lvis_root / "train").mkdir()
    (lvis_root / "train2017").rename(lvis_root / "train" / "images")
    assert lvis.scenes(lvis_root, "val")[1].objects() == [1, 2, 3]
    (lvis_root / "train" / "images" / "000000000581.jpg").unlink()
    with pytest.raises(DatasetError, match=r"first is 000000000581\.jpg"):
        lvis.open(lvis_root)
    (lvis_root / "train" / "images").rmdir()
    with pytest.raises(DatasetError, match="no photos of train2017"):
        lvis.open(lvis_root)


def test_lvis_without_pycocotools_names_the_extra(lvis_root, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingExtra, match=r"pip install 'fewclicks\[datasets\]'"):
        lvis.open(lvis_root)


@pytest.mark.parametrize("shape", [None, {"counts": [1]}, {"size": [2, 2], "counts": [4]}, [["a"] * 6]])
def test_a_damaged_object_of_lvis_is_refused(tmp_path, shape):
    write_lvis(tmp_path, {"val2017/000000000001.jpg": [shape]})
    with pytest.raises(DatasetError, match="has no mask"):
        lvis.scenes(tmp_path, "val")[0]


def test_object_ids_leave_out_the_ignored_one():
    assert coco_files.object_ids(254).dtype == np.uint8
    many = coco_files.object_ids(300)
    assert many.dtype == np.uint16
    assert IGNORE_ID not in many
    assert len(set(many.tolist())) == 300
    np.testing.assert_array_equal(many[:254], coco_files.object_ids(254))


# Pickles


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f"touch {self.file}",)


PLAIN = {
    "000000000009": {"num_instance_masks": 2, "hierarchy": {0: None, 1: {"children": [0], "parent": None}}},
    "numbers": [0, -1, 255, 256, 65536, -(2**31), 2**40, -(2**70), 1.5, True, False, None],
    "texts": ["", "a" * 300, "é", b"b" * 300, b"", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "scalars": [np.int64(-3), np.float32(0.5), np.bool_(True), np.uint8(7)],
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data_come_out_as_they_went_in(protocol):
    assert plain_pickle.decode(pickle.dumps(PLAIN, protocol)) == PLAIN
    shared = np.arange(12, dtype=">u2").reshape(3, 4)
    arrays = [shared, shared, np.asfortranarray(shared), np.zeros(0, np.uint8), np.eye(2)]
    found = plain_pickle.decode(pickle.dumps(arrays, protocol))
    assert found[0] is found[1]
    for array, other in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path, protocol):
    for name, hostile in (("a", Hostile(tmp_path / "ran")), ("b", [{"x": (Hostile(tmp_path / "ran"),)}])):
        (tmp_path / name).write_bytes(pickle.dumps(hostile, protocol))
        with pytest.raises(DatasetError, match=r"holds (posix|nt)\.system, which is no plain data; nothing of it was"):
            plain_pickle.read(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        (pickle.dumps(np.array([{}], object)), "array of type"),
        (pickle.dumps(np.array(["a"])), "array of type"),
        (pickle.dumps(np.zeros(2, [("a", "u1")])), "array of type"),
        (pickle.dumps({1, 2}), "opcode"),
        (pickle.dumps({(1, 2): 3}), "no pickle of plain data"),
        (pickle.dumps(1, 0), "damaged|opcode"),
        (b"\x80\x07N.", "protocol"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x00a.", "cut short"),
        (b"\x80\x04K\x01K\x02.", "no pickle"),
        (b"\x80\x04(K\x01.", "in the middle"),
        (b"\x80\x04cnumpy\nndarray\n.", "in the middle"),
        (b"", "cut short"),
        (b"<!doctype html>", "opcode"),
    ],
)
def test_other_pickles_are_refused(tmp_path, pickled, match):
    (tmp_path / "p").write_bytes(pickled)
    with pytest.raises(DatasetError, match=match):
        plain_pickle.read(tmp_path / "p")


def test_an_array_holds_as_many_bytes_as_its_shape_says():
    data = pickle.dumps(np.zeros(3, np.uint8), 4)
    assert data.count(b"K\x03\x85") == 1
    with pytest.raises(plain_pickle.PickleError, match="array of 3 bytes"):
        plain_pickle.decode(data.replace(b"K\x03\x85", b"K\xff\x85"))


def test_a_deep_nest_does_no_harm():
    deep = b"\x80\x04)" + b"\x85" * 30_000
    plain_pickle.decode(deep + b".")
    with pytest.raises(plain_pickle.PickleError):
        plain_pickle.decode(b"\x80\x04}" + deep[2:] + b"Ns.")


def test_a_pickle_of_any_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_pickle, "MAX_BYTES", 10)
    (tmp_path / "p").write_bytes(pickle.dumps(PLAIN))
    with pytest.raises(DatasetError, match="longer than"):
        plain_pickle.read(tmp_path / "p")


SMALL = pickle.dumps(([np.arange(5, dtype=np.uint8)], [(0, 1)], {"a": {1: None, 300: [1.5]}}), 4)


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_a_cut_pickle_is_refused(length):
    with pytest.raises(plain_pickle.PickleError):
        plain_pickle.decode(SMALL[:length])


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=4), st.binary(max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_damaged_pickle_is_read_or_refused_but_nothing_else(changes, tail):
    data = bytearray(SMALL)
    for place, value in changes:
        data[place] = value
    for damaged in (bytes(data), bytes(data) + tail, b"\x80\x04" + tail):
        with contextlib.suppress(plain_pickle.PickleError):
            plain_pickle.decode(damaged)


# COCO+LVIS as published


def write_published(root, photos, split="train", protocol=4):
    """The published annotation. `photos`: stem -> (masks, number of objects, hierarchy)."""
    annotation = {}
    base = root / split
    (base / "masks").mkdir(parents=True)
    for stem, (masks, objects, nodes) in photos.items():
        layers = [np.zeros(HW, np.uint8) for _ in masks[1:]]
        places = []
        for k, mask in enumerate(masks):
            layer = max(0, k - 1)  # the first two share a layer
            layers[layer][mask] = 2 - k if k < 2 else 255
            places.append((layer, 2 - k if k < 2 else 255))
        encoded = [cv2.imencode(".png", layer)[1] for layer in layers]
        (base / "masks" / f"{stem}.pickle").write_bytes(pickle.dumps((encoded, places), protocol))
        write_photo(base / "images" / f"{stem}.jpg")
        annotation[stem] = {"num_instance_masks": objects, "hierarchy": nodes}
    (base / "hannotation.pickle").write_bytes(pickle.dumps(annotation, pickle.HIGHEST_PROTOCOL))


MASKS = [box(0, 0, 20, 20), box(20, 0, 40, 20), box(5, 5, 15, 15), box(0, 30, 40, 60)]
NODES = {
    0: {"children": [2], "parent": None, "node_level": 0},
    1: None,
    2: {"children": [], "parent": 0, "node_level": 1},
}


@pytest.fixture(params=[3, 5])
def published(tmp_path, request):
    write_published(tmp_path, {"000000000030": (MASKS, 3, NODES)}, protocol=request.param)
    return tmp_path


def test_the_published_annotation_is_read(published):
    scene = coco_lvis.scenes(published, stuff=True)[0]
    assert scene.name == "000000000030"
    assert scene.objects() == [1, 2, 3, 4]
    assert scene.roots() == [1, 2, 4]
    assert scene.parents == {3: 1}
    assert scene.stuff == {4}
    for number, mask in enumerate(MASKS, 1):
        np.testing.assert_array_equal(scene.truth(number), mask, f"object {number}")
    things = coco_lvis.scenes(published)[0]
    assert things.objects() == [1, 2, 3]
    assert things.parents == {3: 1}
    np.testing.assert_array_equal(things.truth(3), MASKS[2])


def test_every_published_object_is_a_sample(published):
    (published / "train").rename(published / "val")
    objects = coco_lvis.open(published)
    assert [objects[i].name for i in range(len(objects))] == [f"000000000030#{k}" for k in (1, 2, 3)]
    np.testing.assert_array_equal(objects[2].truth, MASKS[2])
    assert pickle.loads(pickle.dumps(objects))[2].name == objects[2].name, "it travels to worker processes"


def test_many_objects_have_ids_of_16_bits(tmp_path):
    cells = [box(r, c, r + 2, c + 2) for r in range(0, 40, 2) for c in range(0, 60, 2)][:300]
    layers = [np.zeros(HW, np.uint8), np.zeros(HW, np.uint8)]
    places = []
    for k, cell in enumerate(cells):
        places.append((k // 255, k % 255 + 1))
        layers[k // 255][cell] = k % 255 + 1
    write_published(tmp_path, {"1": (MASKS, 300, dict.fromkeys(range(300)))})
    pickled = pickle.dumps(([cv2.imencode(".png", layer)[1] for layer in layers], places))
    (tmp_path / "train" / "masks" / "1.pickle").write_bytes(pickled)
    scene = coco_lvis.scenes(tmp_path)[0]
    assert scene.ids.dtype == np.uint16
    assert len(scene.objects()) == 300
    assert IGNORE_ID not in scene.objects()
    np.testing.assert_array_equal(scene.truth(256), cells[254])
    np.testing.assert_array_equal(scene.truth(301), cells[299])


def test_a_hostile_published_file_runs_nothing(published):
    base = published / "train"
    good = (base / "masks" / "000000000030.pickle").read_bytes()
    (base / "masks" / "000000000030.pickle").write_bytes(pickle.dumps(Hostile(published / "ran")))
    with pytest.raises(DatasetError, match=r"30\.pickle holds (posix|nt)\.system"):
        coco_lvis.scenes(published)[0]
    (base / "masks" / "000000000030.pickle").write_bytes(good[: len(good) // 2])
    with pytest.raises(DatasetError, match="cut short"):
        coco_lvis.scenes(published)[0]
    (base / "hannotation.pickle").write_bytes(pickle.dumps({"1": Hostile(published / "ran")}))
    with pytest.raises(DatasetError, match=r"hannotation\.pickle holds (posix|nt)\.system"):
        coco_lvis.scenes(published)
    assert not (published / "ran").exists()


@pytest.mark.parametrize(
    "annotation",
    [3, {"1": {}}, {"1": {"num_instance_masks": 1, "hierarchy": {0: {"parent": -1}}}}, {1: None, "2": None}],
)
def test_another_annotation_is_refused(published, annotation):
    (published / "train" / "hannotation.pickle").write_bytes(pickle.dumps(annotation))
    with pytest.raises(DatasetError, match="is no annotation of COCO"):
        coco_lvis.scenes(published)


@pytest.mark.parametrize(
    "masks",
    [
        3,
        ([], []),
        ([b"x"], []),
        ([np.zeros(4, np.uint8)], [(0, 1)]),
        ([cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1]], [(0, 1)] * 3),
        ([cv2.imencode(".jpg", np.zeros(HW, np.uint8))[1]], [(0, 1)] * 3),
        ([cv2.imencode(".png", np.zeros(HW, np.uint8))[1]], [(1, 1)] * 3),
        ([cv2.imencode(".png", np.zeros(HW, np.uint8))[1]], [(0, 256)] * 3),
        ([cv2.imencode(".png", np.zeros(HW, np.uint8))[1]], [(0, 1)] * 2),
    ],
)
def test_other_masks_are_refused(published, masks):
    (published / "train" / "masks" / "000000000030.pickle").write_bytes(pickle.dumps(masks))
    with pytest.raises(DatasetError, match=r"holds no layers of masks|fewer objects"):
        coco_lvis.scenes(published)[0]


def test_a_missing_photo_of_the_published_set_is_named(published):
    (published / "train" / "images" / "000000000030.jpg").unlink()
    with pytest.raises(DatasetError, match=r"the first is 000000000030\.jpg"):
        coco_lvis.scenes(published)


# The rules


def test_a_thing_that_lvis_has_too_is_dropped():
    thing = box(0, 0, 20, 20)
    for other, kept in ((box(0, 0, 20, 17), 1), (box(0, 0, 20, 13), 2), (box(0, 2, 20, 22), 1), (box(3, 3, 23, 23), 2)):
        merged = merge([thing], [other], [])
        assert merged.objects == kept
        np.testing.assert_array_equal(merged.masks[-1], other)
    ring = box(0, 0, 20, 20) & ~box(4, 4, 16, 16)
    assert merge([thing], [ring], []).objects == 2, "the same box, but not the same mask"


def test_of_duplicates_in_lvis_the_last_stays():
    first, second = box(0, 0, 20, 20), box(0, 0, 20, 18)
    merged = merge([], [first, second], [])
    assert merged.objects == 1
    np.testing.assert_array_equal(merged.masks[0], second)
    assert merge([], [first, box(0, 0, 20, 16)], []).objects == 2, "IoU 0.8"
    assert merge([first, second], [], []).objects == 2, "things of COCO never overlap, and are not compared"


def test_small_objects_and_little_stuff_are_dropped():
    assert merge([box(0, 0, 8, 9)], [box(0, 0, 79, 1, (90, 60))], []) is None
    thing, sky = box(0, 0, 8, 10), box(0, 0, 12, 50)
    merged = merge([thing], [], [sky, box(20, 0, 30, 50)])
    assert merged.objects == 1
    assert len(merged.masks) == 2
    np.testing.assert_array_equal(merged.masks[1], sky & ~thing)


def test_parts_hang_on_the_deepest_whole():
    body, head, eye = box(0, 0, 40, 20), box(0, 0, 20, 20), box(5, 5, 10, 10)
    half = box(0, 18, 10, 28)  # a fifth of it in the body
    assert hierarchy([eye, head, body, half]) == {0: 1, 1: 2}
    mostly = box(0, 18 - 7, 10, 28 - 7)  # nine tenths in head and body
    assert hierarchy([body, mostly]) == {1: 0}
    ring = body & ~box(2, 2, 38, 18)
    assert hierarchy([ring, eye]) == {}, "in its box but not in its mask"
    assert hierarchy([body, body]) == {0: 1}, "of equal masks the later holds the earlier"


# The build


@pytest.fixture
def originals(tmp_path):
    """COCO and LVIS train with three photos in common, of which 2 is left without an object."""
    sky, crowd = (9, SKY, 0, box(30, 0, 40, 60)), (7, PERSON, 1, box(0, 40, 20, 60))
    segments = {
        "000000000003": [(1, PERSON, 0, box(0, 0, 20, 20)), (70000, CAT, 0, box(20, 0, 30, 20)), sky],
        "000000000001": [(2, CAT, 0, box(0, 0, 20, 20)), crowd, sky],
        "000000000002": [(5, CAT, 0, box(0, 0, 5, 5))],
        "000000000004": [(5, CAT, 0, box(0, 0, 20, 20))],
    }
    write_coco(tmp_path / "COCO", segments, "train", "train2017")
    shapes = {
        "train2017/000000000001.jpg": [[polygon(0, 0, 20, 19)], [polygon(2, 2, 12, 12)]],
        "train2017/000000000003.jpg": [[polygon(35, 0, 40, 18)]],
        "train2017/000000000002.jpg": [[polygon(0, 0, 5, 5)]],
        "train2017/000000000004.jpg": [],
        "train2017/000000000008.jpg": [[polygon(0, 0, 20, 20)]],
    }
    write_lvis(tmp_path / "LVIS", shapes, "train", with_photos=False)
    return tmp_path


def job(root, out="OUT"):
    return Build(root / "COCO", root / "LVIS", root / out, "train")


def contents(folder):
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def test_the_built_set_is_read(originals):
    counts = build(job(originals))
    assert counts == build_module.Counts(photos=2, objects=6, parts=1, stuff=2, empty=1)
    assert link_photos(job(originals))
    scenes = coco_lvis.scenes(originals / "OUT", stuff=True)
    assert [scenes.photo(i) for i in range(len(scenes))] == ["000000000001", "000000000003"]
    first = scenes[0]
    objects = [box(0, 40, 20, 60), box(0, 0, 20, 19), box(2, 2, 12, 12)]
    for number, mask in enumerate([*objects, box(30, 0, 40, 60)], 1):
        np.testing.assert_array_equal(first.truth(number), mask, f"object {number}")
    assert first.parents == {3: 2}
    assert first.stuff == {4}
    second = coco_lvis.scenes(originals / "OUT")[1]
    assert second.objects() == scenes.ids(1) == [1, 2, 3]
    assert not second.stuff
    np.testing.assert_array_equal(scenes[1].truth(4), box(30, 0, 40, 60) & ~box(35, 0, 40, 18))
    (originals / "OUT" / "train").rename(originals / "OUT" / "val")
    assert len(coco_lvis.open(originals / "OUT")) == 6


def test_a_build_that_was_stopped_goes_on_to_the_same_end(originals, monkeypatch):
    build(job(originals, "WHOLE"))

    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(job(originals), progress=stop)
    assert not (originals / "OUT" / "train" / "objects.json").exists()
    assert len(list((originals / "OUT" / "train" / "masks").iterdir())) == 1
    written = []
    write = build_module.write_layers
    monkeypatch.setattr(
        build_module, "write_layers", lambda path, *rest: written.append(path.stem) or write(path, *rest)
    )
    assert build(job(originals)).photos == 2
    assert written == ["000000000003"], "what is there is not made again"
    assert contents(originals / "OUT") == contents(originals / "WHOLE")


def test_several_processes_build_the_same(originals):
    build(job(originals, "WHOLE"))
    seen = []
    assert build(job(originals), workers=2, progress=lambda k, n: seen.append((k, n))).photos == 2
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert contents(originals / "OUT") == contents(originals / "WHOLE")


def test_a_build_from_other_annotations_is_refused(originals):
    build(job(originals))
    write_lvis(originals / "LVIS", {"train2017/000000000001.jpg": []}, "train", with_photos=False)
    with pytest.raises(DatasetError, match="begun from other annotation files"):
        build(job(originals))


def test_a_foreign_file_among_the_masks_is_named(originals):
    build(job(originals))
    file = originals / "OUT" / "train" / "masks" / "000000000003.png"
    PIL.Image.fromarray(np.zeros(HW, np.uint8)).save(file)
    with pytest.raises(DatasetError, match=r"3\.png is no mask of fewclicks"):
        build(job(originals))


def test_the_command_builds_and_counts(originals, capsys):
    command = ["build-coco-lvis", str(originals / "COCO"), str(originals / "LVIS"), str(originals / "OUT")]
    for _ in range(2):
        with pytest.raises(SystemExit) as done:
            main(command)
        assert done.value.code == 0
        printed = capsys.readouterr()
        assert (
            "2 photos, 6 objects, 1 of them parts of others, 2 regions of stuff; 1 photo left out as empty"
            in printed.out
        )
        assert "3/3" in printed.err
    assert coco_lvis.scenes(originals / "OUT")[0].roots() == [1, 2]
    with pytest.raises(SystemExit) as done:
        main([*command[:2], str(originals), str(originals / "OUT")])
    assert done.value.code == 2
    assert "lvis_v1_train.json does not exist" in capsys.readouterr().err
