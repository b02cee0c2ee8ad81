"""ADE20K and Open Images on small sets of their layout; the contract of all readers; `fewclicks datasets`."""

import inspect
import json
import pickle

import numpy as np
import PIL.Image
import pytest

from fewclicks.cli import main
from fewclicks.datasets import ade20k, open_benchmark, open_images, places
from fewclicks.datasets.pairs import tree_of
from fewclicks.errors import DatasetError
from fewclicks.plugins import find, names

READERS = names("datasets")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache folder of the test's own, and no data but the test's."""
    monkeypatch.setenv("FEWCLICKS_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path_factory.mktemp("none")))


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.asarray(pixels)).save(path)


def photo(hw):
    return np.full((*hw, 3), 90, np.uint8)


@pytest.fixture
def ade(tmp_path):
    """ADEChallengeData2016/ of three photos, one of them without an object."""
    root = tmp_path / "ADEChallengeData2016"
    green = {
        "training/ADE_train_00000001": [[1, 1, 0], [0, 255, 255]],
        "validation/ADE_val_00000001": [[0, 2, 2], [7, 7, 7]],
        "validation/ADE_val_00000002": [[0, 0, 0], [0, 0, 0]],
    }
    for stem, ids in green.items():
        write(root / "images" / f"{stem}.jpg", photo((2, 3)))
        classes = np.where(ids, 20, 0)
        write(root / "annotations_instance" / f"{stem}.png", np.dstack([classes, ids, 0 * classes]).astype(np.uint8))
    return root


def test_the_green_channel_of_ade20k_tells_the_objects(ade):
    dataset = ade20k.open(ade)
    assert [dataset[i].name for i in range(len(dataset))] == ["ADE_val_00000001#2", "ADE_val_00000001#7"]
    assert dataset[1].truth.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert len(ade20k.scenes(ade, "validation")) == 2


def test_object_255_of_ade20k_is_an_object(ade):
    scene = ade20k.scenes(ade)[0]
    assert scene.objects() == [1, 256]
    assert scene.truth(256).tolist() == [[0, 0, 0], [0, 1, 1]]


def test_ade20k_names_what_is_missing(ade):
    with pytest.raises(DatasetError, match="there are: validation, training"):
        ade20k.open(ade, "val")
    mask = ade / "annotations_instance" / "validation" / "ADE_val_00000002.png"
    write(mask, np.zeros((2, 3), np.uint8))
    with pytest.raises(DatasetError, match="has no colour channels"):
        ade20k.open(ade)
    mask.unlink()
    with pytest.raises(DatasetError, match=r"listed files are not in .* 1 of 2, the first is ADE_val_00000002\.png"):
        ade20k.open(ade)


HEADER = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks\n"


@pytest.fixture
def oi(tmp_path):
    """OpenImages/ with a photo of two objects that overlap, one of a mask of half the size, and rows of a third."""
    root = tmp_path / "OpenImages" / "validation"
    masks = {
        "0a_m04rky_11.png": [[1, 1, 0, 0], [1, 1, 0, 0]],
        "0a_m01g317_22.png": [[0, 1, 1, 0], [0, 0, 0, 0]],
        "1b_m0199g_33.png": [[0, 1]],
    }
    for stem, hw in (("0a", (2, 4)), ("1b", (2, 4)), ("2c", (2, 4))):
        write(root / "images" / f"{stem}.jpg", photo(hw))
    for name, mask in masks.items():
        write(root / "masks" / name[0] / name, np.array(mask, bool))
    rows = [f"{name},{name[:2]},/m/x,{name[-6:-4]},0,1,0,1,0,\n" for name in [*masks, "3d_m0199g_44.png"]]
    (root / "validation-annotations-object-segmentation.csv").write_text(HEADER + "".join(rows))
    return root.parent


def test_open_images_has_one_sample_for_each_mask(oi):
    dataset = open_images.open(oi)
    samples = [dataset[i] for i in range(len(dataset))]
    assert [s.name for s in samples] == ["0a_m01g317_22", "0a_m04rky_11", "1b_m0199g_33"]
    assert samples[1].truth.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert samples[2].truth.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]], "a mask of another size is made to fit"


def test_objects_of_open_images_that_overlap_lie_in_layers(oi):
    scenes = pickle.loads(pickle.dumps(open_images.scenes(oi, "validation")))
    assert [scenes.photo(i) for i in range(len(scenes))] == ["0a", "1b"], "photos without a mask are left out"
    scene = scenes[0]
    assert scene.ids.shape == (2, 4, 2)
    assert scene.objects() == [1, 2]
    assert scene.truth(1).tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]
    assert scene.truth(2).tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert scenes[1].ids.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]


def test_open_images_may_have_more_objects_than_a_byte_counts(oi):
    for k in range(300):
        mask = np.zeros((2, 4), bool)
        mask[k % 2, k // 2 % 4] = True
        write(oi / "validation" / "masks" / f"2c_m_{k:03}.png", mask)
    (oi / "validation" / "validation-annotations-object-segmentation.csv").unlink()
    scene = open_images.scenes(oi, "validation")[2]
    assert len(scene.objects()) == 300
    assert 255 not in scene.objects()
    assert all((scene.truth(i) == 1).sum() == 1 for i in (1, 254, 256, 301))


def test_open_images_without_the_table_goes_by_the_names(oi):
    (oi / "validation" / "validation-annotations-object-segmentation.csv").unlink()
    assert len(open_images.open(oi)) == 3


def test_open_images_names_what_is_missing(oi):
    table = oi / "validation" / "validation-annotations-object-segmentation.csv"
    (oi / "validation" / "images" / "1b.jpg").unlink()
    with pytest.raises(DatasetError, match=r"masks have no photo .* 1 in all.*1b_m0199g_33"):
        open_images.open(oi)
    (oi / "validation" / "masks" / "1" / "1b_m0199g_33.png").unlink()
    assert len(open_images.open(oi)) == 2, "a part of the set is enough"
    (oi / "validation" / "masks" / "0" / "0a_m04rky_11.png").unlink()
    with pytest.raises(DatasetError, match=r"masks are missing of photos .* 1 in all.*0a_m04rky_11"):
        open_images.open(oi)
    table.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="cannot read the columns MaskPath and ImageID"):
        open_images.open(oi)
    table.unlink()
    write(oi / "validation" / "masks" / "0a_m_1.png", np.ones((5, 5), bool))
    with pytest.raises(DatasetError, match="is 5x5, its photo 4x2: not the same view"):
        open_images.open(oi)[1]


@pytest.mark.parametrize("name", READERS)
def test_every_reader_keeps_the_contract(name, tmp_path):
    """A tree in the docstring, terms, counts, `open(root, split)`, and errors that print the tree."""
    module = find("datasets", name)
    tree = tree_of(module.__doc__)
    assert "STEM" in tree, "the docstring shows the tree"
    assert module.__doc__.partition("\n")[0].endswith((".", ")", "`)")), "the first line says what it is"
    assert isinstance(getattr(module, "TERMS", None), str), "TERMS are the terms of use"
    assert module.TERMS.strip()
    counts = getattr(module, "COUNTS", None)
    assert isinstance(counts, dict), "COUNTS are the published counts"
    for split, (photos, objects) in counts.items():
        assert split is None or (isinstance(split, str) and split)
        assert photos is None or photos > 0, "None where no exact count is published"
        assert objects is None or objects >= (photos or 0)
    assert tree.lstrip().startswith(getattr(module, "FOLDER", "ROOT") + "/"), "the tree begins with FOLDER"
    for function in (module.open, getattr(module, "scenes", module.open)):
        root, split, *others = inspect.signature(function).parameters.values()
        assert (root.name, split.name, split.default) == ("root", "split", None)
        assert all(other.kind is other.KEYWORD_ONLY for other in others), "options are named"
        for place in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(DatasetError) as caught:
                function(place)
            assert tree.splitlines()[-1] in str(caught.value), "the error prints the tree"
    if None not in counts and hasattr(module, "FOLDER"):
        with pytest.raises(DatasetError, match="no split named 'nonsense'; there are"):
            module.open(tmp_path, "nonsense")


def datasets(*arguments):
    """Run `fewclicks datasets` and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["datasets", *map(str, arguments)])
    return caught.value.code


def test_a_dataset_is_found_in_each_of_its_places(ade, tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_DATA", str(tmp_path / "data"))
    for place in places("ADEChallengeData2016"):
        place.parent.mkdir(parents=True, exist_ok=True)
        ade.rename(place)
        assert len(open_benchmark("ade20k")) == 2
        place.rename(ade)
    with pytest.raises(DatasetError, match=r"no folder ADEChallengeData2016 in .*benchmarks, .*train, .*data;"):
        open_benchmark("ade20k")


def test_the_list_tells_what_is_here_and_what_differs(ade, oi, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ade20k, "COUNTS", {"validation": (2, 3), "training": (1, 2)})
    monkeypatch.setattr(open_images, "COUNTS", {"validation": (2, 3), "test": (5, 5)})
    assert datasets("--json", "--data-root", tmp_path) == 0
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert set(found) == set(READERS)
    assert found["ade20k"]["found"] == str(ade)
    assert [split["state"] for split in found["ade20k"]["splits"]] == ["ok", "ok"]
    assert [split["objects"] for split in found["ade20k"]["splits"]] == [None, None], "decoding takes --count"
    whole, absent = found["open_images"]["splits"]
    assert (whole["state"], whole["objects"]) == ("ok", 3)
    assert absent["state"].startswith("unusable: ")
    assert "expected" not in absent["state"]
    assert found["sbd"]["found"] is None
    assert found["sbd"]["looked_in"] == [str(tmp_path / "SBD")]
    assert found["sbd"]["tree"].startswith("SBD/\n")
    assert found["sbd"]["terms"]
    assert found["pascal_voc"]["splits"][0]["published_objects"] == 3427

    assert datasets("--count", "--data-root", tmp_path) == 0
    told = capsys.readouterr()
    lines = [line.split() for line in told.out.splitlines()]
    assert ["ade20k", "validation", "2", "3", "differs:", "2", "of", "3", "objects"] in lines
    assert ["ade20k", "training", "1", "2", "ok"] in lines
    assert "MaskPath,ImageID" in told.out
    assert "fewclicks datasets get sbd" in told.out
    assert "ade20k validation" in told.err, "the bar is on stderr"


def test_a_mark_is_set_where_objects_were_not_counted(ade, tmp_path, capsys):
    assert datasets("--data-root", tmp_path) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "ade20k training 20,210 ? differs: 1 of 20210 photos (objects: --count)" in told


def test_a_place_that_is_not_there_is_said(tmp_path, capsys):
    assert datasets("--data-root", tmp_path / "none") == 2
    assert "there is no folder" in capsys.readouterr().err


def test_without_anything_the_list_is_still_shown(capsys):
    assert datasets() == 0
    told = capsys.readouterr()
    assert all(f"{name}: " in told.out for name in READERS)
    assert told.err.strip() == ""
