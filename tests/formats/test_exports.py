"""What every format guarantees: round trips, order, overlaps, files that appear whole or not at all."""

import inspect
import json
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exported import FILES, LABELS, annotation, apart, bare, disc, facts, folder_of_photos, overlapping, photo
from fewclicks import formats as formats_module
from fewclicks.errors import InputError, UnknownName
from fewclicks.formats.annotations import AnnotatedFolder, Annotation, LazyObjects
from fewclicks.plugins import find, names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
NAMES = names("formats")
READABLE = [name for name in NAMES if hasattr(find("formats", name), "read")]
EXACT = [
    ("coco", {}),
    ("coco", {"shapes": "polygons"}),
    ("binary_png", {}),
    ("labelme", {}),
    ("labelme", {"shapes": "mask"}),
]
"""Formats and options that keep every pixel, overlaps too."""
FLAT = [("index_png", {}), ("voc", {})]
"""Those that keep what is visible."""


@pytest.fixture
def three(tmp_path):
    """Three photos with files, in folders and of several sizes."""
    rng = np.random.default_rng(0)
    sizes = [(60, 80), (71, 33), (40, 40)]
    objects = [apart(sizes[0]), overlapping(rng, sizes[1]), ()]
    made = [photo(file, found, hw) for file, found, hw in zip(FILES, objects, sizes, strict=True)]
    return folder_of_photos(tmp_path / "photos", made)


@pytest.mark.parametrize("name", NAMES)
def test_a_format_defines_what_it_must(name):
    module = find("formats", name)
    assert module.__doc__
    assert "OUT/" in module.__doc__
    assert module.TITLE
    assert module.LOSES
    known = [p.name for p in inspect.signature(module.write).parameters.values()]
    assert known[:3] == ["photos", "labels", "out"]


def test_the_formats_are_listed_with_their_options():
    listed = {item.name: item for item in formats_module.formats()}
    assert list(listed) == NAMES
    assert listed["coco"].options == {"shapes": "rle", "tolerance_px": 0.0, "copy": False}
    assert {name for name in listed if hasattr(find("formats", name), "read")} == set(READABLE)


@pytest.mark.parametrize(("name", "options"), EXACT)
def test_every_pixel_comes_back(tmp_path, three, name, options):
    done = formats_module.export(name, three, LABELS, tmp_path / "out", **options)
    back = formats_module.read(name, tmp_path / "out", bare(three))
    assert [item.file for item in back][:2] == FILES[:2]
    for item, found in zip(three, back, strict=False):
        assert facts(found) == facts(item)
        assert found.hw == item.hw
    assert not [note for note in done.notes if "change" in note or "lost" in note]


@pytest.mark.parametrize(("name", "options"), FLAT)
def test_what_is_visible_comes_back(tmp_path, three, name, options):
    done = formats_module.export(name, three, LABELS, tmp_path / "out", **options)
    back = list(formats_module.read(name, tmp_path / "out", bare(three)))
    for item, found in zip(three, back, strict=True):
        for i, (one, other) in enumerate(zip(item.objects, found.objects, strict=True)):
            above = np.zeros(item.hw, bool)
            for upper in item.objects[i + 1 :]:
                above |= upper.mask
            assert np.array_equal(other.mask, one.mask & ~above)
            assert other.label == (one.label or "object")
    lost = [note for note in done.notes if "hidden pixels are lost" in note]
    assert len(lost) == 1
    assert lost[0].startswith("3 objects")


@pytest.mark.parametrize("name", READABLE)
def test_labels_come_back_in_their_order(tmp_path, three, name):
    formats_module.export(name, three, LABELS, tmp_path / "out")
    back = formats_module.read(name, tmp_path / "out", bare(three))
    used = {found.label for item in back for found in item.objects}
    assert used == {*(label.name for label in LABELS), "object"}
    if name != "labelme":
        assert [label.name for label in back.labels] == [*(label.name for label in LABELS), "object"]
    if name in ("coco", "index_png", "binary_png"):
        assert list(back.labels[:3]) == LABELS


@pytest.mark.parametrize("name", READABLE)
def test_a_reading_is_an_annotated_folder(tmp_path, three, name):
    formats_module.export(name, three, LABELS, tmp_path / "out")
    back: AnnotatedFolder = formats_module.read(name, tmp_path / "out", bare(three))
    assert len(back) in (2, 3)
    assert [item.file for item in back] == [back[i].file for i in range(len(back))]
    assert back[0].state == (three[0].state if name in ("coco", "labelme") else "begun")
    assert all(item.state in ("untouched", three[i].state) for i, item in enumerate(back) if not item.objects)
    assert facts(back[1]) == facts(list(back)[1])


@pytest.mark.parametrize("name", NAMES)
def test_exports_are_the_same_each_time_and_change_nothing(tmp_path, three, name):
    before = [facts(item) for item in three]
    one = formats_module.export(name, three, LABELS, tmp_path / "one")
    two = formats_module.export(name, iter(three), LABELS, tmp_path / "two")
    assert [facts(item) for item in three] == before
    assert one.notes == two.notes
    assert [f.relative_to(tmp_path / "one") for f in one.files] == [f.relative_to(tmp_path / "two") for f in two.files]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one.files, two.files, strict=True))


class Tracked(np.ndarray):
    """An array that can be referred to weakly."""


@pytest.mark.parametrize("name", NAMES)
def test_a_few_masks_are_held_at_a_time(tmp_path, three, name):
    alive, counts = weakref.WeakValueDictionary(), []

    def make(i):
        mask = disc((60, 80), 10 + i, 20, 6).view(Tracked)
        alive[i] = mask
        counts.append(len(alive))
        return Annotation(mask=mask, label="cat")

    lazy = LazyObjects([lambda i=i: make(i) for i in range(20)])
    formats_module.export(name, [replace(three[0], objects=lazy)], LABELS, tmp_path / "out")
    assert len(counts) >= 20
    assert max(counts) <= 2


@pytest.mark.parametrize("name", NAMES)
def test_an_export_appears_whole_or_not_at_all(tmp_path, three, name):
    def breaks():
        yield three[0]
        raise InputError("the photos ran out")

    with pytest.raises(InputError, match="ran out"):
        formats_module.export(name, breaks(), LABELS, tmp_path / "out")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["photos"]
    formats_module.export(name, three, LABELS, tmp_path / "out")
    before = {f: f.read_bytes() for f in (tmp_path / "out").rglob("*") if f.is_file()}
    with pytest.raises(InputError, match="ran out"):
        formats_module.export(name, breaks(), LABELS, tmp_path / "out", overwrite=True)
    assert {f: f.read_bytes() for f in (tmp_path / "out").rglob("*") if f.is_file()} == before
    assert sorted(f.name for f in tmp_path.iterdir()) == ["out", "photos"]


def test_an_export_is_replaced_only_where_that_is_allowed(tmp_path, three):
    out = tmp_path / "out"
    out.mkdir()
    formats_module.export("index_png", three, LABELS, out)
    with pytest.raises(InputError, match="not empty"):
        formats_module.export("yolo", three, LABELS, out)
    formats_module.export("yolo", three, LABELS, out, overwrite=True)
    assert (out / "data.yaml").is_file()
    assert not (out / "masks").exists()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["out", "photos"]


def test_no_folder_with_other_files_is_ever_replaced(tmp_path, three):
    with pytest.raises(InputError, match="no export wrote"):
        formats_module.export("coco", three, LABELS, tmp_path / "photos", overwrite=True)
    assert all(item.path.is_file() for item in three)
    formats_module.export("coco", three, LABELS, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"as mine\.txt"):
        formats_module.export("coco", three, LABELS, tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_the_notes_travel_with_the_export(tmp_path, three):
    done = formats_module.export("index_png", three, LABELS, tmp_path / "out")
    listed = json.loads((tmp_path / "out" / ".fewclicks-export.json").read_text())
    assert tuple(listed["notes"]) == done.notes != ()
    assert [tmp_path / "out" / file for file in listed["files"]] == list(done.files)


def test_coco_says_who_worked_on_an_object(tmp_path):
    annotated = photo(objects=[replace(apart()[0], person="Ann"), apart()[1]])
    formats_module.export("coco", [annotated], LABELS, tmp_path / "a.json")
    rows = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert [row["attributes"] for row in rows] == [{"person": "Ann"}, {"name": "the ring"}]


def test_coco_is_also_one_file(tmp_path, three):
    done = formats_module.export("coco", three, LABELS, tmp_path / "all.json")
    assert done.files == (tmp_path / "all.json",)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["all.json", "photos"]
    assert facts(formats_module.read("coco", tmp_path / "all.json", bare(three))[0]) == facts(three[0])
    with pytest.raises(InputError, match="exists"):
        formats_module.export("coco", three, LABELS, tmp_path / "all.json")
    formats_module.export("coco", three[:1], LABELS, tmp_path / "all.json", overwrite=True)
    assert len(formats_module.read("coco", tmp_path / "all.json", bare(three))) == 1
    with pytest.raises(InputError, match="cannot be copied into the file"):
        formats_module.export("coco", three, LABELS, tmp_path / "more.json", copy=True)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("none/out", "does not exist"),
        ("photos/a.jpg", "is a file"),
        ("photos", "not empty"),
        ("folder.json", "a folder"),
    ],
)
def test_where_an_export_cannot_go(tmp_path, three, out, message):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InputError, match=message):
        formats_module.export("coco", three, LABELS, tmp_path / out)


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "voc"])
def test_photos_are_copied(tmp_path, three, name):
    done = formats_module.export(name, three, LABELS, tmp_path / "out", copy=True)
    contents = [file.read_bytes() for file in done.files]
    assert all(item.path.read_bytes() in contents for item in three)
    lost = [replace(three[0], path=tmp_path / "gone.jpg")]
    with pytest.raises(InputError, match="not there any more"):
        formats_module.export(name, lost, LABELS, tmp_path / "more", copy=True)
    with pytest.raises(InputError, match="is not known"):
        formats_module.export(name, [photo()], LABELS, tmp_path / "more", copy=True)


@pytest.mark.parametrize("name", NAMES)
def test_untouched_photos_and_empty_objects_are_left_out(tmp_path, three, name):
    empty = annotation(np.zeros((60, 80), bool))
    photos = [replace(three[0], objects=(empty, three[0].objects[0])), replace(three[2], state="untouched")]
    done = formats_module.export(name, photos, LABELS, tmp_path / "out")
    assert done.notes[:2] == ("1 photo untouched: left out", "1 object without pixels: left out")
    if name in READABLE:
        back = list(formats_module.read(name, tmp_path / "out", bare(three)))
        assert [len(item.objects) for item in back] == [1]


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_under_others_can_be_cut_away(tmp_path, three, name):
    formats_module.export(name, three, LABELS, tmp_path / "out", visible=True)
    if name in READABLE and name != "yolo":
        found = list(formats_module.read(name, tmp_path / "out", bare(three)))[1]
        assert sum(o.mask.sum() for o in found.objects) == np.any([o.mask for o in three[1].objects], axis=0).sum()


@pytest.mark.parametrize("name", NAMES)
def test_photos_that_share_a_stem_do_not_overwrite_each_other(tmp_path, three, name):
    photos = [replace(three[0], file=file) for file in ("a.jpg", "a.png", "A.JPG", "a.jpeg")]
    done = formats_module.export(name, photos, LABELS, tmp_path / "out")
    if len(done.files) >= len(photos):  # a file for each
        assert any(note.startswith("3 photos named like another but for the ending") for note in done.notes)
    lowered = [str(file).lower() for file in done.files]
    assert len(set(lowered)) == len(lowered)
    if name in ("coco", "binary_png", "index_png"):
        assert [len(item.objects) for item in formats_module.read(name, tmp_path / "out", bare(photos))] == [4] * 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("file", ["../a.jpg", "sub/../../a.jpg", "", "/a.jpg", ".."])
def test_no_file_is_written_outside(tmp_path, three, name, file):
    with pytest.raises(InputError, match="no name of a photo"):
        formats_module.export(name, [replace(three[0], file=file)], LABELS, tmp_path / "out")


@pytest.mark.parametrize("name", NAMES)
def test_wrong_masks_and_options_are_refused(tmp_path, three, name):
    with pytest.raises(InputError, match="comes twice"):
        formats_module.export(name, [three[0], three[0]], LABELS, tmp_path / "out")
    wrong = replace(three[0], objects=[annotation(np.ones((80, 60), bool))])
    with pytest.raises(InputError, match=r"bool \(60, 80\)"):
        formats_module.export(name, [wrong], LABELS, tmp_path / "out")
    with pytest.raises(InputError, match="has no option 'colour'"):
        formats_module.export(name, three, LABELS, tmp_path / "out", colour=1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("coco", {"shapes": "points"}),
        ("coco", {"tolerance_px": -1}),
        ("yolo", {"tolerance_px": "much"}),
        ("labelme", {"shapes": "rle"}),
        ("index_png", {"ids": "names"}),
        ("cutout", {"margin_px": -3}),
    ],
)
def test_values_of_options_are_checked(tmp_path, three, name, options):
    with pytest.raises(InputError, match=next(iter(options))):
        formats_module.export(name, three, LABELS, tmp_path / "out", **options)


def test_an_unknown_format_is_told_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match="no format named 'cocco'; did you mean 'coco'"):
        formats_module.export("cocco", [], [], tmp_path / "out")


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_export_is_an_export(tmp_path, name):
    done = formats_module.export(name, [], [], tmp_path / "out")
    assert done.notes == ()
    assert all(file.is_file() for file in done.files)


def test_the_page_on_formats_tells_each_format_and_its_options():
    rows = {line.split("`")[1]: line for line in reversed(PAGE.splitlines()) if line.startswith("| `")}
    assert [name for name in READABLE if name in rows] == READABLE
    for item in formats_module.formats():
        if item.name not in rows:  # of a newcomer: `fewclicks export --list` tells it
            continue
        told = rows[item.name].split(" | ")[3]
        assert all(f"`{option}`" in told for option in item.options)
        assert ("none" in told) == (not item.options)
        for choices in (getattr(find("formats", item.name), name, ()) for name in ("SHAPES", "IDS")):
            assert all(f"`{choice}`" in told for choice in choices)


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    code = PAGE.split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "coffee.png [('cup', " in done.stdout
