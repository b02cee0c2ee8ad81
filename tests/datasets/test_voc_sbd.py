"""Pascal VOC and SBD, on small sets in the layout of the originals, and the reader of .mat files."""

import contextlib
import json
import os
import pickle
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import scipy.io
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from fewclicks.datasets import mat, object_index, open_benchmark, pascal_voc, sbd
from fewclicks.datasets.mat import read_field
from fewclicks.errors import DatasetError

VOC_IDS = {
    "2007_000033": [[0, 1, 1, 255], [0, 2, 255, 255], [0, 0, 0, 7]],
    "2007_000042": [[0, 0, 0, 0], [0, 0, 0, 0], [3, 3, 255, 0]],
    "2007_000061": [[5, 5], [5, 5]],
}
SBD_IDS = {
    "2008_000002": [[0, 1, 1], [2, 2, 0]],
    "2008_000003": [[1, 1, 1], [1, 1, 1]],
    "2010_000001": [[0, 0, 3], [0, 1, 2]],
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FEWCLICKS_CACHE", str(folder))
    return folder


def write_photo(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((*np.shape(ids), 3), 100, np.uint8)).save(path)


def write_mat(path, ids, compressed=True):
    """A file like those of inst/: GTinst with Segmentation, Boundaries (sparse, in a cell) and Categories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.asarray(ids, np.uint8)
    count = int(ids.max())
    boundaries = np.empty((count, 1), object)
    for k in range(count):
        boundaries[k, 0] = scipy.sparse.csc_matrix(ids == k + 1)
    content = {"Segmentation": ids, "Boundaries": boundaries, "Categories": np.full((count, 1), 15, np.uint8)}
    scipy.io.savemat(path, {"GTinst": content}, do_compression=compressed)


@pytest.fixture
def voc(tmp_path):
    """VOC2012/ of three photos, one of them not in val."""
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for stem, ids in VOC_IDS.items():
        write_photo(root / "JPEGImages" / f"{stem}.jpg", ids)
        mask = PIL.Image.fromarray(np.array(ids, np.uint8)).convert("P")
        mask.putdata(np.ravel(ids).tolist())
        mask.putpalette([value for i in range(256) for value in (i * 7 % 256, i * 31 % 256, i)])
        (root / "SegmentationObject").mkdir(exist_ok=True)
        mask.save(root / "SegmentationObject" / f"{stem}.png")
    write_photo(root / "JPEGImages" / "2012_999999.jpg", [[0]])  # of VOC's other tasks
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("2007_000042\n2007_000033\n")
    (lists / "train.txt").write_text("2007_000061\n")
    (lists / "trainval.txt").write_text("\n".join(VOC_IDS) + "\n")
    return root


@pytest.fixture(params=[True, False], ids=["compressed", "plain"])
def sbd_root(request, tmp_path):
    """SBD/ of three photos."""
    root = tmp_path / "SBD"
    for stem, ids in SBD_IDS.items():
        write_photo(root / "img" / f"{stem}.jpg", ids)
        write_mat(root / "inst" / f"{stem}.mat", ids, request.param)
    (root / "val.txt").write_text("2010_000001\n2008_000002\n")
    (root / "train.txt").write_text("2008_000003\n")
    return root


def test_every_palette_index_of_voc_but_background_and_void_is_an_object(voc):
    dataset = pascal_voc.open(voc)
    samples = [dataset[i] for i in range(len(dataset))]
    assert [s.name for s in samples] == ["2007_000042#3", "2007_000033#1", "2007_000033#2", "2007_000033#7"]
    assert samples[0].truth.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, -1, 0]]
    assert samples[3].truth.tolist() == [[0, 0, 0, -1], [0, 0, -1, -1], [0, 0, 0, 1]]
    assert samples[3].image.shape == (3, 4, 3)
    ticks = []
    assert len(open_benchmark("pascal_voc", voc.parents[1], "trainval", lambda *tick: ticks.append(tick))) == 5
    assert ticks == [(1, 3), (2, 3), (3, 3)]


def test_voc_trains_on_the_photos_of_train(voc):
    assert [pascal_voc.scenes(voc)[0].name] == ["2007_000061"]
    whole = pascal_voc.scenes(voc, "trainval")
    assert [whole.photo(i) for i in range(len(whole))] == list(VOC_IDS)
    assert whole[0].objects() == [1, 2, 7]
    assert pickle.loads(pickle.dumps(whole))[0].ids.tolist() == VOC_IDS["2007_000033"]


def test_voc_names_what_is_missing(voc):
    with pytest.raises(DatasetError, match="no split named 'test'; there are: val, train, trainval"):
        pascal_voc.open(voc, "test")
    (voc / "SegmentationObject" / "2007_000033.png").unlink()
    with pytest.raises(
        DatasetError, match=r"listed files are not in .*SegmentationObject, 1 of 2,.*.*2007_000033\.png"
    ):
        pascal_voc.open(voc)
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000042\n2099_000001\n")
    with pytest.raises(DatasetError, match=r"JPEGImages.*2099_000001\.jpg"):
        pascal_voc.open(voc)
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("../../etc/passwd\n")
    with pytest.raises(DatasetError, match="is a path"):
        pascal_voc.open(voc)
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("")
    with pytest.raises(DatasetError, match="is empty"):
        pascal_voc.open(voc)


def test_a_voc_mask_that_does_not_fit_is_refused(voc):
    PIL.Image.fromarray(np.ones((5, 5), np.uint8)).save(voc / "SegmentationObject" / "2007_000042.png")
    with pytest.raises(DatasetError, match="is 5x5, its photo 4x3"):
        pascal_voc.open(voc)[0]
    PIL.Image.fromarray(np.ones((3, 4, 3), np.uint8)).save(voc / "SegmentationObject" / "2007_000042.png")
    with pytest.raises(DatasetError, match="is a colour picture"):
        pascal_voc.open(voc)


def test_sbd_has_one_sample_for_each_instance(sbd_root):
    dataset = sbd.open(sbd_root)
    samples = [dataset[i] for i in range(len(dataset))]
    names = ["2010_000001#1", "2010_000001#2", "2010_000001#3", "2008_000002#1", "2008_000002#2"]
    assert [s.name for s in samples] == names
    assert samples[0].truth.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert samples[4].truth.tolist() == [[0, 0, 0], [1, 1, 0]]
    assert sbd.scenes(sbd_root)[0].name == "2008_000003"


def test_training_leaves_out_instances_that_hardly_fill_their_box(sbd_root):
    sparse = np.zeros((20, 20), np.uint8)
    np.fill_diagonal(sparse, 1)  # 20 of 400 pixels: 0.05
    sparse[0, 5:] = 2
    write_photo(sbd_root / "img" / "2008_000003.jpg", sparse)
    write_mat(sbd_root / "inst" / "2008_000003.mat", sparse)
    scene = sbd.scenes(sbd_root, "train")[0]
    assert scene.objects() == [2]
    assert (scene.ids == 2).sum() == (sparse == 2).sum()
    assert len(sbd.open(sbd_root, "train")) == 2, "measuring leaves none out"


def test_sbd_names_what_is_missing_or_wrong(sbd_root):
    write_mat(sbd_root / "inst" / "2010_000001.mat", [[1, 2]])
    with pytest.raises(DatasetError, match="is 2x1, its photo 3x2"):
        sbd.open(sbd_root)[0]
    write_mat(sbd_root / "inst" / "2010_000001.mat", [[255, 1]])
    with pytest.raises(DatasetError, match="other values than the ids"):
        sbd.open(sbd_root)
    (sbd_root / "inst" / "2010_000001.mat").unlink()
    with pytest.raises(DatasetError, match=r"inst, 1 of 2, the first is 2010_000001\.mat"):
        sbd.open(sbd_root)
    with pytest.raises(DatasetError, match=r"train_noval\.txt does not exist"):
        sbd.scenes(sbd_root, "train_noval")


def calls(monkeypatch, module, name):
    """The paths with which a reader is called from now on."""
    seen, inner = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda path: [seen.append(path), inner(path)][1])
    return seen


def test_the_index_is_made_once_and_kept_outside_the_data(sbd_root, cache, monkeypatch):
    before = sorted(sbd_root.rglob("*"))
    reads, ticks = calls(monkeypatch, sbd, "read_ids"), []
    first = sbd.open(sbd_root, progress=lambda done, total: ticks.append((done, total)))
    assert len(reads) == 2
    assert ticks == [(1, 2), (2, 2)]
    assert sorted(sbd_root.rglob("*")) == before
    [kept] = [file for file in cache.rglob("*") if file.is_file()]
    assert sbd.open(sbd_root).index == first.index
    assert len(reads) == 2, "the second time nothing is read"
    for damage in (b"", b"{", b"[]", kept.read_bytes().replace(b"[1, 2, 3]", b'[1, 2, "x"]'), b'{"key": 1}'):
        kept.write_bytes(damage)
        assert sbd.open(sbd_root).index == first.index
    assert len(reads) == 12
    assert json.loads(kept.read_text())["objects"] == [[1, 2, 3], [1, 2]]


def test_the_index_follows_the_list_and_the_masks(voc):
    assert len(pascal_voc.open(voc)) == 4
    mask = voc / "SegmentationObject" / "2007_000042.png"
    PIL.Image.fromarray(np.array([[1, 2, 3, 4]] * 3, np.uint8)).save(mask)
    assert len(pascal_voc.open(voc)) == 7
    (voc / "ImageSets" / "Segmentation" / "val.txt").write_text("2007_000042\n")
    assert len(pascal_voc.open(voc)) == 4


def test_a_cache_that_cannot_be_written_costs_only_time(voc, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWCLICKS_CACHE", str(tmp_path / "file"))
    assert len(pascal_voc.open(voc)) == 4
    assert "FEWCLICKS_CACHE" in caplog.text


@pytest.mark.parametrize(
    ("platform", "environment", "place"),
    [
        ("linux", {}, ".cache/fewclicks"),
        ("linux", {"XDG_CACHE_HOME": "/somewhere"}, "/somewhere/fewclicks"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/fewclicks"),
        ("darwin", {}, "Library/Caches/fewclicks"),
        ("win32", {"LOCALAPPDATA": "/app"}, "/app/fewclicks"),
        ("win32", {"FEWCLICKS_CACHE": "/mine"}, "/mine"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(platform, environment, place, monkeypatch):
    for name in ("FEWCLICKS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert object_index.cache_folder() == Path.home() / place


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_mat_files_are_read_like_scipy_reads_them(tmp_path, compressed, dtype):
    values = np.random.default_rng(0).integers(0, 100, (7, 5)).astype(dtype)
    content = {"First": "text", "Segmentation": values, "Last": np.eye(2)}
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.eye(3), "GTinst": content}, do_compression=compressed)
    got = read_field(tmp_path / "a.mat", "GTinst", "Segmentation")
    assert np.array_equal(got, values)
    assert got.flags.f_contiguous


def test_a_mat_file_of_the_other_byte_order_is_read(tmp_path):
    """scipy writes the machine's order, so this one is put together by hand: GTinst.S = [1 3; 2 4]."""

    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    def matrix(class_, shape, name, rest):
        head = element(6, struct.pack(">II", class_, 0)) + element(5, struct.pack(">ii", *shape)) + element(1, name)
        return element(14, head + rest)

    small = struct.pack(">HHi", 4, 5, 32)  # size and type in four bytes: the length of the field names
    field = matrix(9, (2, 2), b"", element(2, bytes([1, 2, 3, 4])))
    whole = matrix(2, (1, 1), b"GTinst", small + element(1, b"S".ljust(32, b"\0")) + field)
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + whole)
    assert read_field(tmp_path / "a.mat", "GTinst", "S").tolist() == [[1, 3], [2, 4]]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_mat_file_is_refused_and_nothing_else(tmp_path_factory, data):
    """Cut anywhere, or with any bytes changed: an array or a DatasetError, never another exception."""
    path = tmp_path_factory.mktemp("mat") / "a.mat"
    write_mat(path, SBD_IDS["2010_000001"], data.draw(st.booleans()))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(DatasetError):
        assert isinstance(read_field(path, "GTinst", "Segmentation"), np.ndarray)


def test_mat_files_say_why_they_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    for content, reason in (
        (b"", "no MATLAB 5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "version 7.3"),
        (b"x" * 500, "no MATLAB 5 file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DatasetError, match=rf"{reason}.*fetch the file again"):
            read_field(path, "GTinst", "Segmentation")
    for variables, reason in (
        ({"GTcls": {"Segmentation": np.eye(2)}}, "holds no GTinst"),
        ({"GTinst": {"Boundaries": np.eye(2)}}, "it has the fields Boundaries"),
        ({"GTinst": np.eye(2)}, "is no 1x1 struct"),
        ({"GTinst": {"Segmentation": "text"}}, "no array of real numbers"),
        ({"GTinst": {"Segmentation": np.eye(2) * 1j}}, "no array of real numbers"),
    ):
        scipy.io.savemat(path, variables)
        with pytest.raises(DatasetError, match=reason):
            read_field(path, "GTinst", "Segmentation")
    with pytest.raises(DatasetError, match="No such file"):
        read_field(tmp_path / "none.mat", "GTinst", "Segmentation")
    write_mat(path, np.ones((300, 300)))
    monkeypatch.setattr(mat, "MAX_BYTES", 20_000)
    with pytest.raises(DatasetError, match="unpacks to more"):
        read_field(path, "GTinst", "Segmentation")
    path.write_bytes(os.urandom(30_000))
    with pytest.raises(DatasetError, match="larger than any"):
        read_field(path, "GTinst", "Segmentation")


def test_a_bomb_in_a_mat_file_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(mat, "MAX_BYTES", 2**20)
    bomb = zlib.compress(bytes(2**25))
    (tmp_path / "a.mat").write_bytes(
        b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(bomb)) + bomb
    )
    tracemalloc.start()
    with pytest.raises(DatasetError, match="unpacks to more"):
        read_field(tmp_path / "a.mat", "GTinst", "Segmentation")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20
