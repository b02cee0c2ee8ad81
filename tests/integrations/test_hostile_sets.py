"""Any part of a set of masks may be anything: it is refined, or refused by a sentence; no other mask pays for it."""

import json
from itertools import islice

import cv2
import numpy as np
import pytest
from test_hostile_requests import variants

import fakes
from fewclicks.clicks import Click, Clicks
from fewclicks.errors import InputError
from fewclicks.formats import rle
from fewclicks.integrations.refine import Job, join, refine
from fewclicks.integrations.refine_review import review
from fewclicks.integrations.shards import Shard
from fewclicks.predictor import State, blank

HW = (60, 80)


class Grows:
    """Adds a ring of three pixels to a mask."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        prob = cv2.dilate(state.prob, np.ones((7, 7), np.uint8))
        return State(state.image, prob, state.threshold, state.memo)


def coco():
    runs = rle.runs(np.pad(np.ones((20, 20), bool), ((10, 30), (10, 50))))
    common = {"category_id": 3, "iscrowd": 0, "bbox": [0, 0, 1, 1], "area": 1}
    images = [{"id": 10 + i, "file_name": f"{i}.png", "width": HW[1], "height": HW[0]} for i in range(2)]
    masks = [
        (10, {"size": list(HW), "counts": rle.text(runs)}),
        (11, {"size": list(HW), "counts": runs.tolist()}),
        (11, [[40, 10, 60, 10, 60, 30, 40, 30]]),
    ]
    rows = [{"id": n + 1, "image_id": image, "segmentation": said, **common} for n, (image, said) in enumerate(masks)]
    return {"info": {}, "images": images, "annotations": rows, "categories": [{"id": 3, "name": "cat"}]}


def labelme():
    corners = [[10.0, 10.0], [29.0, 10.0], [29.0, 29.0], [10.0, 29.0]]
    shapes = [
        {"label": "a", "points": corners, "shape_type": "polygon", "flags": {}},
        {"label": "b", "points": [[45.0, 9.0], [50.0, 9.0], [50.0, 15.0]], "shape_type": "polygon", "group_id": 1},
        {"label": "b", "points": [[65.0, 40.0], [70.0, 40.0], [70.0, 48.0]], "shape_type": "polygon", "group_id": 1},
    ]
    return {"version": "9", "shapes": shapes, "imagePath": "0.png", "imageHeight": HW[0], "imageWidth": HW[1]}


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(2):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), fakes.gradient(*HW))
    return tmp_path / "images"


def some(set_of, every):
    """The sets with a part exchanged: each, or one of `every` of them."""
    return islice(variants(set_of), None, None, every)


@pytest.mark.parametrize("every", [67, pytest.param(5, marks=pytest.mark.slow)])
def test_any_part_of_a_coco_file_may_be_anything(photos, every):
    source, clicks = photos.parent / "set.json", {"1": Clicks((Click(3, 3),))}

    def job(name, **options):
        return Job(
            source=source, out=photos.parent / name, format="coco", images=photos, most=1, clicks=clicks, **options
        )

    def refined(content):
        for path in photos.parent.glob("out*"):
            path.unlink()
        source.write_text(json.dumps(content))
        rows = refine(Grows(), job("out.json"))
        review(Grows(), job("out.json"), rows, 3)
        for index in (1, 2):
            refine(Grows(), job("outs.json", shard=Shard(index, 2)))
        join(job("outs.json"), 2)
        whole = (photos.parent / "out.json").read_bytes()
        assert (photos.parent / "outs.json").read_bytes() == whole, content
        return json.loads(whole)

    good = coco()
    wanted = {row["id"]: row for row in refined(good)["annotations"]}
    assert all(row["area"] == 26 * 26 or row["id"] == 3 for row in wanted.values())
    refused = set()
    for content in some(good, every):
        try:
            found = refined(content)
        except InputError as error:
            refused.add(str(error).partition("set.json")[2])
            continue
        if content["images"] == good["images"]:
            for was, new in zip(content["annotations"], found["annotations"], strict=True):
                assert was not in good["annotations"] or new == wanted[was["id"]], content
    assert all("`images` and `annotations`" in said for said in refused)
    assert len(refused) == 1


@pytest.mark.parametrize("every", [41, pytest.param(3, marks=pytest.mark.slow)])
def test_any_part_of_a_labelme_file_may_be_anything_and_the_file_beside_it_is_refined(photos, every):
    source, out, good = photos.parent / "in", photos.parent / "out", labelme()
    source.mkdir()
    (source / "good.json").write_text(json.dumps(good))
    for number, content in enumerate(some(good, every)):
        (source / "odd.json").write_text(json.dumps(content))
        place = out.with_name(f"out{number}")
        rows = refine(Grows(), Job(source=source, out=place, format="labelme", images=photos, most=1))
        assert [row.taken for row in rows if row.key.startswith("good.json")] == [True, True], content
        shapes = json.loads((place / "good.json").read_text())["shapes"]
        assert np.ptp(np.array(shapes[0]["points"]), axis=0).tolist() == [25, 25]
