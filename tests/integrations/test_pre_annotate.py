"""Photos annotated beforehand in shards: written whole or not at all, skipped once done, joined as if one."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fewclicks.cli import main
from fewclicks.errors import InputError
from fewclicks.formats import coco
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.formats.detection import detect
from fewclicks.integrations import pre_annotate as before
from fewclicks.integrations.shards import Shard
from fewclicks.predictor import blank
from fewclicks.proposals import Everything

HW = (48, 64)
PHOTOS = 5
DAMAGED = "3.png"


@pytest.fixture
def folder(tmp_path):
    """Five photos of two things each, in a subfolder too, of which one is damaged."""
    place = tmp_path / "photos"
    (place / "deep").mkdir(parents=True)
    for i in range(PHOTOS):
        image = np.full((*HW, 3), 30, np.uint8)
        image[8:30, 8 + i : 30 + i] = 220, 40, 40
        image[20:40, 44:60] = 40, 60, 230
        cv2.imwrite(str(place / (f"deep/{i}.png" if i == 4 else f"{i}.png")), image)
    cv2.imwrite(str(place / "2.png"), np.full((*HW, 3), 30, np.uint8))
    (place / DAMAGED).write_bytes(b"no photo")
    return place


@pytest.fixture
def job(folder):
    names = [f"{i}.png" for i in range(4)] + ["deep/4.png"]
    how = Everything(points=6, scales=(1.0,), most_share=0.4)
    return before.PreJob(names=names, locate=folder.joinpath, out=folder / "proposals.json", how=how)


class SameColor:
    """The pixels of the clicked one's color."""

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        color = state.image[clicks[-1].pixel(state.prob.shape)]
        return replace(state, prob=(state.image == color).all(axis=2).astype(np.float32))


def run(*words, folder):
    """Run `annotate --pre` on the folder; its exit code."""
    try:
        main(["annotate", str(folder), "--pre", "--method", "grow", *words])
    except SystemExit as end:
        return end.code
    return 0


def test_shards_are_joined_to_what_one_run_gives(job):
    predictor = SameColor()
    whole = before.pre_annotate(predictor, replace(job, out=job.out.with_name("one.json")))
    assert [(row.photo, row.objects) for row in whole if not row.problem] == [
        ("0.png", 2), ("1.png", 2), ("2.png", 0), ("deep/4.png", 2),
    ]  # fmt: skip
    assert [row.photo for row in whole if row.problem] == [DAMAGED]
    shards = [replace(job, shard=Shard(i, 2)) for i in (1, 2)]
    for shard in shards:
        before.pre_annotate(predictor, shard)
    written = shards[0].target.stat().st_mtime_ns
    assert before.pre_annotate(None, shards[0]) == shards[0].finished(), "what is done is not done again"
    assert shards[0].target.stat().st_mtime_ns == written
    assert before.join(job, 2) == whole
    assert job.out.read_bytes() == job.out.with_name("one.json").read_bytes()
    assert not any(shard.target.exists() or shard.report.exists() for shard in shards), "they would be taken in twice"
    assert before.pre_annotate(None, shards[1]) == whole, "a task that comes late finds the whole"
    assert before.join(job, 2) == whole


def test_shards_may_be_empty_or_of_a_photo_without_objects(job):
    whole = before.pre_annotate(SameColor(), replace(job, out=job.out.with_name("one.json")))
    for shard in job.shards(7):
        before.pre_annotate(SameColor(), shard)
    assert before.join(job, 7) == whole
    assert job.out.read_bytes() == job.out.with_name("one.json").read_bytes()


def test_the_annotator_begins_with_them(job, folder):
    before.pre_annotate(SameColor(), job)
    (found,) = detect(folder, job.names)
    photos = coco.read(found.source, [AnnotatedPhoto(name, HW) for name in job.names])
    first = next(photo for photo in photos if photo.file == "1.png")
    assert {item.label for item in first.objects} == {"object"}
    wanted = np.zeros(HW, bool)
    wanted[8:30, 9:31] = True
    assert any(np.array_equal(item.mask, wanted) for item in first.objects)
    assert all(0 < item.score <= 1 for item in first.objects)


def test_what_ends_in_the_middle_leaves_nothing_and_is_done_by_the_next(job):
    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        before.pre_annotate(SameColor(), job, stop)
    assert [file.name for file in job.out.parent.glob("*proposals*")] == []
    rows = before.pre_annotate(SameColor(), job)
    job.out.unlink()  # as when it ends between the report and the output
    assert job.finished() is None
    assert before.pre_annotate(SameColor(), job) == rows


def test_what_was_made_of_something_else_is_not_taken_for_done(job):
    before.pre_annotate(SameColor(), job)
    more = replace(job, names=[*job.names, "5.png"])
    for other in (more, replace(job, settings={"cfr": 3}), replace(more, shard=Shard(1, 2))):
        with pytest.raises(InputError, match="other settings"):
            before.pre_annotate(SameColor(), other)
    job.report.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        job.finished()
    job.report.unlink()
    for act in (job.finished, job.forget):
        with pytest.raises(InputError, match="--pre did not make"):
            act()


def test_the_command_says_what_it_did(folder, capsys):
    assert run("--shard", "1/2", folder=folder) == 0
    assert "photos" in capsys.readouterr().out
    assert run("--shard", "1/2", folder=folder) == 0
    assert "done before; skipped" in capsys.readouterr().out
    assert run("--join", "2", folder=folder) == 2
    assert "1 of 2 shards must still be done, as 2-of-2" in capsys.readouterr().err
    assert run("--shard", "2/2", folder=folder) == 0
    assert "1 photo left out" in capsys.readouterr().out
    assert run("--join", "2", folder=folder) == 0
    content = json.loads((folder / "proposals.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["0.png", "1.png", "2.png", "deep/4.png"]
    assert run("--overwrite", folder=folder) == 0
    assert json.loads((folder / "proposals.json").read_text()) == content


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "is no shard"),
        (["--shard", "1/2", "--join", "2"], "leave --shard out"),
        (["-o", "nowhere/out.json"], "does not exist"),
        (["-o", "out.txt"], "no name of a COCO file"),
        (["--method", "none-such"], "none-such"),
    ],
)
def test_what_makes_no_sense_is_said(folder, capsys, monkeypatch, words, said):
    monkeypatch.chdir(folder)
    assert run(*words, folder=folder) == 2
    assert said in capsys.readouterr().err


def test_options_of_it_ask_for_it(folder, capsys):
    with pytest.raises(SystemExit) as end:
        main(["annotate", str(folder), "--shard", "1/2", "--no-browser"])
    assert end.value.code == 2
    assert "add --pre" in capsys.readouterr().err
