"""Exports and imports, by the API and by the commands."""

import errno
import io
import json
import os
import tempfile
import threading
import time
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import PIL.Image
import pytest

from annotating import Api, client_of, make_folder, png, truth
from commands import runner
from fakes import gradient
from fewclicks import child_process
from fewclicks.annotator.services import jobs
from fewclicks.annotator.services.detection import annotations_are_likely, masks_are_likely
from fewclicks.annotator.services.import_export import import_found, import_from
from fewclicks.annotator.services.jobs import JobRunner
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.store.objects import Store
from fewclicks.cli import main
from fewclicks.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """A folder with two objects on its first photo."""
    root = make_folder(tmp_path / "photos")
    with client_of(root) as client:
        api = Api(client)
        api("POST", "/classes", {"name": "cat"}, 201)
        for mask in (truth(), ~truth()):
            api.act(api.new()["id"], "mask", png=png(mask))
    return root


def in_this_process(self, arguments):
    """What `JobRunner._wait` does, without the second that a process takes to start."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, out.getvalue(), err.getvalue()


@pytest.fixture
def served(folder, monkeypatch):
    monkeypatch.setattr(JobRunner, "_wait", in_this_process)
    with client_of(folder) as client:
        yield Api(client)


@pytest.fixture
def fewclicks(capsys, tmp_path, monkeypatch):
    """Runs a command beside the folder -> exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return runner(capsys)


def masks_of(root):
    with Store(root) as store:
        return [mask.mask() for info in store.photos() for _, mask in store.masks(info.id)]


def coco(masks):
    """A COCO document with masks of a.png, as run lengths."""
    annotations = []
    for number, mask in enumerate(masks, 1):
        flat = mask.T.ravel()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
        counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
        annotations.append(
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": list(mask.shape), "counts": counts},
            }
        )
    images = [{"id": 1, "file_name": "a.png", "width": 120, "height": 80}]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "dog"}]})


def test_the_formats_are_told_with_what_they_lose(served):
    found = {item["name"]: item for item in served("GET", "/formats")}
    assert set(found) >= {"coco", "yolo", "labelme", "voc", "index_png", "binary_png", "cutout"}
    assert served("GET", "/folder")["formats"] == list(found.values())
    shapes = next(option for option in found["coco"]["options"] if option["name"] == "shapes")
    assert shapes["kind"] == "choice"
    assert shapes["default"] in shapes["choices"]
    for item in found.values():
        assert all(item["loses"])
        assert {"visible"} <= {option["name"] for option in item["options"]}


def test_an_export_is_a_zip_and_says_what_it_lost(served, monkeypatch):
    monkeypatch.undo()  # here with a process of its own
    answer = served("POST", "/export", {"format": "index_png", "options": {"ids": "objects"}})
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="photos-index_png.zip"' in answer.headers["content-disposition"]
    assert any("untouched" in note for note in json.loads(unquote(answer.headers["x-fewclicks-notes"])))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive, archive.open("masks/a.png") as file:
        ids = np.asarray(PIL.Image.open(file))
    assert np.array_equal(ids == 1, truth())
    assert np.array_equal(ids == 2, ~truth())


def test_exports_that_make_no_sense_are_refused(served):
    served("POST", "/export", {"format": "nothing"}, 404)
    served("POST", "/export", {"format": "../coco"}, 404)
    served("POST", "/export", {"format": "coco", "options": {"odd": 1}}, 400)
    served("POST", "/export", {"format": "coco", "options": {"shapes": "odd"}}, 400)
    served("POST", "/export", {"format": "coco", "options": {"shapes": ["rle"]}}, 400)


def test_nothing_is_left_behind(served, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    served("POST", "/export", {"format": "coco"})
    served("POST", "/export", {"format": "coco", "options": {"shapes": "odd"}}, 400)
    served("POST", "/import?name=a.json", status=400, content=b"{}")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_upload_is_taken_in_once(served):
    other = np.zeros((80, 120), bool)
    other[5:15, 5:25] = True
    for expected in (1, 0):
        taken = served("POST", "/import?name=coco.json", content=coco([other]))
        assert taken["objects"] == expected
    objects = served("GET", "/photos/1")["objects"]
    assert len(objects) == 3
    assert np.array_equal(served.mask(objects[-1]["id"]), other)
    assert "dog" in [found["name"] for found in served("GET", "/classes")]
    served.click(objects[-1]["id"], 60, 40)
    served.step(objects[-1]["id"], "undo")
    assert np.array_equal(served.mask(objects[-1]["id"]), other)


@pytest.mark.slow
def test_an_export_comes_back_as_an_upload(served, tmp_path):
    for name in ("coco", "labelme", "voc", "index_png", "binary_png"):
        data = served("POST", "/export", {"format": name}).content
        root = make_folder(tmp_path / f"again_{name}")
        with client_of(root) as client:
            assert Api(client)("POST", f"/import?name={name}.zip", content=data)["objects"] == 2
        assert {mask.tobytes() for mask in masks_of(root)} == {truth().tobytes(), (~truth()).tobytes()}, name


@pytest.mark.slow
def test_uploads_that_cannot_be_used_say_why(served, tmp_path):
    for name, data in [
        ("notes.txt", b"hello"),
        ("a.json", b"{"),
        ("a.zip", b"PK\x03\x04 no"),
        ("../../a.json", b"{}"),
        ("", b"{}"),
        ("...", b"x"),
        ("-o.json", b"[]"),
    ]:
        problem = served("POST", f"/import?name={name}", status=400, content=data)
        assert "/tmp" not in problem["detail"]
        assert str(tmp_path) not in problem["detail"]
    served("POST", "/import?name=a.json&format=odd", status=400, content=b"{}")


@pytest.mark.slow
def test_what_lies_beside_new_photos_is_found_by_itself(tmp_path):
    root = make_folder(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    PIL.Image.fromarray(truth()).save(tmp_path / "masks" / "a.png")
    with client_of(root) as client:
        api = Api(client)
        for _ in range(600):
            objects = api("GET", "/photos/1")["objects"]
            if objects:
                break
            time.sleep(0.1)
        assert np.array_equal(api.mask(objects[0]["id"]), truth())
        assert api("POST", "/import")["objects"] == 0
        assert api("GET", "/folder")["counts"]["begun"] == 1


def test_masks_among_the_photos_are_no_photos(tmp_path):
    root = make_folder(tmp_path / "photos", ("a.jpg", "b.jpg", "b_mask_of_what.png"))
    PIL.Image.fromarray(truth()).save(root / "a_mask.png")
    with client_of(root) as client:
        names = [item["name"] for item in Api(client)("GET", "/photos")["items"]]
    assert names == ["a.jpg", "b.jpg", "b_mask_of_what.png"]


def test_likely_masks_are_seen_by_their_names(tmp_path):
    assert masks_are_likely(["a.jpg", "a.png"])
    assert masks_are_likely(["x/a.jpg", "x/a_mask.png"])
    assert not masks_are_likely(["a.jpg", "b.png", "x/a.jpg", "a_maskless.png"])
    root = make_folder(tmp_path / "photos")
    assert not annotations_are_likely(root, [])
    (root / "labels.json").write_text("{}")
    assert annotations_are_likely(root, [])


def test_the_export_command(fewclicks, folder):
    code, out, _ = fewclicks("export", "photos", "--format", "binary-png")
    assert code == 0
    assert out.startswith("photos-binary_png: 3 files\n  this format loses soft edges\n  2 photos untouched")
    with PIL.Image.open("photos-binary_png/a/0001-object.png") as picture:
        assert np.array_equal(np.asarray(picture) > 0, truth())
    code, out, _ = fewclicks("export", "photos", "-f", "coco", "-o", "all.json", "--set", "shapes=polygons", "--json")
    assert json.loads(out)["files"] == 1
    assert len(json.loads(Path("all.json").read_text())["annotations"]) == 2
    code, out, _ = fewclicks("export", "photos")
    assert "coco: COCO JSON. Loses" in out


def test_the_import_command(fewclicks, folder, tmp_path):
    (tmp_path / "more.json").write_text(coco([truth()[:, ::-1]]))
    code, out, _ = fewclicks("import", "photos", "more.json")
    assert (code, out) == (0, "1 new object on 1 photo\n")
    assert len(masks_of(folder)) == 3
    (tmp_path / "more.json").unlink()
    (tmp_path / "masks").mkdir()
    PIL.Image.fromarray(truth()[::-1]).save(tmp_path / "masks" / "c.png")
    code, out, _ = fewclicks("import", "photos", "--json")
    assert json.loads(out)["objects"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "nowhere"), "no folder at 'nowhere'"),
        (("export", "plain", "-f", "coco"), "nothing was annotated in 'plain' yet"),
        (("export", "photos", "-f", "cocoa"), "did you mean 'coco'"),
        (("export", "photos", "-f", "coco", "--set", "odd=1"), "has no option 'odd'"),
        (("export", "photos", "-f", "coco", "-o", "no/such/folder"), "create it first"),
        (("export", "photos", "-f", "coco", "-o", "taken.zip"), "exists"),
        (("export", "photos", "-f", "coco", "-o", "no/such/all.zip"), "create it first"),
        (("export", "photos", "-f", "coco", "--database", "file.db"), "no URL of a database"),
        (("import", "nowhere"), "no folder at"),
        (("import", "empty"), "no photos in 'empty'"),
        (("import", "plain"), "no annotations were found"),
        (("import", "photos", "nothing.json"), "nothing is at 'nothing.json'"),
        (("import", "photos", "taken.zip"), "is no .zip that can be unpacked"),
        (("import", "photos", "empty"), "holds no annotations of these photos"),
        (("import", "photos", "--format", "coco"), "needs a source"),
        (("import", "photos", "taken.zip", "--format", "cocoa"), "taken.zip"),
    ],
)
def test_commands_that_make_no_sense_say_so_in_one_line(fewclicks, folder, arguments, says):
    for name in ("plain", "empty"):
        os.mkdir(name)
    make_folder(folder.parent / "plain")
    (folder.parent / "taken.zip").write_bytes(b"no zip")
    code, out, err = fewclicks(*arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../a.json", "/tmp/a.json", "x/../../a.json"])
def test_a_zip_may_not_lie_elsewhere(folder, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, coco([truth()]))
    with Store(folder) as store, pytest.raises(InputError, match="elsewhere"):
        import_from(PhotoFolder(folder), store, tmp_path / "evil.zip", None, lambda done, total: None)


def test_a_zip_may_hold_no_links_and_no_bombs(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("fewclicks.annotator.services.import_export.ZIP_BYTES", 2**20)
    monkeypatch.setattr("fewclicks.annotator.services.import_export.ZIP_FILES", 3)
    link = zipfile.ZipInfo("link.json")
    link.external_attr = 0o120777 << 16
    for number, (names, data, says) in enumerate(
        [
            ([link], "/etc/passwd", "elsewhere"),
            (["a.json"], "0" * 2**21, "more than 0 GiB"),
            (["a", "b", "c", "d"], "", "more than 3"),
        ]
    ):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, data)
        with Store(folder) as store, pytest.raises(InputError, match=says):
            import_from(PhotoFolder(folder), store, tmp_path / f"{number}.zip", None, lambda done, total: None)


def test_clicks_go_on_during_an_export_and_errands_are_bounded(served, monkeypatch):
    gate, begun = threading.Event(), threading.Event()
    monkeypatch.setattr(JobRunner, "_wait", lambda *a: begun.set() or (gate.wait() and in_this_process(*a)))
    monkeypatch.setattr(jobs, "AT_ONCE", 1)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(served("POST", "/export", {"format": "coco"})))
    thread.start()
    begun.wait()
    assert served.click(served.new()["id"], 60, 40)["patch"]
    served("POST", "/export", {"format": "coco"}, 503)
    gate.set()
    thread.join()
    assert answers[0].status_code == 200


def test_an_errand_that_fails_badly_is_no_users_fault(tmp_path):
    root = make_folder(tmp_path / "photos")
    (root / ".fewclicks").mkdir()
    (root / ".fewclicks" / "annotations.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(InputError) as raised:
        JobRunner(root, None).run("export", "--format", "coco")
    assert "Traceback" not in str(raised.value)


def test_the_password_of_the_database_is_in_no_argument(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(JobRunner, "_wait", lambda self, arguments: seen.append(arguments) or (0, '{"notes": []}', ""))
    runs = JobRunner(tmp_path, "postgresql://me:secret@host/name")
    runs.run("export", "--format", "coco")
    assert "secret" not in str(seen)
    assert runs._environment["FEWCLICKS_DATABASE"].endswith("secret@host/name")


def test_closing_ends_an_errand(tmp_path, monkeypatch):
    root = make_folder(tmp_path / "photos", ())
    PIL.Image.fromarray(gradient(30, 30)).save(root / "a.png")
    runs = JobRunner(root, None)
    monkeypatch.setattr(child_process.sys, "executable", "/bin/sleep")
    monkeypatch.setattr(runs, "_folder", "60")
    popen = jobs.subprocess.Popen
    monkeypatch.setattr(jobs.subprocess, "Popen", lambda command, **more: popen(["/bin/sleep", "60"], **more))
    threading.Timer(0.2, runs.close).start()
    began = time.monotonic()
    with pytest.raises(Exception, match="stopping"):
        runs.run("import")
    assert time.monotonic() - began < 30


def test_what_lies_beside_can_be_left_alone(tmp_path):
    root = make_folder(tmp_path / "images")
    (tmp_path / "masks").mkdir()
    PIL.Image.fromarray(truth()).save(tmp_path / "masks" / "a.png")
    client = client_of(root)
    client.annotator.takes_in_found = False
    with client:
        api = Api(client)
        api.click(api.new()["id"], 60, 40)
        client.annotator.errands_pool.shutdown()
        assert len(api("GET", "/photos/1")["objects"]) == 1


def test_labels_two_folders_up_are_found_also_beside_others(tmp_path):
    (tmp_path / "images").mkdir()
    root = make_folder(tmp_path / "images" / "train")
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True)
    (labels / "a.txt").write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")
    names = PhotoFolder(root).names()
    assert annotations_are_likely(root, names)
    for place in ("kept", "again"):
        (tmp_path / place).mkdir()
    with Store(tmp_path / "kept") as store:
        found = import_found(PhotoFolder(root), store, lambda done, total: None)
        assert found.objects == 1
        assert found.notes[0].startswith("a.png: 1 object of a class without a name (add data.yaml or classes.txt)")
    shape = {"label": "cat", "points": [[9, 9], [50, 9], [50, 50]], "shape_type": "polygon"}
    document = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 80, "imageWidth": 120, "imageData": None}
    (root / "a.json").write_text(json.dumps(document))
    with Store(tmp_path / "again") as store:
        found = import_found(PhotoFolder(root), store, lambda done, total: None)
        assert found.objects == 1
        assert found.notes == ("../labels/train was left out (yolo): what lies in labelme was taken in",)


def test_a_full_disk_is_said_and_is_no_error_of_the_server(served, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    for path, more in (("/import?name=a.zip", {"content": b"x"}), ("/export", {"json": {"format": "coco"}})):
        said = served("POST", path, status=507, **more)
        assert "disk is full; make room there" in said["detail"]
