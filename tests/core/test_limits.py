"""No file takes much more memory or time than it has bytes: docs/limits.md."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fewclicks.engines import onnx as engine
from fewclicks.engines import trial
from fewclicks.errors import CheckpointError
from fewclicks.files import bounded

SCRIPT = Path(__file__).with_name("greedy_files.py")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux")
def test_greedy_files_are_refused_in_bounded_memory(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) > 20
    assert {name: told for name, (told, _) in found.items() if not told.startswith("refused: ")} == {}
    assert all("\n" not in told and len(told) < 400 for told, _ in found.values())
    assert max(seconds for _, seconds in found.values()) < 60


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 90_000 + b"0]",
        b"[" + b'{"":0},' * 60_000 + b"0]",
        b"[" + b"[[[[[[]]]]]]," * 20_000 + b"0]",
        b"[" + b'"ab",' * 80_000 + b"0]",
        b"[" + b"1.0," * 90_000 + b"0]",
        b"{" + b",".join(b'"%x":0' % i for i in range(60_000)) + b"}",
        b"[" + b",".join(b'{"%x":"%x"}' % (i, i) for i in range(40_000)) + b"]",
        b'["' + b"a" * 10**6 + '\U0001f600"]'.encode(),
        b'["' + b"a" * 10**6 + rb'\ud83d\ude00"]',
    ],
    ids=["lists", "dicts", "nested", "texts", "floats", "keys", "small dicts", "a rare letter", "a rare escape"],
)
def test_a_json_text_takes_no_more_than_is_counted(text, monkeypatch):
    import tracemalloc

    tracemalloc.start()
    try:
        value = bounded.parse_json(text)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert value == json.loads(text)
    monkeypatch.setattr(bounded, "JSON_MOST_BYTES", taken - 1)
    with pytest.raises(ValueError, match="would take up to"):
        bounded.parse_json(text)


def test_files_as_people_have_them_are_read():
    outline = [round(1.5 * i, 1) for i in range(40)]
    box = {"id": 1, "image_id": 2, "category_id": 3, "bbox": [1.5, 2.5, 30.25, 40.0], "area": 1210.0, "iscrowd": 0}
    for entry in (box, box | {"segmentation": [outline]}, {"x": 12.34, "y": 56.78}):
        text = json.dumps({"annotations": [entry] * 1000})
        raw = text.encode()
        cost = 2 * len(raw) + sum(raw.count(sign) * each for sign, each in bounded.COSTS.items())
        assert cost < bounded.JSON_FACTOR * len(raw), "whatever its size"
        assert bounded.parse_json(b"\xef\xbb\xbf" + raw) == json.loads(text)


@pytest.mark.parametrize("text", [b"[" * 10**5, b"{", b"\xff", b"[" + b"1" * 5000 + b"]", "[\ud800", b"\xef\xbb\xbf"])
def test_what_is_no_json_is_one_kind_of_error(text):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        bounded.parse_json(text)


def test_only_regular_files_are_read(tmp_path):
    with pytest.raises(OSError):  # noqa: PT011 - a folder
        bounded.read_bytes(tmp_path, 9)
    (tmp_path / "a").write_bytes(b"123")
    assert bounded.read_bytes(tmp_path / "a", 3) == b"123"
    with pytest.raises(ValueError, match="more than"):
        bounded.read_bytes(tmp_path / "a", 2)
    if os.path.exists("/dev/zero"):
        with pytest.raises(ValueError, match="no file"):
            bounded.read_bytes("/dev/zero", 9)


onnx = pytest.importorskip("onnx")


def model(path, nodes, values=()):
    """An .onnx file with the inputs and the output of a click network."""
    helper = onnx.helper
    shapes = {"image": [1, 3, "h", "w"], "clicks": [1, "n", 3], "prev": [1, 1, "h", "w"]}
    graph = helper.make_graph(
        [helper.make_node(*node, **more) for node, more in nodes],
        "g",
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info("logits", 1, [1, 1, "h", "w"])],
        list(values),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    path.write_bytes(made.SerializeToString())
    return path


def weight(location):
    """A weight that lies in another file."""
    value = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", "0"), ("length", "4")):
        value.external_data.add(key=key, value=text)
    return value


@pytest.mark.slow
def test_weights_beside_a_network_are_those_of_its_folder(tmp_path, monkeypatch):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    for folder, value in ((here, 2.5), (elsewhere, 3.5), (tmp_path, 4.5)):
        folder.mkdir(exist_ok=True)
        np.array([value], np.float32).tofile(folder / "w.bin")
    (here / "link.bin").symlink_to("../elsewhere/w.bin")
    monkeypatch.chdir(elsewhere)
    node = [(("Add", ["prev", "w"], ["logits"]), {})]
    forward = engine.load(model(here / "a.onnx", node, [weight("w.bin")]))
    clicks, empty = np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 4, 4), np.float32)
    assert forward(np.zeros((1, 3, 4, 4), np.float32), clicks, empty)[0, 0, 0, 0] == 2.5
    for place in (
        "../w.bin",
        "../elsewhere/w.bin",
        str(elsewhere / "w.bin"),
        "link.bin",
        "x/../../w.bin",
        "/etc/passwd",
    ):
        with pytest.raises(CheckpointError, match="is no ONNX network"):
            engine.load(model(here / "b.onnx", node, [weight(place)]))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux")
def test_a_network_is_tried_out_within_bounds(tmp_path, monkeypatch):
    helper = onnx.helper
    huge = [(("ConstantOfShape", ["n"], ["c"]), {}), (("ReduceSum", ["c"], ["r"]), {"keepdims": 0})]
    added = (("Add", ["prev", "r"], ["logits"]), {})
    path = model(tmp_path / "huge.onnx", [*huge, added], [helper.make_tensor("n", 7, [1], [3 * 10**9])])
    with pytest.raises(CheckpointError, match="needs more than 1,024 MiB to load"):
        engine.load(path)
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["go"]), helper.make_node("Add", ["x", "one"], ["y"])],
        "body",
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("on", 9), ("x", 1))],
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("go", 9), ("y", 1))],
    )
    values = [("n", 7, [10**15]), ("t", 9, [True]), ("one", 1, [1.0])]
    loop = (("Loop", ["n", "t", "one"], ["r"]), {"body": body})
    path = model(tmp_path / "loop.onnx", [loop, added], [helper.make_tensor(n, k, [], v) for n, k, v in values])
    monkeypatch.setattr(trial, "TIMEOUT_S", 3.0)
    with pytest.raises(CheckpointError, match="takes more than 3 s to load"):
        engine.load(path)


@pytest.mark.parametrize("packing", ["deflate", "lzma", "tile"])
def test_a_tiff_that_unpacks_to_more_than_its_picture_is_refused(tmp_path, packing):
    """A picture of 10x10 pixels whose one part unpacks to 64 MiB, or whose one tile has 900 megapixels."""
    import lzma
    import struct
    import tracemalloc
    import zlib

    from fewclicks.errors import InputError
    from fewclicks.images.reading import read_image

    zeros = bytes(64 * 2**20 if packing != "tile" else 100)
    data = lzma.compress(zeros) if packing == "lzma" else zlib.compress(zeros, 9)
    tags = [(256, 10), (257, 10), (258, 16), (259, 34925 if packing == "lzma" else 8), (262, 1), (277, 1)]
    at = 8 + 2 + 12 * (len(tags) + 4) + 4
    if packing == "tile":
        tags += [(322, 30_000), (323, 30_000), (324, at), (325, len(data))]
    else:
        tags += [(273, at), (278, 10), (279, len(data)), (284, 1)]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4) + data)
    del zeros
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"unpacks to more|in tiles of"):
            read_image(tmp_path / "a.tif")
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()
