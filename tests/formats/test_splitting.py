"""Exports in parts: train, val and test."""

import json

import numpy as np
import pytest

from fewclicks import InputError, formats
from fewclicks.formats.annotations import AnnotatedPhoto, Annotation, Label
from fewclicks.formats.splitting import PARTS, group_of, parts_of, shares_of


def test_shares_are_met_and_the_same_photos_stay_in_a_part():
    files = [f"IMG_{n:04}.jpg" for n in range(100)]
    parts = parts_of(files, shares_of("80/10/10"))
    assert [list(parts.values()).count(part) for part in PARTS] == [80, 10, 10]
    assert parts == parts_of(files[::-1], shares_of("8,1,1"))
    assert [list(parts_of(files[:3], shares_of("80/10/10")).values()).count(part) for part in PARTS] == [1, 1, 1]
    assert {*parts_of(files[:1], shares_of("80/20")).values()} == {"train"}
    assert parts_of([], shares_of("80/20")) == {}


def test_frames_of_a_video_stay_together():
    frames = [f"{video}/{n:05}.jpg" for video in ("bear", "dance", "swan") for n in range(20)]
    frames += [f"clip{video}_frame_{n:04}.png" for video in "AB" for n in range(10)]
    parts = parts_of(frames, shares_of("60/20/20"))
    groups = {group_of(file) for file in frames}
    assert len(groups) == 5
    for group in groups:
        assert len({parts[file] for file in frames if group_of(file) == group}) == 1
    assert {*parts.values()} == set(PARTS)
    assert group_of("a/IMG_0001.jpg") == "a/IMG_0001.jpg"


@pytest.mark.parametrize("wrong", ["80", "a/b", "50/-1", "1/2/3/4", "0/1", "nan/1", "80//10"])
def test_what_is_no_split_is_refused(wrong):
    with pytest.raises(InputError, match="two or three shares"):
        shares_of(wrong)


@pytest.mark.parametrize("name", ["coco", "yolo"])
def test_each_part_is_an_export_of_its_own_and_all_come_back(tmp_path, name):
    mask = np.zeros((20, 30), bool)
    mask[5:12, 6:20] = True
    photos = [AnnotatedPhoto(f"{n}.jpg", (20, 30), [Annotation(mask=mask, label="cat")], "done") for n in range(10)]
    out = tmp_path / "out"
    done = formats.export(name, photos, [Label("cat", (1, 2, 3))], out, split="80/10/10")
    assert "photos: 8 in train, 1 in val, 1 in test" in done.notes
    if name == "yolo":
        said = (out / "data.yaml").read_text()
        assert said.splitlines()[:4] == ["train: train/images", "val: val/images", "test: test/images", "nc: 1"]
        assert [len(list((out / part / "labels").iterdir())) for part in PARTS] == [8, 1, 1]
        assert len(formats.read(name, out, photos)) == 10
    else:
        counts = [len(json.loads((out / part / "annotations.json").read_text())["images"]) for part in PARTS]
        assert counts == [8, 1, 1]
        assert len(formats.read(name, out / "train", photos)) == 8
    with pytest.raises(InputError, match="name a folder"):
        formats.export("coco", photos, [], tmp_path / "one.json", split="80/20")
