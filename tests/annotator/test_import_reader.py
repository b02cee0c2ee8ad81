"""Imports are read in a process that may die: of memory, of time, or by a crash. What is good beside it is taken in."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from annotating import make_folder
from exported import LABELS, bare, facts, folder_of_photos, photo
from fewclicks import formats
from fewclicks.annotator.services import child_pipe, import_child, import_reader
from fewclicks.annotator.services.import_export import import_found, import_from
from fewclicks.annotator.services.import_reader import DEATHS, ImportReader
from fewclicks.annotator.services.importing import take_in
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.store.objects import Store
from fewclicks.errors import InputError
from fewclicks.files.archives import unzip

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory holds on Linux")


@pytest.fixture
def three(tmp_path):
    """Photos in tmp_path/photos, their annotations in tmp_path/out."""
    return folder_of_photos(tmp_path / "photos", [photo(name) for name in ("a.jpg", "sub/b.png", "c.png")])


@pytest.fixture
def reader():
    with ImportReader() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco", "yolo", "labelme", "voc", "index_png", "binary_png"])
def test_what_is_read_elsewhere_is_what_is_read_here(three, tmp_path, reader, name):
    formats.export(name, three, LABELS, tmp_path / "out")
    here = formats.read(name, tmp_path / "out", bare(three))
    found = reader.read(tmp_path / "out", bare(three), None)
    assert [facts(item) for item in found] == [facts(item) for item in here]
    assert [(p.file, p.hw, p.state, p.notes, p.left_out, p.path) for p in found] == [
        (p.file, p.hw, p.state, p.notes, p.left_out, p.path) for p in here
    ]
    assert tuple(found.labels) == here.labels
    assert (found.notes, found.left_out) == (here.notes, here.left_out)
    first, last = found[0], found[2]
    assert [facts(first), facts(last)] == [facts(here[0]), facts(here[2])], "in any order"


def test_errors_and_detection_are_those_of_exports(three, tmp_path, reader):
    formats.export("coco", three, LABELS, tmp_path / "photos" / "masks.json")
    names = [item.file for item in three]
    assert tuple(reader.detect(tmp_path / "photos", names)) == formats.detect(tmp_path / "photos", names)
    for source, name in ((tmp_path / "none", "coco"), (tmp_path / "photos", "voc"), (tmp_path / "photos", "cutout")):
        with pytest.raises(InputError) as here:
            formats.read(name, source, bare(three))
        with pytest.raises(InputError) as there:
            reader.read(source, bare(three), name)
        assert str(there.value) == str(here.value)
    assert reader.deaths == 0


def test_a_photo_that_takes_the_process_down_costs_no_other(three, tmp_path, reader, monkeypatch):
    """Its child is killed while it is asked for; the source is opened again for the next one."""
    formats.export("labelme", three, LABELS, tmp_path / "out")
    found = reader.read(tmp_path / "out", bare(three), "labelme")
    value = ImportReader.value

    def deadly(self, question, payload=b""):
        if question.get("photo") == 1:
            self._child.process.kill()
            self._child.process.wait()
        return value(self, question, payload)

    monkeypatch.setattr(ImportReader, "value", deadly)
    with Store(make_folder(tmp_path / "other", ("x.png",))) as store:
        taken = take_in(store, found)
    assert (taken.objects, taken.photos) == (8, 2)
    assert [note for note in taken.notes if "crashes" in note] == [
        "the annotations of 'sub/b.png': reading it takes too long or too much memory, or crashes; "
        "take it in by smaller parts, or export it again"
    ]
    assert reader.deaths == 1


def test_reading_that_takes_too_long_is_ended(tmp_path):
    with ImportReader(timeout_s=0.0) as reader:
        for _ in range(DEATHS):
            with pytest.raises(InputError, match="too long"):
                reader.detect(tmp_path, ["a.png"])
        with pytest.raises(InputError, match="not tried"):
            reader.detect(tmp_path, ["a.png"])
        assert reader._child.process is None


SMALL = """
import sys
from fewclicks.annotator.services import import_child
import_child.MEMORY_BYTES = 2**26
import_child.main()
"""


TOO_MUCH = "needs too much memory|would take up to"


@linux
def test_a_small_file_cannot_take_much_memory(three, tmp_path, monkeypatch):
    """Packed half a thousandth of the size; one line is said, and the next source is read by the same child."""
    formats.export("coco", three, LABELS, tmp_path / "good")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", '{"images": [], "annotations": [' + "[]," * 3_000_000 + "0]}")
    command = [sys.executable, "-c", SMALL]
    pipe = subprocess.PIPE
    monkeypatch.setattr(
        child_pipe, "start_module", lambda *args, **more: subprocess.Popen(command, stdin=pipe, stdout=pipe)
    )
    folder = PhotoFolder(tmp_path / "photos")
    with Store(tmp_path / "photos") as store, pytest.raises(InputError, match=TOO_MUCH) as error:
        import_from(folder, store, tmp_path / "bomb.zip", "coco", lambda done, total: None)
    assert len(str(error.value).splitlines()) == 1
    with ImportReader() as reader:
        reader.unzip(tmp_path / "bomb.zip", tmp_path, 2**30, 10)
        with pytest.raises(InputError, match=TOO_MUCH):
            reader.read(tmp_path / "a.json", bare(three), None)
        assert len(reader.read(tmp_path / "good", bare(three), None)) == 3
        assert reader.deaths == 0


def test_what_may_be_taken_grows_with_the_source(tmp_path, monkeypatch):
    allowed = []
    monkeypatch.setattr(import_child, "limit", lambda what, amount: allowed.append(amount))
    (tmp_path / "a.json").write_bytes(bytes(1000))
    (tmp_path / "a.png").write_bytes(bytes(5000))
    reading = import_child._Reading(10)
    for place, packed in ((tmp_path, None), (tmp_path / "a.json", None), (tmp_path, 2)):
        reading._packed_bytes = packed
        reading._limit(place, 7)
    fixed = 10 + import_child.MEMORY_BYTES + 7 * import_child.MEMORY_PER_PIXEL
    assert allowed == [fixed + 16_000, fixed + 16_000, fixed + 128]


def test_the_commands_read_in_the_process_that_may_die(three, tmp_path, monkeypatch):
    """Neither a folder, nor a .zip, nor what lies beside the photos is read in the process of the command."""

    def never(*args, **kwargs):
        raise AssertionError("it is read here")

    formats.export("index_png", three, LABELS, tmp_path / "photos" / "masks")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        for path in sorted((tmp_path / "photos" / "masks").rglob("*")):
            archive.write(path, path.relative_to(tmp_path / "photos"))
    for name in ("read", "detect", "recognized"):
        monkeypatch.setattr(formats, name, never)
    monkeypatch.setattr(zipfile, "ZipFile", never)
    folder, seen = PhotoFolder(tmp_path / "photos"), lambda done, total: None
    with Store(tmp_path / "photos") as store:
        assert import_found(folder, store, seen).objects == 12
        assert import_from(folder, store, tmp_path / "photos" / "masks", None, seen).objects == 0
        assert import_from(folder, store, tmp_path / "out.zip", "index_png", seen).objects == 0
    assert import_reader.TIMEOUT_S <= 3600


def test_masks_of_another_size_are_not_believed(three, tmp_path, reader, monkeypatch):
    formats.export("coco", three, LABELS, tmp_path / "out.json")
    found = reader.read(tmp_path / "out.json", bare(three), None)
    monkeypatch.setattr(ImportReader, "array", lambda self, question, payload=b"": _lie(question))
    with pytest.raises(InputError, match="another size"):
        list(found[0].objects)


def _lie(question):
    if question["kind"] == "mask":
        return np.ones((1, 1), bool)
    about = {"objects": 1, "notes": [], "left_out": 0, "label": "x", "name": "", "score": None}
    return np.frombuffer(json.dumps(about).encode(), np.uint8)


def test_places_in_the_temporary_folder_are_not_told(tmp_path):
    root = make_folder(tmp_path / "photos", ("a.png",))
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("masks/a.png", b"%!PS-Adobe-3.0 EPSF-3.0")
    with Store(root) as store:
        taken = import_from(PhotoFolder(root), store, tmp_path / "bad.zip", "index_png", lambda done, total: None)
        (note,) = (note for note in taken.notes if "masks/a.png" in note)
        with pytest.raises(InputError) as error:
            import_from(PhotoFolder(root), store, tmp_path / "bad.zip", "coco", lambda done, total: None)
    assert not any("scratch" in text for text in (note, str(error.value)))


@pytest.mark.parametrize("at", [40, 60, -30])
def test_a_damaged_zip_is_refused_by_a_child_that_lives_on(tmp_path, reader, at):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", json.dumps(list(range(99))))
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[at] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"no \.zip that can be unpacked|packed in an unusual way|elsewhere"):
        reader.unzip(tmp_path / "a.zip", tmp_path, 2**30, 10)
    assert reader.deaths == 0


def test_an_error_that_nobody_foresaw_is_one_line_and_no_death(three, tmp_path, monkeypatch):
    """Whatever a reader raises, the child says so and answers the next question."""
    formats.export("coco", three, LABELS, tmp_path / "good")
    code = "from fewclicks.annotator.services import import_child; import_child.MEMORY_BYTES = {}; import_child.main()"
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    monkeypatch.setattr(
        child_pipe, "start_module", lambda *args, **more: subprocess.Popen(command, stdin=pipe, stdout=pipe)
    )
    with ImportReader() as reader:
        for _ in range(2):
            with pytest.raises(InputError, match=r"not foreseen \(TypeError"):
                reader.read(tmp_path / "good", bare(three), None)
        assert reader.deaths == 0


def test_names_of_no_text_and_a_million_folders_cost_no_more_than_a_sentence(tmp_path):
    """A COCO file may call a class by half a character; a name in a .zip may make two thousand folders."""
    root = make_folder(tmp_path / "photos", ["a.png"])
    about = {
        "images": [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}],
        "categories": [{"id": 1, "name": "\ud800\0 cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 50, 1, 50, 50]]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(about))
    store = Store(root)
    taken = import_from(PhotoFolder(root), store, tmp_path / "a.json", "coco", lambda done, total: None)
    assert taken.objects == 1
    assert "".join(taken.notes).isprintable()
    again = import_from(PhotoFolder(root), store, tmp_path / "a.json", "coco", lambda done, total: None)
    assert (again.objects, again.identical) == (0, 1)
    assert [found.name for found in store.classes()][-1] == "cat"
    store.close()
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("/".join("abc" for _ in range(800)) + "/a.txt", "x")
    with zipfile.ZipFile(tmp_path / "wide.zip", "w") as archive:
        for number in range(30):
            archive.writestr(f"{number}/" + "/".join("abc" for _ in range(30)) + "/a.txt", "x")
    for name, reason in (("deep", "in more than 64 folders"), ("wide", "more than 500 files and folders")):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=reason) as caught:
            unzip(tmp_path / f"{name}.zip", tmp_path / name, max_files=500)
        assert len(str(caught.value)) < 300
        assert not list((tmp_path / name).iterdir())
