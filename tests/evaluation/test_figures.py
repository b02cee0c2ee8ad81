"""The figures: what they show is what was computed, and they are drawn from real photos."""

from pathlib import Path

import numpy as np
import pytest

import fewclicks
from fewclicks.cli import main
from fewclicks.datasets import folder
from fewclicks.errors import InputError
from fewclicks.evaluation.figures import clicked, draw, figure3, figure4, square
from fewclicks.evaluation.metrics import iou

ROOT = Path(__file__).parents[2]
EXAMPLES = folder.open(ROOT / "examples")


@pytest.fixture(scope="module")
def predictor():
    return fewclicks.load("default", threads=1)


def test_the_examples_are_a_benchmark_of_three_objects():
    assert [EXAMPLES[i].name.split("#")[0] for i in range(len(EXAMPLES))] == ["astronaut", "coffee", "rocket"]
    for i in range(3):
        assert 0.01 < (EXAMPLES[i].truth == 1).mean() < 0.6


def test_the_robot_stops_when_it_is_good_enough(predictor):
    state, clicks = clicked(predictor, EXAMPLES[0], 0.9, 10)
    assert 1 <= len(clicks) < 10
    assert iou(state.mask, EXAMPLES[0].truth) >= 0.9
    assert len(clicked(predictor, EXAMPLES[0], 2.0, 2)[1]) == 2


@pytest.mark.slow
def test_figure_3_counts_the_pixels_that_change(predictor):
    figure = figure3(predictor, [EXAMPLES[0]], passes=2)
    titles = [cell.get_title() for cell in figure.axes]
    assert titles[0].startswith("coarse")
    state = predictor.start(EXAMPLES[0].image)
    clicks = clicked(predictor, EXAMPLES[0], 0.0, 1)[1]
    masks = []
    for _ in range(3):
        state = predictor.step(state, clicks)
        masks.append(state.mask)
    for i in (1, 2):
        assert titles[i].startswith(f"{i}: {np.count_nonzero(masks[i - 1] != masks[i]):,} px changed")


def test_figure_4_has_both_objects_and_four_modes():
    titles = [cell.get_title() for cell in figure4([EXAMPLES[0], EXAMPLES[1]]).axes]
    assert titles == ["image", "extra image", "Simple", "Union", "Exclusion", "Mixing"] * 2


def test_the_square_crop_holds_the_whole_object():
    image, truth = square(EXAMPLES[2], 200)
    assert image.shape == (200, 200, 3)
    side = round(1.25 * 280)  # the rocket is about 280 pixels high
    share = (EXAMPLES[2].truth == 1).sum() / side**2
    assert (truth == 1).mean() == pytest.approx(share, rel=0.1)


def test_one_object_is_too_few(predictor, tmp_path):
    with pytest.raises(InputError, match="two objects or more"):
        draw(predictor, [EXAMPLES[0]], {}, tmp_path)


@pytest.mark.slow
def test_the_command_draws_four_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    report = "as shipped=results/default.json"
    with pytest.raises(SystemExit) as stopped:
        main(["figures", "--objects", "2", "--report", report, "--threads", "1", "--out", str(tmp_path / "f")])
    assert stopped.value.code == 0
    names = ["clicks.png", "figure1.png", "figure3.png", "figure4.png"]
    assert sorted(file.name for file in (tmp_path / "f").iterdir()) == names
    assert all((tmp_path / "f" / name).stat().st_size > 10_000 for name in names)


def test_the_command_says_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["figures"])
    assert stopped.value.code == 2
    assert "--data-root" in capsys.readouterr().err
