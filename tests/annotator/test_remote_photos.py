"""Photos in a store: listed, fetched once, fetched again when they change, kept within bounds."""

import os

import pytest

from fewclicks.annotator.services import remote_photos
from fewclicks.annotator.services.remote_photos import RemotePhotos, photos_at
from fewclicks.cli import main
from fewclicks.errors import InputError

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """An address in memory, and its files."""
    monkeypatch.setenv("FEWCLICKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_photos, "RELIST_S", 0.0)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pipe("/bucket/photos/a/10.png", b"ten")
    memory.pipe("/bucket/photos/a/2.png", b"two")
    for name in ("masks/2.png", ".hidden/3.png", "notes.txt", "../out.png"):
        memory.store[f"/bucket/photos/{name}"] = memory.store["/bucket/photos/a/2.png"]
    return memory


def test_photos_are_listed_and_fetched_once(bucket, monkeypatch):
    photos = photos_at("memory://bucket/photos")
    assert isinstance(photos, RemotePhotos)
    assert photos.names() == ["a/2.png", "a/10.png"]
    first = photos.locate("a/2.png")
    assert first.path.read_bytes() == b"two"
    assert first.path.is_relative_to(photos.root)
    monkeypatch.setattr(photos, "_copy", None)
    assert photos.locate("a/2.png") == first
    assert photos_at("memory://bucket/photos").locate("a/2.png") == first, "also by the next server"


def test_a_photo_that_changed_is_another_one(bucket):
    photos = photos_at("memory://bucket/photos")
    first = photos.locate("a/2.png")
    bucket.pipe("/bucket/photos/a/2.png", b"other")
    second = photos.locate("a/2.png")
    assert second != first
    assert second.path.read_bytes() == b"other"
    bucket.rm("/bucket/photos/a/2.png")
    with pytest.raises(InputError, match="put it back"):
        photos.locate("a/2.png")


def test_the_disk_is_kept_within_bounds(bucket, tmp_path):
    for n in range(9):
        bucket.pipe(f"/bucket/photos/{n}.png", os.urandom(1000))
    photos = RemotePhotos("memory://bucket/photos", tmp_path / "small", room_bytes=3500)
    stamps = {name: photos.locate(name) for name in photos.names()}
    kept = [file for file in photos.root.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in kept) <= 3500
    assert photos.locate("0.png") == stamps["0.png"], "fetched again it is the same photo"


def test_bad_addresses_are_said(bucket, tmp_path, capsys):
    for place, said in (
        ("memory://bucket/none", "there are no photos"),
        ("x9://bucket", "x9://bucket"),
        ("memory://bucket/photos", "need a database of their own"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["annotate", place, "--no-browser", "--method", "grow"])
        assert end.value.code == 2
        assert said in capsys.readouterr().err
    with pytest.raises(InputError, match="no folder"):
        photos_at(tmp_path / "none")
