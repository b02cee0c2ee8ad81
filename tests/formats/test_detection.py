"""Annotations beside photos are found by themselves, and what is found can be read."""

import json

import numpy as np
import PIL.Image
import pytest

from exported import LABELS, apart, bare, disc, facts, folder_of_photos, photo
from fewclicks import formats
from fewclicks.formats import Found

HW = (60, 80)


@pytest.fixture
def folder(tmp_path):
    """A folder images/ with two photos, one of them in a folder."""
    photos = folder_of_photos(tmp_path / "images", [photo("a.jpg"), photo("sub/b.png", apart((60, 99)), (60, 99))])
    return tmp_path / "images", photos


def moved(done, out, target):
    """Put what was exported to `out` into the folder `target`."""
    for file in done.files:
        place = target / file.relative_to(out)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)


def found_in(folder, photos):
    """What is found, after each of it was read."""
    found = formats.detect(folder, [item.file for item in photos])
    for item in found:
        listed = [p for p in bare(photos) if p.file not in item.masks]
        assert len(formats.read(item.format, item.source, listed)) > 0
    return found


@pytest.mark.parametrize("place", ["images", "."])
@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "voc", "index_png", "binary_png"])
def test_every_format_is_found_in_the_folder_and_beside_it(folder, tmp_path, name, place):
    root, photos = folder
    assert found_in(root, photos) == ()
    moved(formats.export(name, photos, LABELS, tmp_path / "out"), tmp_path / "out", tmp_path / place)
    (tmp_path / "out").rename(tmp_path / ".out")
    found = found_in(root, photos)
    assert name in [item.format for item in found]
    own = next(item for item in found if item.format == name)
    assert own.source in (tmp_path / place, tmp_path / place / "labels", tmp_path / place / "annotations.json")
    back = formats.read(own.format, own.source, bare(photos))
    assert [item.file for item in back] == ["a.jpg", "sub/b.png"]
    if name in ("coco", "labelme", "binary_png"):
        assert [facts(item) for item in back] == [facts(item) for item in photos]


def test_beside_means_beside_a_folder_of_images(folder, tmp_path):
    """annotations/ above any other folder may be of other photos."""
    root, photos = folder
    other = root.rename(tmp_path / "holiday")
    formats.export("coco", photos, LABELS, tmp_path / "all.json")
    assert formats.detect(other, [item.file for item in photos]) == ()


def test_masks_among_the_photos_are_told_from_them(tmp_path):
    photos = folder_of_photos(tmp_path, [photo("a.jpg"), photo("b.png"), photo("c.jpg"), photo("c.png")])
    PIL.Image.fromarray(disc(HW, 20, 20, 9)).save(tmp_path / "a.png")
    PIL.Image.fromarray(disc(HW, 20, 20, 9)).save(tmp_path / "b_mask.png")
    names = ["a.jpg", "a.png", "b.png", "b_mask.png"]
    assert formats.detect(tmp_path, names) == (Found("index_png", tmp_path, ("a.png", "b_mask.png")),)
    back = formats.read("index_png", tmp_path, bare([photos[0], photos[1]]))
    assert [len(item.objects) for item in back] == [1, 1]
    assert formats.detect(tmp_path, ["c.jpg", "c.png"]) == (), "two photos that share a stem are no photo and mask"


def test_folders_in_use_elsewhere(tmp_path):
    """gt/ beside img/, labels/train beside images/train, masks in a folder for each photo, COCO in annotations/."""
    photos = folder_of_photos(tmp_path / "img", [photo("a.jpg"), photo("b.jpg")])
    (tmp_path / "gt").mkdir()
    PIL.Image.fromarray(disc(HW, 20, 20, 9)).save(tmp_path / "gt" / "a.png")
    assert found_in(tmp_path / "img", photos) == (Found("index_png", tmp_path / "gt"),)

    photos = folder_of_photos(tmp_path / "yolo" / "images" / "train", [photo("a.jpg"), photo("b.jpg")])
    formats.export("yolo", photos, LABELS, tmp_path / "out")
    (tmp_path / "yolo" / "labels").mkdir()
    (tmp_path / "out" / "labels").rename(tmp_path / "yolo" / "labels" / "train")
    (tmp_path / "out" / "data.yaml").rename(tmp_path / "yolo" / "data.yaml")
    found = found_in(tmp_path / "yolo" / "images" / "train", photos)
    assert found == (Found("yolo", tmp_path / "yolo" / "labels" / "train"),)
    back = formats.read("yolo", found[0].source, bare(photos))
    assert [label.name for label in back.labels] == [*(label.name for label in LABELS), "object"]

    photos = folder_of_photos(tmp_path / "stacks", [photo("a.jpg"), photo("b.jpg")])
    for number in range(3):
        (tmp_path / "stacks" / "masks" / "a").mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(disc(HW, 20, 20, number)).save(tmp_path / "stacks" / "masks" / "a" / f"{number}.png")
    assert found_in(tmp_path / "stacks", photos) == (Found("binary_png", tmp_path / "stacks" / "masks"),)

    photos = folder_of_photos(tmp_path / "coco" / "images", [photo("a.jpg")])
    (tmp_path / "coco" / "annotations").mkdir()
    file = tmp_path / "coco" / "annotations" / "instances_val.json"
    formats.export("coco", photos, LABELS, file)
    assert found_in(tmp_path / "coco" / "images", photos) == (Found("coco", file),)


def test_what_is_no_annotation_is_not_found(folder):
    """Other JSON and text files, readme and licence, damaged pictures, hidden folders."""
    root, photos = folder
    for name, content in {
        "package.json": b'{"images": 3}',
        "a.json": b'{"shapes": 1}',
        "a.txt": b"a cat on a mat in the sun",
        "README.txt": b"0 0.1 0.2 0.3 0.4",
        "a_mask.png": b"no picture",
        ".hidden/a.txt": b"0 0.1 0.2 0.3 0.4 0.5 0.6",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    assert formats.detect(root, [*(item.file for item in photos), "a_mask.png"]) == ()


@pytest.mark.slow
def test_detection_of_a_large_folder_reads_few_files(tmp_path, monkeypatch):
    """10,000 photos with label files: the folders are listed, three files are opened."""
    names = [f"{i:05d}.jpg" for i in range(10_000)]
    (tmp_path / "labels").mkdir()
    for name in names:
        (tmp_path / "labels" / name.replace("jpg", "txt")).touch()
    (tmp_path / "labels" / "00000.txt").write_text("0 0.1 0.1 0.2 0.1 0.2 0.2\n")
    opened, plain_open = [], open

    def counted(path, *args, **more):
        opened.append(path)
        return plain_open(path, *args, **more)

    monkeypatch.setattr("builtins.open", counted)
    assert formats.detect(tmp_path, names) == (Found("yolo", tmp_path / "labels"),)
    assert len(opened) < 20


def test_nothing_at_all(tmp_path):
    assert formats.detect(tmp_path, []) == ()
    assert formats.detect(tmp_path / "none", ["a.jpg"]) == ()


def test_the_first_found_loses_least(folder, tmp_path):
    root, photos = folder
    for name in ("yolo", "voc", "coco", "labelme"):
        moved(formats.export(name, photos, LABELS, tmp_path / name), tmp_path / name, root)
    found = [item.format for item in found_in(root, photos)]
    assert found[:2] == ["coco", "labelme"]


def test_a_photo_of_few_colours_beside_its_twin_is_no_mask(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "a.jpg")
    PIL.Image.fromarray(noise).quantize(32).save(tmp_path / "a.gif")
    PIL.Image.fromarray(noise).convert("1").save(tmp_path / "a_mask.png")
    assert formats.detect(tmp_path, ["a.jpg", "a.gif", "a_mask.png"]) == ()


def test_a_large_coco_file_is_found_wherever_its_keys_lie(folder):
    """Those of images lie in the middle of the file, farther from its ends than one looks at first."""
    root, photos = folder
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(3000)] + [{"id": 9999, "file_name": "a.jpg"}]
    rows = [{"id": n, "image_id": 9999, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]} for n in range(2000)]
    names = [{"id": n, "name": f"class {n}"} for n in range(3000)]
    (root / "all.json").write_text(json.dumps({"annotations": rows, "images": images, "categories": names}))
    assert [item.format for item in formats.detect(root, [item.file for item in photos])] == ["coco"]
