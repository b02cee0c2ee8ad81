"""Options of a method may come from a session or a checkpoint: each value is of its type, and within bounds."""

import hashlib
import json
import math
import os
import struct

import numpy as np
import PIL.Image
import pytest

import fewclicks
from fewclicks import Session
from fewclicks.errors import FewClicksError, InputError

WRONG = [
    ("default", {"cfr": 10**9}), ("default", {"cfr": 10**30}), ("default", {"cfr": 1.5}), ("default", {"cfr": "a"}),
    ("default", {"cfr": True}), ("default", {"zoom": 10**9}), ("default", {"zoom": 1e308}), ("default", {"zoom": "x"}),
    ("default", {"multiple": 0}), ("default", {"expansion": math.nan}), ("default", {"fit": "evil"}),
    ("default", {"outside": None}), ("default", {"threshold": 2}), ("default", {"threshold": "a"}),
    ("default", {"threads": -1}), ("default", {"threads": 10**30}), ("default", {"weights": 5}),
    ("default", {"weights": None}), ("default", {"weights": ["a"]}), ("default", {"weights": "x" * 5000}),
    ("default", {"weights": "a\0"}), ("default", {"device": 5}), ("default", {"flip": 5}), ("default", {"preset": [1]}),
    ("default", {"skip_clicks": "a"}), ("default", {"__class__": 1}), ("grow", {"longest_px": 10**9}),
    ("grow", {"radius_px": "a"}), ("grabcut", {"rounds": 10**9}), ("grabcut", {"guess_ratio": math.inf}),
]  # fmt: skip


@pytest.fixture
def document(tmp_path):
    image = np.full((40, 50, 3), 128, np.uint8)
    PIL.Image.fromarray(image).save(tmp_path / "a.png")

    def made(method="grow", options=None, path=str(tmp_path / "a.png")):
        about = {"path": path, "width": 50, "height": 40, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
        how = {"method": method, "options": options or {}}
        click = {"x": 5, "y": 5, "positive": True}
        return json.dumps({"fewclicks_session": 1, "image": about, "predictor": how, "actions": [click]})

    return made


def test_the_document_itself_is_right(document):
    assert len(Session.replay(document()).clicks) == 1


@pytest.mark.parametrize(("method", "options"), WRONG, ids=[f"{m} {o!s:.30}" for m, o in WRONG])
def test_a_session_with_wrong_options_is_refused_in_one_line(document, method, options):
    with pytest.raises(FewClicksError) as caught:
        Session.replay(document(method, options))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 6000


@pytest.mark.parametrize("name", ["x" * 5000, "a\0", "/dev/zero", "."])
def test_a_session_of_what_is_no_photo_is_refused(document, name):
    with pytest.raises(InputError):
        Session.replay(document(path=name))


def test_numbers_of_numpy_are_numbers():
    assert fewclicks.load("grow", longest_px=np.int64(100), reach_ratio=np.float32(0.25))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path):
    pytest.importorskip("torch")
    from fewclicks.checkpoints import checkpoint

    (tmp_path / "ck").mkdir()
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "ck" / "config.json")
    with pytest.raises(FewClicksError):
        Session.replay(tmp_path / "pipe")
    with pytest.raises(FewClicksError):
        checkpoint.load(tmp_path / "ck")
    with pytest.raises(FewClicksError):
        fewclicks.load(weights=tmp_path / "ck")
    (tmp_path / "ck" / "config.json").unlink()
    (tmp_path / "ck" / "config.json").write_text('{"network": {"backbone": "compact"}}')
    os.mkfifo(tmp_path / "ck" / "model.safetensors")
    with pytest.raises(FewClicksError):
        checkpoint.load(tmp_path / "ck")


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}',
        b"{%s}" % b",".join(b'"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(100_000)),
    ],
    ids=["a side of 2**64", "too many"],
)
def test_a_header_that_lies_is_refused(tmp_path, header):
    pytest.importorskip("torch")
    from fewclicks.checkpoints import checkpoint

    (tmp_path / "config.json").write_text('{"network": {"backbone": "compact"}}')
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(FewClicksError, match=r"model\.safetensors cannot be read") as caught:
        checkpoint.load(tmp_path)
    assert "\n" not in str(caught.value)
