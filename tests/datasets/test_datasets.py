"""Every reader, on a small tree of its layout and on the real data where that is at hand."""

import pickle
import unicodedata

import numpy as np
import PIL.Image
import pytest

from fakes import shared
from fewclicks import datasets
from fewclicks.datasets import Subset, folder, open_benchmark
from fewclicks.errors import DatasetError, InputError, UnknownName
from fewclicks.plugins import find, names

TRIMAP = np.array([[0, 127, 128], [129, 255, 0]], np.uint8)
TRIMAP_TRUTH = [[0, 0, -1], [1, 1, 0]]
PALETTE_IDS = np.array([[0, 1, 2], [0, 0, 1]], np.uint8)
PALETTE_TRUTH = [[0, 1, 1], [0, 0, 1]]
LAYOUT = {
    "grabcut": ("data_GT", "boundary_GT", TRIMAP, TRIMAP_TRUTH),
    "berkeley": ("images", "masks", TRIMAP, TRIMAP_TRUTH),
    "davis": ("img", "gt", PALETTE_IDS, PALETTE_TRUTH),
    "coco_mval": ("img", "gt", PALETTE_IDS, PALETTE_TRUTH),
}
OBJECTS = {"grabcut": 50, "berkeley": 100, "davis": 345}


def write_photo(path, hw=(2, 3), value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.full((*hw, 3), value, np.uint8)).save(path)


def write_mask(path, values, palette=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = PIL.Image.fromarray(values)
    if palette:
        picture = picture.convert("P")
        picture.putdata(values.ravel().tolist())
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.save(path)


@pytest.fixture(params=sorted(LAYOUT))
def tree(request, tmp_path):
    """(name, data root) of a dataset of three photos."""
    photos, masks, values, _ = LAYOUT[request.param]
    root = tmp_path / "benchmarks" / find("datasets", request.param).FOLDER
    for stem in ("b", "a", "c"):
        write_photo(root / photos / f"{stem}.JPG", value=ord(stem))
        write_mask(root / masks / f"{stem}.png", values, palette=values is PALETTE_IDS)
    (root / photos / ".DS_Store").touch()
    return request.param, root.parent


def test_photos_and_truths_come_in_the_order_of_their_names(tree):
    name, root = tree
    dataset = open_benchmark(name, root)
    samples = [dataset[i] for i in range(len(dataset))]
    assert [sample.name for sample in samples] == ["a", "b", "c"]
    for sample in samples:
        assert sample.image.shape == (2, 3, 3)
        assert abs(int(sample.image[0, 0, 0]) - ord(sample.name)) < 3, "the photo belongs to the name"
        assert sample.truth.dtype == np.int8
        assert sample.truth.tolist() == LAYOUT[name][3]


def test_masks_stored_in_colour_are_read_alike(tree):
    name, root = tree
    _, masks, values, truth = LAYOUT[name]
    where = root / find("datasets", name).FOLDER / masks / "a.png"
    write_mask(where, np.dstack([values * (1 if values is TRIMAP else 50)] * 3))
    assert open_benchmark(name, root)[0].truth.tolist() == truth


def test_a_missing_mask_or_folder_is_named(tree):
    name, root = tree
    photos, masks, _, _ = LAYOUT[name]
    where = root / find("datasets", name).FOLDER
    (where / masks / "b.png").unlink()
    with pytest.raises(DatasetError, match=r"no mask in .* for 1 photo .* b\.JPG"):
        open_benchmark(name, root)
    for file in (where / photos).iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match=f"expected this layout:\n(.*\n)*.*{photos}/STEM"):
        open_benchmark(name, root)
    with pytest.raises(DatasetError, match=r"no folder .*FEWCLICKS_DATA"):
        open_benchmark(name, root / "elsewhere")


def test_a_mask_of_another_size_or_a_damaged_one_is_refused(tree):
    name, root = tree
    where = root / find("datasets", name).FOLDER / LAYOUT[name][1]
    write_mask(where / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DatasetError, match="is 4x4, its photo 3x2"):
        open_benchmark(name, root)[0]
    (where / "b.png").write_bytes((where / "c.png").read_bytes()[:40])
    with pytest.raises(DatasetError, match="cannot read the mask"):
        open_benchmark(name, root)[1]


def test_an_evaluation_set_has_no_splits(tree):
    with pytest.raises(DatasetError, match="no split"):
        open_benchmark(*tree, split="train")


def test_the_default_place_follows_the_environment(tree, monkeypatch):
    name, root = tree
    monkeypatch.setenv("FEWCLICKS_DATA", str(root.parent))
    assert datasets.benchmark_root() == root
    assert len(open_benchmark(name)) == 3


def test_without_the_environment_the_data_lie_beside_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FEWCLICKS_DATA", raising=False)
    (tmp_path / "shared" / "data" / "benchmarks").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert datasets.benchmark_root() == tmp_path / "shared" / "data" / "benchmarks"


def test_a_wrong_name_gets_a_hint():
    with pytest.raises(UnknownName, match="did you mean 'davis'"):
        open_benchmark("davs")


@pytest.mark.parametrize("name", names("datasets"))
def test_every_reader_shows_its_layout_when_its_folder_is_wrong(name, tmp_path):
    """The contract of datasets/: `open(root, split)`, and an error that prints the tree of the docstring."""
    with pytest.raises(DatasetError, match=r"expected this layout:\n(.*\n)*.*STEM"):
        find("datasets", name).open(tmp_path)


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_the_real_benchmarks_are_whole(name):
    dataset = open_benchmark(name, shared("benchmarks"))
    assert len(dataset) == OBJECTS[name]
    for i in range(0, len(dataset), 10):
        sample = dataset[i]
        assert sample.truth.shape == sample.image.shape[:2]
        assert (sample.truth == 1).any()
        assert (sample.truth == 0).any()
        assert (sample.truth == -1).any() <= (name == "grabcut")


@pytest.fixture
def partitions(tmp_path):
    """A folder of two photos, one of them with two partitions."""
    for stem in ("cat", "dog"):
        write_photo(tmp_path / "images" / f"{stem}.webp")
    write_mask(tmp_path / "masks" / "cat.png", np.array([[0, 7, 7], [9, 255, 255]], np.uint8))
    write_mask(tmp_path / "masks" / "dog@0.png", np.array([[1, 1, 0], [0, 0, 2]], np.uint8), palette=True)
    write_mask(tmp_path / "masks" / "dog@1.png", np.array([[1, 1, 1], [1, 1, 1]], np.uint8))
    return tmp_path


def test_a_folder_gives_one_sample_per_object(partitions):
    dataset = folder.open(partitions)
    samples = [dataset[i] for i in range(len(dataset))]
    assert [s.name for s in samples] == ["cat#7", "cat#9", "dog@0#1", "dog@0#2", "dog@1#1"]
    assert samples[0].truth.tolist() == [[0, 1, 1], [0, -1, -1]]
    assert samples[3].truth.tolist() == [[0, 0, 0], [0, 0, 1]]
    assert [folder.open(partitions, min_area_px=2)[i].name for i in range(3)] == ["cat#7", "dog@0#1", "dog@1#1"]
    with pytest.raises(DatasetError, match="lower min_area_px"):
        folder.open(partitions, min_area_px=7)


def test_a_folder_gives_one_scene_per_mask(partitions):
    scenes = folder.scenes(partitions)
    assert [scenes[i].name for i in range(len(scenes))] == ["cat", "dog@0", "dog@1"]
    assert scenes[0].objects() == [7, 9]
    assert scenes[0].truth(7, 9).tolist() == [[0, 1, 1], [1, -1, -1]]
    assert scenes[0].image.flags.writeable
    assert scenes[0].ids.dtype == np.uint8


def test_a_split_is_a_folder_below(partitions):
    assert len(folder.scenes(partitions.parent, split=partitions.name)) == 3


def test_datasets_travel_to_worker_processes(partitions):
    for dataset in (folder.scenes(partitions), folder.open(partitions), Subset(folder.open(partitions), 2)):
        copy = pickle.loads(pickle.dumps(dataset))
        assert copy[1].name == dataset[1].name


def names_of(dataset):
    """The masks that its objects are of."""
    return {dataset[i].name.partition("#")[0] for i in range(len(dataset))}


def test_names_of_a_folder_are_compared_as_people_mean_them(partitions):
    (partitions / "images" / "cat.webp").rename(partitions / "images" / "Cat.WEBP")
    for folder_name, form in (("images", "NFD"), ("masks", "NFC")):
        picture = np.ones((8, 8), np.uint8)
        name = unicodedata.normalize(form, "\u00fcber")
        PIL.Image.fromarray(picture).save(partitions / folder_name / f"{name}.png")
    names = {scene.name for scene in folder.scenes(partitions)}
    assert names == {"cat", "dog@0", "dog@1", "\u00fcber"}


def test_masks_of_255_alone_are_told_of_and_damaged_text_in_them_ignored(partitions, caplog):
    mask = partitions / "masks" / "cat.png"
    content = mask.read_bytes()
    count = len(folder.open(partitions))
    mask.write_bytes(content[:33] + b"\0\0\0\3tEXta\0b\0\0\0\0" + content[33:])
    assert len(folder.open(partitions)) == count
    assert not caplog.text
    with PIL.Image.open(mask.with_name("dog@0.png")) as other:
        white = np.full((other.height, other.width), 255, np.uint8)
    PIL.Image.fromarray(white).save(mask.with_name("dog@0.png"))
    folder.open(partitions)
    assert "1 of 3 masks with nothing but 0 and 255" in caplog.text


def test_a_folder_mask_that_is_no_index_mask_is_left_out_and_named(partitions, caplog):
    write_mask(partitions / "masks" / "cat.png", np.zeros((2, 3, 3), np.uint8))
    assert names_of(folder.open(partitions)) == {"dog@0", "dog@1"}
    assert "1 of 3 masks left out" in caplog.text
    assert "index mask has one channel" in caplog.text
    PIL.Image.fromarray(np.full((2, 3), 300, np.uint16)).save(partitions / "masks" / "cat.png")
    assert names_of(folder.open(partitions)) == {"dog@0", "dog@1"}
    assert "holds the id 300" in caplog.text
    write_mask(partitions / "masks" / "bird.png", np.ones((2, 3), np.uint8))
    assert names_of(folder.open(partitions)) == {"dog@0", "dog@1"}
    assert "1 of 4 masks left out, without a photo in images/: bird.png" in caplog.text
    (partitions / "images" / "dog.webp").write_bytes(b"no photo")
    with pytest.raises(DatasetError, match=r"no mask of the 3 in .* can be used; the first: "):
        folder.open(partitions)


def test_a_damaged_photo_is_refused(partitions):
    (partitions / "images" / "cat.webp").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"cat\.webp"):
        folder.scenes(partitions)[0]


def test_a_subset_is_spread_evenly(partitions):
    dataset = folder.open(partitions)
    assert [Subset(dataset, 2)[i].name for i in range(2)] == ["cat#7", "dog@0#1"]
    assert len(Subset(dataset, 99)) == 5
    assert [s.name for s in Subset(dataset, 99)] == [dataset[i].name for i in range(5)]


def test_the_real_partitions_are_read():
    scenes = folder.scenes(shared("train", "bsds_regions"))
    assert len(scenes) > 1000
    scene = scenes[0]
    assert scene.ids.shape == scene.image.shape[:2]
    assert len(scene.objects()) > 1
