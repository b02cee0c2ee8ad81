"""Masks corrected by Ray Data: byte for byte what the plain loop gives, whatever dies meanwhile."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

import fakes
import programs
from fewclicks.cli import main
from fewclicks.errors import InputError
from fewclicks.integrations import photo_stores
from fewclicks.integrations.mask_sets import entries_of
from fewclicks.integrations.photo_stores import ArchiveStore, FileStore, is_elsewhere, store_at

HW = (60, 80)
PHOTOS = 40
SLOW = """
import os, time
from pathlib import Path
import cv2, numpy as np
from fewclicks.predictor import State, blank

class Slow:
    def start(self, image):
        with open(Path(__file__).parent / "begun.log", "a") as file:
            file.write(f"{os.getpid()}\\n")
        if image[0, 0].tolist() == [1, 2, 3]:
            os._exit(9)
        time.sleep(0.15)
        return blank(image)

    def step(self, state, clicks):
        prob = cv2.dilate(state.prob, np.ones((7, 7), np.uint8))
        return State(state.image, prob, state.threshold, state.memo)

def build(**options):
    return Slow()
"""


@pytest.fixture
def coco(tmp_path):
    """A COCO file of forty photos, one of which is damaged and one of which is absent; `slow.py`, a method."""
    (tmp_path / "images").mkdir()
    (tmp_path / "slow.py").write_text(SLOW)
    images, rows = [], []
    for i in range(PHOTOS):
        name = f"{i:03}.png"
        if i != 7:
            cv2.imwrite(str(tmp_path / "images" / name), fakes.gradient(*HW))
        images.append({"id": i, "file_name": name, "width": HW[1], "height": HW[0]})
        square = [10 + i % 9, 10, 40, 10, 40, 40, 10 + i % 9, 40]
        rows.append({"id": 100 + i, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": [square]})
    (tmp_path / "images" / "005.png").write_bytes(b"no photo")
    file = tmp_path / "set.json"
    file.write_text(json.dumps({"images": images, "annotations": rows, "categories": [{"id": 1, "name": "pond"}]}))
    return file


def command(python, coco, out, *options, method="slow.slow"):
    """`fewclicks refine` in the environment of Ray."""
    return [python, "-m", "fewclicks", "refine", coco.name, "-o", out, "--method", method, *options]


def environment(coco):
    (coco.parent / "slow").mkdir(exist_ok=True)
    (coco.parent / "slow" / "__init__.py").touch()
    (coco.parent / "slow.py").rename(coco.parent / "slow" / "slow.py")
    return {**os.environ, "PYTHONPATH": str(coco.parent)}


def masks(path):
    return {row["key"]: row for row in json.loads(path.read_text())["masks"]}


def archives(folder, suffix):
    """The photos of the fixture in archives."""
    files = sorted((folder / "images").iterdir())
    halves = [files[::2], files[1::2]]
    for number, half in enumerate(halves):
        if suffix == "tar":
            with tarfile.open(folder / f"photos-{number}.tar", "w") as archive:
                for file in half:
                    archive.add(file, f"deep/{file.name}")
                    archive.addfile(tarfile.TarInfo(f"deep/{file.stem}.json"), io.BytesIO())
        else:
            import pyarrow
            from pyarrow import parquet

            columns = {"file_name": [file.name for file in half], "image": [file.read_bytes() for file in half]}
            parquet.write_table(pyarrow.table(columns), folder / f"photos-{number}.parquet")


@pytest.mark.integration
def test_an_actor_and_the_driver_are_killed_and_each_mask_is_there_once(coco):
    python = programs.program("ray")
    with_path = environment(coco)
    options = {"cwd": coco.parent, "env": with_path}
    subprocess.run(command(python, coco, "plain.json"), check=True, capture_output=True, **options)
    log = coco.parent / "slow" / "begun.log"
    log.unlink()
    ours = command(python, coco, "ray.json", "--engine", "ray", "--actors", "2", "--shards", "4")
    said = coco.parent / "said.log"
    with open(said, "wb") as file:
        first = subprocess.Popen(ours, stdout=file, stderr=file, **options)

    def wait_for_driver(what):
        wait_for(lambda: what() or first.poll() is not None)
        assert what(), said.read_text()[-2000:]

    try:
        for so_far in (4, 12):
            wait_for_driver(lambda so_far=so_far: log.exists() and len(log.read_text().splitlines()) > so_far)
            os.kill(int(log.read_text().splitlines()[-1]), signal.SIGKILL)
        wait_for_driver(lambda: list(coco.parent.glob("ray-*.refine.json")) or (coco.parent / "ray.json").exists())
    finally:
        first.kill()
        first.wait()
    written = {path: path.stat().st_mtime_ns for path in coco.parent.glob("ray-*.refine.json")}
    if len(written) < 4:
        assert not (coco.parent / "ray.json").exists()
    again = subprocess.run(ours, check=True, capture_output=True, text=True, **options)
    assert "40 masks" in again.stdout
    assert (coco.parent / "ray.json").read_bytes() == (coco.parent / "plain.json").read_bytes()
    assert not list(coco.parent.glob("ray-*")), "the shards have become the whole"
    found, wanted = (masks(coco.with_name(name)) for name in ("ray.refine.json", "plain.refine.json"))
    assert {key: row["changed"] for key, row in found.items()} == {key: row["changed"] for key, row in wanted.items()}
    assert len(json.loads(coco.with_name("ray.refine.json").read_text())["masks"]) == PHOTOS
    assert {key for key, row in found.items() if row["problem"]} == {"105", "107"}
    done = subprocess.run(ours, check=True, capture_output=True, text=True, **options)
    assert "done before; skipped" in done.stdout


@pytest.mark.integration
@pytest.mark.parametrize("suffix", ["tar", "parquet"])
def test_photos_in_archives_and_one_that_kills_its_actor(coco, suffix):
    python = programs.program("ray")
    with_path = environment(coco)
    options = {"cwd": coco.parent, "env": with_path}
    subprocess.run(command(python, coco, "plain.json"), check=True, capture_output=True, **options)
    deadly = np.zeros((*HW, 3), np.uint8)
    deadly[0, 0] = 3, 2, 1
    cv2.imwrite(str(coco.parent / "images" / "011.png"), deadly)
    code = f"import sys; sys.path[:0] = {sys.path!r}; import test_refine_ray as t, pathlib; "
    code += f"t.archives(pathlib.Path({str(coco.parent)!r}), {suffix!r})"
    subprocess.run([python, "-c", code], check=True, cwd=Path(__file__).parent) if suffix == "parquet" else archives(
        coco.parent, suffix
    )
    ours = command(python, coco, "ray.json", "--engine", "ray", "--actors", "2", "--images", f"photos-*.{suffix}")
    said = subprocess.run(ours, check=False, capture_output=True, text=True, **options)
    assert said.returncode == 0, said.stderr
    problems = {key: row["problem"] for key, row in masks(coco.with_name("ray.refine.json")).items() if row["problem"]}
    assert problems.keys() == {"105", "107", "111"}
    assert "no archive" in problems["107"]
    assert "died 3 times" in problems["111"]
    theirs, found = (json.loads(coco.with_name(name).read_text()) for name in ("plain.json", "ray.json"))
    same = [a == b for a, b in zip(theirs["annotations"], found["annotations"], strict=True)]
    assert [i for i, is_same in enumerate(same) if not is_same] == [11]


@contextmanager
def bucket(folder, log):
    """The photos in an S3-like store, and what a client must have in its environment."""
    port = programs.free_port()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    address = f"http://127.0.0.1:{port}"
    variables = {**os.environ, **keys, "AWS_ENDPOINT_URL": address, "AWS_ENDPOINT_URL_S3": address}
    put = (
        f"import s3fs; s3 = s3fs.S3FileSystem(); s3.mkdir('set'); s3.put({str(folder)!r}, 'set/images', recursive=True)"
    )
    with programs.running([programs.program("s3", "moto_server"), "-p", str(port)], address, log):
        subprocess.run([programs.program("s3"), "-c", put], check=True, env=variables)
        yield variables


@contextmanager
def cluster(python, variables, log):
    """The address of a cluster that runs already."""
    address = f"127.0.0.1:{programs.free_port()}"
    options = [
        "--node-ip-address",
        "127.0.0.1",
        "--num-cpus",
        "2",
        "--include-dashboard=false",
        "--disable-usage-stats",
    ]
    command = [str(Path(python).with_name("ray")), "start", "--head", "--block", "--port", address.partition(":")[2]]
    with open(log, "wb") as file:
        head = subprocess.Popen([*command, *options], stdout=file, stderr=file, env=variables)
    try:
        wait_for(lambda: b"Ray runtime started" in log.read_bytes() or head.poll() is not None)
        assert head.poll() is None, log.read_text()
        yield address
    finally:
        head.terminate()
        head.wait(60)


@pytest.mark.integration
def test_photos_in_an_object_store_by_a_cluster_that_runs_already(coco):
    python = programs.program("ray")
    with_path = environment(coco)
    subprocess.run(command(python, coco, "plain.json"), check=True, capture_output=True, cwd=coco.parent, env=with_path)
    with bucket(coco.parent / "images", coco.with_name("moto.log")) as variables:
        variables["PYTHONPATH"] = with_path["PYTHONPATH"]
        with cluster(python, variables, coco.with_name("head.log")) as address:
            ours = command(python, coco, "ray.json", "--images", "s3://set/images", "--engine", "ray")
            ours += ["--address", address, "--shards", "2"]
            done = subprocess.run(ours, check=False, capture_output=True, text=True, cwd=coco.parent, env=variables)
    assert done.returncode == 0, done.stderr
    assert (coco.parent / "ray.json").read_bytes() == (coco.parent / "plain.json").read_bytes()


def wait_for(what, seconds=600):
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it takes too long"
        time.sleep(0.05)


def test_tars_are_read_to_the_damage(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(4):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), fakes.gradient(*HW))
    archives(tmp_path, "tar")
    whole = tmp_path / "photos-0.tar"
    store = store_at(str(tmp_path / "photos-*.tar"))
    assert isinstance(store, ArchiveStore)
    assert [found.name for unit in store.units([]) for found in store.read(unit)] == [
        "deep/0.png", "deep/2.png", "deep/1.png", "deep/3.png",
    ]  # fmt: skip
    whole.write_bytes(whole.read_bytes()[:1700])
    read = list(store.read(store.units([])[0]))
    assert [(found.name, bool(found.problem)) for found in read][-1] == ("", True)
    assert "photos-0.tar" in read[-1].problem


def test_files_are_read_wherever_fsspec_reaches(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/basket/photos/a/1.jpg", b"one")
    memory.pipe("/basket/photos/note.txt", b"two")
    store = store_at("memory://basket/photos")
    assert isinstance(store, FileStore)
    assert store.names == ("a/1.jpg",)
    assert store.known().find("1.jpg").file == "a/1.jpg"
    assert [found.data for found in store.read("a/1.jpg")] == [b"one"]
    assert "cannot be read" in next(store.read("a/2.jpg")).problem
    for place, said in (("memory://basket/none", "no photos"), ("nothing-*.tar", "no archive"), ("x9://a", "x9://a")):
        with pytest.raises(InputError, match=said):
            store_at(place)


@pytest.mark.parametrize(
    ("place", "elsewhere"),
    [("photos", False), ("s3://a/b", True), ("a-*.tar", True), ("b.parquet", True), ("c.d", False)],
)
def test_what_is_no_folder_is_elsewhere(place, elsewhere):
    assert is_elsewhere(place) is elsewhere


def test_a_part_of_a_document_is_changed_by_its_entries():
    row = {"id": 3, "segmentation": [[10, 10, 30, 10, 30, 30, 10, 30]]}
    part = json.loads(json.dumps([row]))
    entry = entries_of(part, "a.jpg")[0]
    mask = entry.read(HW)
    mask[40:50, 10:30] = False
    mask[30:40, 10:31] = True
    entry.put(mask)
    assert part[0]["area"] == int(mask.sum())
    assert row["segmentation"] == [[10, 10, 30, 10, 30, 30, 10, 30]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "spark"], "no engine 'spark'"),
        (["--actors", "2"], "are for Ray"),
        (["--engine", "ray", "--shard", "1/2", "--shards", "3"], "leave one of them out"),
        (["--images", "memory://nothing"], "read by Ray"),
        (["--images", "memory://nothing", "--review", "r.html"], "a review"),
    ],
)
def test_what_does_not_go_together_is_said(coco, capsys, options, said):
    with pytest.raises(SystemExit) as end:
        main(["refine", str(coco), "-o", str(coco.with_name("o.json")), "--method", "grow", *options])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_without_fsspec_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"fewclicks\[ray\]"):
        photo_stores.store_at("s3://bucket/photos")
