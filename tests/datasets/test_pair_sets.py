"""Sets of photos with black and white masks, DIS5K's kind, and DAVIS-585, whose objects come with a mask."""

import json

import numpy as np
import PIL.Image
import pytest

from commands import runner
from fewclicks.datasets import davis585, folder, hqseg44k, image_pairs, open_benchmark
from fewclicks.datasets.survey import survey
from fewclicks.errors import DatasetError

HW = (24, 30)


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(values).save(path)


def photo(path):
    write(path, np.full((*HW, 3), 120, np.uint8))


def mask(path, value=255, rows=slice(4, 12)):
    values = np.zeros(HW, np.uint8)
    values[rows, 5:20] = value
    write(path, values)


@pytest.fixture
def hq(tmp_path):
    root = tmp_path / "HQSeg44K"
    places = [(root / place, *inner) for place, inner in hqseg44k.VAL.values()]
    places += [(root / place, *(inner or ("", ""))) for place, inner in hqseg44k.TRAIN]
    for i, (place, photos, masks) in enumerate(places):
        photo(place / photos / f"p{i}.jpg")
        mask(place / masks / f"p{i}.png")
    return tmp_path


def test_hqseg_has_four_sets_to_measure_on_and_seven_to_train_on(hq):
    found = open_benchmark("hqseg44k", hq)
    assert (found.name, len(found)) == ("HQSeg44K", 4)
    assert [found[i].name for i in range(4)] == ["p0", "p1", "p2", "p3"]
    assert (found[0].truth == 1).sum() == 8 * 15
    assert (open_benchmark("hqseg44k", hq, "hrsod").name, len(open_benchmark("hqseg44k", hq, "hrsod"))) == (
        "HQSeg44K/hrsod", 1,
    )  # fmt: skip
    scenes = hqseg44k.scenes(hq / "HQSeg44K", "train")
    assert len(scenes) == 7
    assert scenes[6].objects() == [1]
    with pytest.raises(DatasetError, match="no split named 'test'; there are: val, dis, thin, coift, hrsod, train"):
        hqseg44k.open(hq / "HQSeg44K", "test")


def test_hqseg_counts_and_is_listed_with_its_tree(hq, capsys):
    (found,) = (one for one in survey(hq, count=True) if one.name == "hqseg44k")
    states = {one.split: one.state for one in found.splits}
    assert states["val"] == "differs: 4 of 1537 photos, 4 of 1537 objects"
    assert "DIS5K/DIS-VD/im/STEM.jpg" in found.tree
    code, out, _ = runner(capsys)("datasets", "--data-root", hq)
    assert code == 0
    for name in ("hqseg44k", "davis585", "image_pairs"):
        assert f"\n{name}: " in out
    assert "datasets get hqseg44k" not in out, "no address of it is known"


def test_a_set_that_is_missing_is_named(hq):
    (hq / "HQSeg44K" / "thin_object_detection" / "COIFT" / "masks" / "p2.png").unlink()
    with pytest.raises(DatasetError, match=r"COIFT/masks holds no pictures"):
        hqseg44k.open(hq / "HQSeg44K")
    assert len(hqseg44k.open(hq / "HQSeg44K", "dis")) == 1, "the others can be measured alone"


@pytest.mark.parametrize(
    ("photos", "masks"), [("im", "gt"), ("images", "masks"), ("images", "masks_max255"), ("img", "gt"), ("", "")]
)
def test_any_folder_of_pairs(tmp_path, photos, masks):
    photo(tmp_path / photos / "b.jpg")
    photo(tmp_path / photos / "a.jpg")
    mask(tmp_path / masks / "a.png", value=200)
    mask(tmp_path / masks / "b.png", value=1)  # black and white as 0 and 1
    found = image_pairs.open(tmp_path)
    assert [found[i].name for i in range(len(found))] == ["a", "b"]
    assert [(found[i].truth == 1).sum() for i in range(2)] == [120, 120]


def test_soft_edges_colours_and_alpha_are_read_as_light_and_dark(tmp_path):
    values = np.zeros(HW, np.uint8)
    values[4:12] = 255
    values[12], values[13] = 128, 127
    for name, picture in (
        ("grey", PIL.Image.fromarray(values)),
        ("colours", PIL.Image.fromarray(np.repeat(values[..., None], 3, axis=2))),
        ("bits", PIL.Image.fromarray(values > 127)),
    ):
        picture.save(tmp_path / f"{name}.png")
        assert np.flatnonzero((image_pairs.light_truth(tmp_path / f"{name}.png") == 1).any(axis=1)).tolist() == [
            *range(4, 13)
        ]


def test_photos_without_masks_are_named(tmp_path):
    photo(tmp_path / "a.jpg")
    with pytest.raises(DatasetError, match=r"no mask beside 1 photo in .*, first a.jpg"):
        image_pairs.open(tmp_path)


@pytest.fixture
def davis(tmp_path):
    video = tmp_path / "DAVIS585" / "bear"
    photo(video / "00009.jpg")
    mask(video / "object1_00009.png")
    mask(video / "init_sp_object1_00009.png", rows=slice(4, 8))
    mask(video / "init_stm_object1_00009.png", rows=slice(4, 10))
    return tmp_path


def test_davis_585_begins_with_the_masks_of_its_split(davis):
    areas = {}
    for split in (None, "sp", "stm", "zero"):
        (sample,) = (open_benchmark("davis585", davis, split)[i] for i in range(1))
        areas[split] = None if sample.initial is None else int(sample.initial.sum())
        assert (sample.name, sample.group) == ("bear/object1_00009", "bear")
        assert (sample.truth == 1).sum() == 120
    assert areas == {None: 60, "sp": 60, "stm": 90, "zero": None}
    assert davis585.open(davis / "DAVIS585").photo_count == 1


def test_bench_names_the_split_and_the_iou_that_it_begins_with(davis, capsys):
    fewclicks = runner(capsys)
    asked = (
        "--data-root",
        davis,
        "--method",
        "grow",
        "--max-clicks",
        "2",
        "--stop-iou",
        "none",
        "--json",
        "-",
        "--full",
    )
    code, out, err = fewclicks("bench", "davis585/stm", "davis585/zero", *asked)
    assert code == 0, err
    rows = json.loads(out)["datasets"]
    assert list(rows) == ["DAVIS585/stm", "DAVIS585/zero"]
    assert rows["DAVIS585/stm"]["initial_iou"] == pytest.approx(90 / 120)
    assert "initial_iou" not in rows["DAVIS585/zero"]
    first = rows["DAVIS585/stm"]["per_object"]["clicks"][0][0]
    assert 10 <= first[1] < 12, "the click is on what the mask to begin with lacks"
    code, _, err = fewclicks("bench", "davis585/none", *asked)
    assert code == 2
    assert "there are: sp, stm, zero" in err


def test_a_missing_mask_to_begin_with_is_named(davis):
    (davis / "DAVIS585" / "bear" / "init_sp_object1_00009.png").unlink()
    with pytest.raises(
        DatasetError, match=r"init_sp_object1_00009.png; fetch it again, or begin with none: davis585/z"
    ):
        open_benchmark("davis585", davis)
    assert len(open_benchmark("davis585", davis, "stm")) == 1


def test_a_folder_of_ones_own_may_have_masks_to_begin_with(tmp_path, caplog):
    for name in "ab":
        photo(tmp_path / "images" / f"{name}.jpg")
        mask(tmp_path / "masks" / f"{name}.png", value=3)
    mask(tmp_path / "initial" / "a.png", value=3, rows=slice(4, 6))
    found = folder.open(tmp_path)
    assert [None if found[i].initial is None else found[i].initial.sum() for i in range(2)] == [30, None]
    assert "1 of 2 masks without one to begin with in initial/: b.png" in caplog.text
    (tmp_path / "initial" / "a.png").rename(tmp_path / "initial" / "other.png")
    with pytest.raises(DatasetError, match=r"no file in .*initial has the name of one in masks/"):
        folder.open(tmp_path)
