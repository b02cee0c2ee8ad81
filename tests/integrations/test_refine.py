"""Correcting masks in batch: only masks change, shards are the whole, bad items cost nothing, faults are found."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import fakes
import programs
from fewclicks.cli import main
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.formats import rle
from fewclicks.formats.coco import mask_of_segmentation
from fewclicks.integrations.refine import Job, join, read_clicks, refine
from fewclicks.integrations.refine_review import review
from fewclicks.integrations.shards import Shard, named, parse_shard
from fewclicks.predictor import State, blank

ROOT = Path(__file__).parents[2]
HW = (60, 80)


class Grows:
    """Adds a ring of three pixels to a mask, and the disc of each click."""

    def __init__(self, breaks_at=None):
        self.steps, self.breaks_at = 0, breaks_at

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        self.steps += 1
        if self.steps == self.breaks_at:
            raise KeyboardInterrupt
        prob = cv2.dilate(state.prob, np.ones((7, 7), np.uint8))
        for click in clicks:
            cv2.circle(prob, (int(click.x), int(click.y)), 5, float(click.positive), -1)
        return State(state.image, prob, state.threshold, state.memo)


def square(x, y, side=20):
    mask = np.zeros(HW, bool)
    mask[y : y + side, x : x + side] = True
    return mask


@pytest.fixture
def coco(tmp_path):
    """A COCO file of four photos, with forms and fields of several tools."""
    (tmp_path / "images").mkdir()
    images, rows = [], []
    for i in range(4):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), fakes.gradient(*HW))
        images.append({"id": 10 + i, "file_name": f"{i}.png", "width": HW[1], "height": HW[0], "rights": "mine"})
    runs = rle.runs(square(10, 10))
    polygon = [[40, 10, 60, 10, 60, 30, 40, 30]]
    common = {"category_id": 3, "iscrowd": 0, "bbox": [0, 0, 1, 1], "area": 1}
    rows.append({"id": 1, "image_id": 10, "segmentation": {"size": list(HW), "counts": rle.text(runs)}, **common})
    rows.append({"id": 2, "image_id": 11, "segmentation": {"size": list(HW), "counts": runs.tolist()}, **common})
    rows.append({"id": 3, "image_id": 10, "segmentation": polygon, "extra": {"by": "ann"}, **common})
    rows.append({"id": 4, "image_id": 12, "segmentation": {"size": [1, 1], "counts": [1]}, **common})
    rows.append({"id": 5, "image_id": 12, "segmentation": polygon, **common, "iscrowd": 1})
    rows.append({"id": 6, "image_id": 13, "segmentation": [[2, 2, 70, 2, 70, 50, 2, 50]], **common})
    rows.append({"id": 7, "image_id": 99, "segmentation": polygon, **common})
    content = {"info": {"x": 1.5}, "images": images, "annotations": rows, "categories": [{"id": 3, "name": "<cat>"}]}
    file = tmp_path / "set.json"
    file.write_text(json.dumps(content))
    return file


def job(coco, name="out.json", **options):
    return Job(source=coco, out=coco.with_name(name), format="coco", images=coco.parent / "images", **options)


def test_only_masks_change_each_in_its_own_form(coco):
    rows = refine(Grows(), job(coco, least=0.3))
    was, new = json.loads(coco.read_text()), json.loads(coco.with_name("out.json").read_text())
    assert {key: new[key] for key in ("info", "images", "categories")} == {
        key: was[key] for key in ("info", "images", "categories")
    }
    by_id = {row["id"]: row for row in new["annotations"]}
    for number, origin in ((1, (10, 10)), (2, (10, 10)), (3, (40, 10))):
        found = mask_of_segmentation(by_id[number]["segmentation"], HW)
        wanted = square(origin[0] - 3, origin[1] - 3, 26)
        assert np.array_equal(found, wanted)
        assert by_id[number]["area"] == 26 * 26
        assert by_id[number]["bbox"] == [origin[0] - 3, origin[1] - 3, 26, 26]
    assert isinstance(by_id[1]["segmentation"]["counts"], str)
    assert isinstance(by_id[2]["segmentation"]["counts"], list)
    assert isinstance(by_id[3]["segmentation"], list)
    assert by_id[3]["extra"] == {"by": "ann"}
    untouched = [row for row in was["annotations"] if row["id"] in (4, 5, 6, 7)]
    assert [by_id[row["id"]] for row in untouched] == untouched, "damaged, crowd, hardly changed, of no photo"
    assert {row.key: row.taken for row in rows} == {"1": True, "2": True, "3": True, "4": False, "6": False}
    assert "size" in next(row.problem for row in rows if row.key == "4")
    assert 0 < next(row.changed for row in rows if row.key == "6") < 0.3


def test_shards_put_together_are_the_whole(coco):
    whole = refine(Grows(), job(coco))
    refine(Grows(), job(coco, "parts.json", shard=Shard(2, 3)))
    with pytest.raises(InputError, match="2 of 3 shards must still be done, as 1-of-3"):
        join(job(coco, "parts.json"), 3)
    for index in (1, 3):
        refine(Grows(), job(coco, "parts.json", shard=Shard(index, 3)))
    first = json.loads(named(coco.with_name("parts.json"), Shard(1, 3)).read_text())
    joined = join(job(coco, "parts.json"), 3)
    assert coco.with_name("parts.json").read_bytes() == coco.with_name("out.json").read_bytes()
    assert sorted(joined, key=str) == sorted(whole, key=str)
    assert [row["file_name"] for row in first["images"]] == ["0.png", "3.png"]
    assert {row["image_id"] for row in first["annotations"]} == {10, 13}
    assert sorted(path.name for path in coco.parent.glob("parts*")) == ["parts.json", "parts.refine.json"]
    late = Grows()
    assert refine(late, job(coco, "parts.json", shard=Shard(2, 3))) == joined, "a task that comes late finds the whole"
    assert (late.steps, join(job(coco, "parts.json"), 3)) == (0, joined)


def test_shards_are_done_again_where_that_is_wanted(coco):
    """As an array of tasks does, each with --overwrite, once all were put together."""
    shards = [job(coco, shard=Shard(index, 2)) for index in (1, 2)]
    for least in (0.1, 0.2):
        for shard in (replace(shard, least=least) for shard in shards):
            shard.forget()
            assert shard.finished() is None
            refine(Grows(), shard)
        join(job(coco, least=least), 2)
    coco.with_name("out.refine.json").unlink()
    for act in (shards[0].forget, shards[0].finished):
        with pytest.raises(InputError, match=r"did not make '.*out\.json'|did not make it"):
            act()


def test_clicks_on_no_mask_are_named_once_all_shards_are_there(coco):
    clicks = {"88": Clicks((Click(1, 1),))}
    rows = [refine(Grows(), job(coco, clicks=clicks, shard=Shard(index, 2))) for index in (1, 2)]
    assert not any(row.key == "88" for part in rows for row in part)
    assert [row.problem for row in join(job(coco, clicks=clicks), 2) if row.key == "88"]


def test_text_that_some_program_cut_in_the_middle_of_a_letter_stays(coco):
    content = json.loads(coco.read_text())
    content["annotations"][0]["note"] = "\ud83d half of a smile"
    content["annotations"].append({"id": 8, "image_id": 10, "segmentation": {"size": 3, "counts": [1]}})
    coco.write_text(json.dumps(content))
    rows = refine(Grows(), job(coco))
    new = json.loads(coco.with_name("out.json").read_text())["annotations"]
    assert new[0]["note"] == content["annotations"][0]["note"]
    assert (new[0]["area"], rows[0].taken) == (26 * 26, True)
    assert "neither polygons nor an RLE" in next(row.problem for row in rows if row.key == "8")


def test_two_photos_of_one_id_do_not_refine_a_mask_twice(coco):
    content = json.loads(coco.read_text())
    content["images"].append({**content["images"][0], "file_name": "1.png"})
    coco.write_text(json.dumps(content))
    rows = refine(Grows(), job(coco))
    assert [row.key for row in rows].count("1") == 1


def test_a_shard_is_there_whole_or_not_at_all_and_done_once(coco):
    with pytest.raises(KeyboardInterrupt):
        refine(Grows(breaks_at=3), job(coco))
    assert not coco.with_name("out.json").exists()
    first = refine(Grows(), job(coco))
    again = Grows()
    assert refine(again, job(coco)) == first
    assert again.steps == 0
    with pytest.raises(InputError, match="with other settings"):
        job(coco, least=0.2).finished()
    job(coco, least=0.2).forget()
    assert refine(Grows(), job(coco, least=0.2))


def test_what_others_made_is_not_replaced(coco):
    coco.with_name("out.json").write_text("mine")
    with pytest.raises(InputError, match="fewclicks refine did not make it"):
        refine(Grows(), job(coco))
    with pytest.raises(InputError, match="delete it yourself"):
        job(coco).forget()
    assert coco.with_name("out.json").read_text() == "mine"
    with pytest.raises(InputError, match="choose another place"):
        job(coco, "set.json")


def test_no_output_takes_the_place_of_what_is_read(coco, tmp_path, capsys):
    clicks = tmp_path / "c.json"
    for name in ("a.refine.json", "c.refine.json", "c.json"):
        shutil.copy(coco, tmp_path / name)
    (tmp_path / "c.refine.json").write_text('{"1": [[5, 5, 1]]}')
    clicks.write_text('{"1": [[5, 5, 1]]}')
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text('{"shapes": []}')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    for source, *words in (
        ("a.refine.json", "-o", "a.json"),
        ("set.json", "-o", "a.json", "--shard", "1/1"),
        ("set.json", "-o", "c.json"),
        ("set.json", "-o", "b.json", "--review", "set.json"),
        ("set.json", "-o", "b.json", "--review", "b.json"),
        ("set.json", "-o", "b.json", "--clicks", str(clicks), "--review", "c.json"),
        ("set.json", "-o", "e.json", "--clicks", str(tmp_path / "c.refine.json"), "--review", "c.refine.json"),
        ("in", "-o", "in", "--format", "labelme"),
        ("in", "-o", "in/deep", "--format", "labelme"),
    ):
        words = [str(tmp_path / word) if "json" in word or word.startswith("in") else word for word in words]
        for more in ([], ["--overwrite"]):
            with pytest.raises(SystemExit) as end:
                main(["refine", str(tmp_path / source), "--method", "grow", *words, *more])
            assert end.value.code == 2, words
            assert capsys.readouterr().err.count("\n") == 1
            assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before, words


def test_clicks_reach_their_mask(coco, tmp_path):
    file = tmp_path / "clicks.json"
    file.write_text('{"6": [[75, 55, 1]], "88": [[1, 1, 0]]}')
    rows = refine(Grows(), job(coco, clicks=read_clicks(file), least=0.9, most=0.9))
    new = json.loads(coco.with_name("out.json").read_text())["annotations"]
    assert mask_of_segmentation(next(row for row in new if row["id"] == 6)["segmentation"], HW)[55, 75]
    assert [row.key for row in rows if row.taken] == ["6"], "a click counts, however much changes"
    assert "no such mask" in next(row.problem for row in rows if row.key == "88")
    for text in ("[1]", '{"1": [[1, 2]]}', '{"1": [[1, 2, 5]]}', "{"):
        file.write_text(text)
        with pytest.raises(InputError, match="no clicks can be read"):
            read_clicks(file)


def test_the_review_shows_what_changed_most_first_and_runs_nothing(coco):
    wanted = job(coco)
    page = review(Grows(), wanted, refine(Grows(), wanted), show=3)
    assert page.count("<img") == 3
    assert "<cat>" not in page
    assert "&lt;cat&gt;" in page
    assert "<script" not in page
    shares = [int(part.split("%")[0]) for part in page.split("<b>")[1:]]
    assert shares == sorted(shares, reverse=True)
    assert "The others" in page


def test_labelme_files_keep_what_is_no_mask(tmp_path):
    photos, source = tmp_path / "photos", tmp_path / "in"
    for folder in (photos, source):
        folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(photos / f"{i}.jpg"), fakes.gradient(*HW))
        corners = [[10.0, 10.0], [29.0, 10.0], [29.0, 29.0], [10.0, 29.0]]
        shapes = [
            {"label": "a", "points": corners, "shape_type": "polygon", "flags": {"mine": True}},
            {"label": "p", "points": [[1.0, 2.0]], "shape_type": "point"},
            {"label": "b", "points": [[45.0, 9.0], [50.0, 9.0], [50.0, 15.0]], "shape_type": "polygon", "group_id": 1},
            {
                "label": "b",
                "points": [[65.0, 40.0], [70.0, 40.0], [70.0, 48.0]],
                "shape_type": "polygon",
                "group_id": 1,
            },
        ]
        content = {"version": "9", "shapes": shapes, "imagePath": f"{i}.jpg", "imageHeight": 60, "imageWidth": 80}
        (source / f"{i}.json").write_text(json.dumps(content))
    (source / "broken.json").write_text('{"shapes": 3}')
    wanted = Job(source=source, out=tmp_path / "out", format="labelme", images=photos, most=1)
    for index in (1, 2):
        refine(Grows(), replace(wanted, shard=Shard(index, 2)))
    rows = join(wanted, 2)
    assert len(rows) == 7
    assert [row.key for row in rows if row.problem] == ["broken.json"]
    assert wanted.report.name == "out.labelme.refine.json", "not that of an out.json beside it"
    assert not (tmp_path / "out" / "broken.json").exists()
    shapes = json.loads((tmp_path / "out" / "2.json").read_text())["shapes"]
    assert [shape["shape_type"] for shape in shapes] == ["polygon", "point", "mask"]
    assert shapes[0]["flags"] == {"mine": True}
    assert np.ptp(np.array(shapes[0]["points"]), axis=0).tolist() == [25, 25]


def test_the_command_corrects_a_spoiled_mask(tmp_path, capsys):
    shutil.copy(ROOT / "examples" / "images" / "coffee.png", tmp_path)
    good = _coffee(tmp_path)
    spoiled = cv2.dilate(good.astype(np.uint8), np.ones((61, 61), np.uint8)) > 0  # drawn 30 pixels too wide
    row = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0}
    row["segmentation"] = {"size": list(good.shape), "counts": rle.text(rle.runs(spoiled))}
    image = {"id": 1, "file_name": "coffee.png", "width": good.shape[1], "height": good.shape[0]}
    source, out = tmp_path / "a.json", tmp_path / "b.json"
    source.write_text(json.dumps({"images": [image], "annotations": [row], "categories": []}))
    command = ["refine", str(source), "-o", str(out), "--review", str(tmp_path / "r.html"), "--threads", "1"]
    for said in ("1 mask: 1 exchanged", "done before; skipped"):
        with pytest.raises(SystemExit) as end:
            main(command)
        assert end.value.code == 0
        assert said in capsys.readouterr().out
    found = mask_of_segmentation(json.loads(out.read_text())["annotations"][0]["segmentation"], good.shape)
    assert _iou(found, good) > _iou(spoiled, good) + 0.2
    for bad in (
        ["--review", "no/r.html"],
        ["-o", "no/b.json"],
        ["--shard", "3/2"],
        ["--format", "voc"],
        ["--clicks", str(tmp_path / "none.json")],
        ["--least", "2"],
    ):
        with pytest.raises(SystemExit) as end:
            main([*command, *bad])
        assert end.value.code == 2
        assert capsys.readouterr().err.startswith("fewclicks: ")


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/-2"])
def test_a_shard_is_i_of_n(text):
    with pytest.raises(InputError, match="2/8"):
        parse_shard(text)


def _coffee(folder):
    """The mask of a cup by clicks."""
    import fewclicks

    session = fewclicks.open(folder / "coffee.png", threads=1)
    session.click(290, 130)
    return session.click(150, 290, positive=False)


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()


@pytest.mark.slow
def test_spoiled_masks_get_better_and_the_worst_are_found(tmp_path):
    fakes.shared("train")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import refine_masks

    figures = refine_masks.measure(tmp_path, None)
    assert figures["iou_after"] > figures["iou_before"] + 0.03
    assert figures["auc_of_the_worst_tenth"] >= 0.85


@pytest.mark.slow
@pytest.mark.integration
def test_gnu_parallel_runs_the_shards(coco):
    out = coco.with_name("out.json")
    command = [sys.executable, "-m", "fewclicks", "refine", str(coco), "-o", str(out), "--method", "grow"]
    options = ["--will-cite", "-j", "2", *command, "--shard", "{}/3", ":::", "1", "2", "3"]
    parallel = [programs.installed("parallel", "parallel"), *options]
    subprocess.run(parallel, check=True, capture_output=True)
    subprocess.run([*command, "--join", "3"], check=True, capture_output=True)
    assert len(json.loads(out.read_text())["annotations"]) == len(json.loads(coco.read_text())["annotations"])
