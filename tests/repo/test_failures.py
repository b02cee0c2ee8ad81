"""The sheet of failures shows what its captions say."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

import fewclicks
from fakes import shared
from fewclicks.clicks import Click, Clicks
from fewclicks.datasets import Subset, folder, validation
from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import iou
from fewclicks.evaluation.report import write_json
from fewclicks.evaluation.rollout import Report, evaluate, rollout
from fewclicks.methods.default import weights_hash
from fewclicks.types import Sample, Scene
from scripts import script

EXAMPLES = folder.open(Path(__file__).parents[2] / "examples")
failures = script("failures")


def case(ids, image=None, name="coco_instances/1#1", ious=(0.5,) * 20):
    """Object 1 of a mask of ids, on a photo of which each id has its own colour."""
    ids = np.asarray(ids, np.uint8)
    image = np.dstack([ids * 60] * 3) if image is None else image
    scene = Scene(image, ids, "1")
    return failures.Case(Sample(image, scene.truth(1), name), scene, [1], Clicks((Click(1, 1),)), list(ious))


def disc(radius=30, centre=(50, 50), hw=(100, 100)):
    return cv2.circle(np.zeros(hw, np.uint8), centre, radius, 1, cv2.FILLED)


def test_a_line_is_thin_and_a_disc_is_not():
    assert failures.thin(case(cv2.line(np.zeros((100, 100), np.uint8), (5, 5), (90, 80), 1, 4)))
    assert not failures.thin(case(disc()))


def test_an_object_in_the_colours_around_it_is_camouflaged():
    noise = np.random.default_rng(0).integers(100, 110, (100, 100, 3)).astype(np.uint8)
    assert failures.camouflaged(case(disc(), noise))
    assert not failures.camouflaged(case(disc(), np.where(disc()[..., None] == 1, noise + 90, noise).astype(np.uint8)))


def test_neighbours_make_a_crowd():
    crowd = np.full((100, 100), 2, np.uint8)
    crowd[disc() == 1] = 1
    assert failures.crowded(case(crowd))
    assert not failures.crowded(case(disc()))
    assert not failures.crowded(case(crowd, name="camvid/1#1")), "there everything touches something"
    assert not failures.crowded(case(np.where(crowd == 2, 255, 1))), "what is not counted is nobody"


def test_pieces_size_and_parts():
    two = disc(20, (30, 30)) | disc(20, (75, 75))
    assert failures.pieces(case(two))
    assert not failures.pieces(case(disc() | disc(2, (95, 5)))), "a crumb is no piece"
    assert failures.small(case(disc(6)))
    assert not failures.small(case(disc(9)))
    garment = case(disc(), name="ccp_garments/1#1")
    assert failures.part(garment)
    assert not failures.part(replace(garment, ids=[1, 2]))
    assert not failures.part(case(disc()))


def test_each_kind_shows_the_worst_that_is_left():
    tiny, tiny_pieces, bar = case(disc(4)), case(disc(4) | disc(4, (20, 20))), case(disc(40))
    assert failures.chosen([tiny_pieces, bar, tiny]) == {"in several pieces": tiny_pieces, "small": tiny}
    assert failures.chosen([bar]) == {}


@pytest.fixture(scope="module")
def measured():
    """The robot's course on the astronaut."""
    predictor, sample = fewclicks.load("default", threads=1), EXAMPLES[0]
    trace = rollout(predictor, sample, max_clicks=failures.CLICKS, stop_iou=2)
    scene = Scene(sample.image, (sample.truth == 1).astype(np.uint8), "astronaut")
    return predictor, failures.Case(sample, scene, [1], trace.clicks, list(trace.ious)), trace.mask


@pytest.mark.slow
def test_the_mask_shown_is_the_mask_measured(measured):
    predictor, found, mask = measured
    assert np.array_equal(failures.replayed(predictor, found).mask, mask)
    with pytest.raises(InputError, match="measure the report again"):
        failures.replayed(predictor, replace(found, ious=[0.1] * 20))


def test_the_sheet_has_a_panel_of_each_kind(measured, tmp_path):
    _, found, mask = measured
    shown = {kind: replace(found, mask=mask) for kind in failures.KINDS}
    shown["small"] = replace(found, mask=np.zeros_like(mask))  # a mask that lost its object is a failure too
    failures.sheet(shown, tmp_path / "failures.jpg")
    with PIL.Image.open(tmp_path / "failures.jpg") as picture:
        assert picture.format == "JPEG"
        width, height = picture.size
    assert width > 900
    assert height > 500
    assert (tmp_path / "failures.jpg").stat().st_size < 400_000
    picture, drawn, wanted = failures.panel(replace(found, mask=mask))
    assert picture.shape[:2] == drawn.shape == wanted.shape
    assert iou(drawn, wanted.astype(np.int8)) == pytest.approx(found.ious[-1], abs=0.02)
    assert max(wanted.shape) == failures.SIDE_PX


def test_a_report_of_other_weights_or_without_objects_is_refused(tmp_path):
    empty = {"settings": {"weights_sha256": "0"}, "datasets": {"Validation": {"per_object": {}}}}
    paths = [tmp_path / name for name in ("report.json", "a.jpg", "a.json")]
    paths[0].write_text(json.dumps(empty))
    with pytest.raises(InputError, match="other weights"):
        failures.draw(*paths)
    paths[0].write_text(json.dumps({**empty, "datasets": {"GrabCut": {}}}))
    with pytest.raises(InputError, match="--full"):
        failures.draw(*paths)
    assert not paths[1].exists()


@pytest.mark.slow
def test_failures_are_drawn_from_a_report_of_the_validation_split(tmp_path):
    root = shared("train")
    predictor = fewclicks.load("default", threads=1)
    result = evaluate(predictor, Subset(validation.open(root), 3), max_clicks=5, stop_iou=2)
    settings = {"weights_sha256": weights_hash(), "cfr": 0}
    report = write_json(Report(settings, (result,)), tmp_path / "report.json", full=True)
    found = failures.cases(json.loads(report.read_text()), validation.open(root))
    assert [one.ious[4] for one in found] == sorted(t.ious[4] for t in result.traces if max(t.ious) < 0.9)
    assert all((one.sample.truth == 1).any() for one in found)
