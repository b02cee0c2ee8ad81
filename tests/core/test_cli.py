"""The command line as a user meets it: what it prints, what it writes, how it fails."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from commands import runner
from fakes import gradient, shared
from fewclicks.cli.segment import parse_click
from fewclicks.clicks import Click
from fewclicks.errors import InputError
from fewclicks.evaluation import rollout as rollout_module
from fewclicks.recipes import changed, parse
from fewclicks.training.recipe import Recipe

EXAMPLES = Path(__file__).parents[2] / "examples" / "images"
GROW = ("--method", "grow")


@pytest.fixture
def fewclicks(capsys, tmp_path, monkeypatch):
    """Runs a command in an empty folder -> exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.fromarray(photo()).save("photo.png")
    return runner(capsys)


def photo():
    image = gradient(80, 120)
    image[20:60, 30:90] = (250, 240, 20)
    return image


def folder_of_masks(root):
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    mask = np.zeros((80, 120), np.uint8)
    mask[20:60, 30:90] = 1
    for name in ("a", "b"):
        PIL.Image.fromarray(photo()).save(root / "images" / f"{name}.png")
        PIL.Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    return root


def read(path):
    with PIL.Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize(
    ("text", "click"),
    [
        ("30,40", Click(30, 40)),
        ("-30,40", Click(30, 40, False)),
        ("-0,5", Click(0, 5, False)),
        ("0,5", Click(0, 5)),
        ("1.5,2.25", Click(1.5, 2.25)),
    ],
)
def test_a_leading_minus_is_background(text, click):
    assert parse_click(text) == click
    assert parse_click(text, negative=True) == Click(click.x, click.y, False)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "a,b", "--1,2x", "1;2"])
def test_what_is_no_click_is_refused(text):
    with pytest.raises(InputError, match=r"write X,Y|finite"):
        parse_click(text)


def test_segment_writes_the_mask_and_says_so(fewclicks):
    code, out, err = fewclicks("segment", "photo.png", "--click", "60,40", "--click", "-5,5", *GROW, "-o", "m.png")
    assert (code, err) == (0, "")
    mask = read("m.png")
    assert mask.shape == (80, 120)
    assert set(np.unique(mask)) == {0, 255}
    assert mask[40, 60] == 255
    assert mask[5, 5] == 0
    assert "m.png" in out
    assert f"{(mask > 0).sum():,} pixels" in out


def test_segment_json_is_pure_and_true(fewclicks):
    arguments = ("segment", "photo.png", "--click", "60,40", "--negative", "0,7", "--click", "-0,5", *GROW, "--json")
    code, out, err = fewclicks(*arguments)
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told["clicks"] == [
        {"x": 60, "y": 40, "positive": True},
        {"x": 0, "y": 5, "positive": False},
        {"x": 0, "y": 7, "positive": False},
    ]
    mask = read(told["out"]) > 0
    rows, columns = np.nonzero(mask)
    assert told["area_px"] == mask.sum()
    assert told["box"] == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert told["out"] == "photo_mask.png"


def test_segment_writes_cutout_and_overlay(fewclicks):
    code, _, _ = fewclicks("segment", "photo.png", "--click", "60,40", *GROW, "--cutout", "--overlay", "o.png")
    assert code == 0
    rgba = read("photo_cutout.png")
    assert rgba.shape == (80, 120, 4)
    assert rgba[40, 60].tolist() == [250, 240, 20, 255]
    assert read("o.png").shape == (80, 120, 3)


def test_segment_corrects_an_existing_mask(fewclicks):
    given = np.zeros((80, 120), np.uint8)
    given[20:60, 30:90] = 255
    PIL.Image.fromarray(given).save("given.png")
    assert fewclicks("segment", "photo.png", "--mask", "given.png", *GROW, "-o", "same.png")[0] == 0
    assert np.array_equal(read("same.png"), given)
    assert fewclicks("segment", "photo.png", "--mask", "given.png", "--click", "-60,40", *GROW, "-o", "m.png")[0] == 0
    assert read("m.png")[40, 60] == 0


def test_refinement_wraps_a_method_that_knows_nothing_of_it(fewclicks):
    rings = ("--cfr", "2", "--adaptive", "--until-click", "1", "--flip", "--threads", "1")
    assert fewclicks("segment", "photo.png", "--click", "60,40", *GROW, *rings)[0] == 0


def test_options_reach_the_method(fewclicks):
    for option, value in (("longest_px", 40), ("longest_px", 120)):
        code, _, err = fewclicks("segment", "photo.png", "--click", "60,40", *GROW, "--set", f"{option}={value}")
        assert code == 0, err


ERRORS = {
    "no click": (["segment", "photo.png"], "--click X,Y"),
    "no photo": (["segment", "gone.png", "--click", "1,2"], "gone.png"),
    "no numbers": (["segment", "photo.png", "--click", "here"], "X,Y"),
    "outside": (["segment", "photo.png", "--click", "999,2", *GROW], "outside"),
    "unknown method": (["segment", "photo.png", "--click", "1,2", "--method", "grwo"], "did you mean 'grow'"),
    "no weights": (["segment", "photo.png", "--click", "1,2", "--method", "gone.onnx"], "gone.onnx"),
    "unknown option": (["segment", "photo.png", "--clik", "1,2"], "--clik"),
    "no value": (["segment", "photo.png", "--click", "1,2", "--cfr", "two"], "--cfr"),
    "foreign setting": (["segment", "photo.png", "--click", "1,2", *GROW, "--set", "zoom=3"], "zoom"),
    "half a setting": (["segment", "photo.png", "--click", "1,2", "--set", "zoom"], "KEY=VALUE"),
    "onto itself": (["segment", "photo.png", "--click", "1,2", *GROW, "-o", "photo.png"], "photo itself"),
    "no folder": (["segment", "photo.png", "--click", "1,2", *GROW, "-o", "gone/m.png"], "gone"),
    "no command": (["segmnt"], "segmnt"),
    "no dataset": (["bench", "grabcat"], "did you mean 'grabcut'"),
    "no plot": (["bench", "folder", "--plot", "a.gif"], ".png, .pdf or .svg"),
    "no json place": (["bench", "folder", "--json", "gone/a.json"], "gone"),
    "no recipe": (["train", "compcat"], "did you mean 'compact'"),
    "no variant": (["train", "toy:large"], "there are: toy"),
    "no field": (["train", "toy", "stps=3"], "did you mean 'steps'"),
    "no number": (["train", "toy", "steps=many"], "whole number"),
    "no checkpoint": (["export-onnx", "gone", "a.onnx"], "gone"),
    "no network": (["export-onnx", "grow", "out", "--sam"], "default"),
    "no weights for a pair": (["export-onnx", "gone.onnx", "out", "--sam"], "gone.onnx"),
    "halved already": (["export-onnx", "default", "out", "--sam", "--half"], "checkpoint folders"),
    "no graph": (["export-onnx", "default", "out", "--sam", "--set", "flip=true"], "flip"),
}


@pytest.mark.parametrize(("arguments", "cure"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_one_line_and_exit_code_2(fewclicks, arguments, cure):
    code, out, err = fewclicks(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("fewclicks: ")
    assert err.count("\n") == 1
    assert cure in err
    assert sorted(os.listdir()) == ["photo.png"], "nothing is written"


def test_a_dataset_that_is_laid_out_otherwise_shows_the_tree(fewclicks):
    code, _, err = fewclicks("bench", "grabcut", "--data-root", ".")
    assert code == 2
    assert "data_GT" in err


def test_bench_counts_clicks_and_writes_what_is_asked(fewclicks, tmp_path):
    folder_of_masks(tmp_path / "set")
    files = ("--json", "r.json", "--plot", "p.png", "--gallery", "worst")
    code, out, _ = fewclicks("bench", "folder", "--data-root", tmp_path / "set", *GROW, "--cfr", "1", *files)
    assert code == 0
    assert "set" in out
    figures = json.loads(Path("r.json").read_text())
    settings, row = figures["settings"], figures["datasets"]["set"]
    assert (settings["method"], settings["cfr"], settings["flip"], settings["robot"]) == (
        "grow",
        1,
        False,
        "deepest_error",
    )
    assert row["objects"] == 2
    assert set(row["noc"]) == set(row["failures"]) == {"0.80", "0.85", "0.90", "0.95"}
    assert 1 <= row["noc"]["0.80"] <= row["noc"]["0.95"] <= 20
    assert len(row["iou_at_click"]) == 20
    assert row["seconds_per_click"] > 0
    assert len(list(Path("worst").iterdir())) == 2
    assert Path("p.png").stat().st_size > 1000


def test_bench_takes_the_robot_of_a_method_from_anywhere(fewclicks, tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").touch()
    (tmp_path / "own" / "way.py").write_text(
        "from fewclicks.clicks import Click\nfrom fewclicks.methods.grow import build\n"
        "def corner(truth, mask, clicks):\n    return Click(len(clicks), 0, False)\nrobot = corner\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folder_of_masks(tmp_path / "set")
    asked = ("bench", "folder", "--data-root", tmp_path / "set", "--method", "own.way", "--json", "-", "--full")
    code, out, _ = fewclicks(*asked, "--max-clicks", "2", "--stop-iou", "none")
    figures = json.loads(out)
    assert code == 0
    assert (figures["settings"]["robot"], figures["settings"]["stop_iou"]) == ("own.way:corner", None)
    assert figures["datasets"]["set"]["per_object"]["clicks"][0] == [[0, 0, False], [1, 0, False]]
    _, out, _ = fewclicks(*asked, "--robot", "random_error")
    assert json.loads(out)["settings"]["robot"] == "random_error"


def test_bench_goes_on_with_a_run_that_was_stopped(fewclicks, tmp_path, monkeypatch):
    root = folder_of_masks(tmp_path / "set")
    asked = ("bench", "folder", "--data-root", root, *GROW, "--full", "--json", "r.json")
    rollout = rollout_module.rollout

    def stopped(predictor, sample, *rules):
        if sample.name == "b#1":
            raise InputError("stopped")
        return rollout(predictor, sample, *rules)

    with monkeypatch.context() as patch:
        patch.setattr(rollout_module, "rollout", stopped)
        code, _, err = fewclicks(*asked)
        assert code == 2
        assert "1 object is kept in r.json.partial; --resume goes on" in err
    kept = Path("r.json.partial").read_text().splitlines()
    assert len(kept) == 2, "the settings, and the object that was finished"
    Path("r.json.partial").write_text("\n".join(kept).replace('"name": "a#1"', '"name": "a, measured before"') + "\n")
    assert "max_clicks was 20 and is 3" in fewclicks(*asked, "--resume", "--max-clicks", "3")[2]
    assert fewclicks(*asked, "--resume")[0] == 0
    each = json.loads(Path("r.json").read_text())["datasets"]["set"]["per_object"]
    assert each["name"] == ["a, measured before", "b#1"]
    assert not Path("r.json.partial").exists()
    code, _, err = fewclicks("bench", "folder", "--data-root", root, *GROW, "--resume")
    assert code == 2
    assert "--json FILE" in err


def test_bench_shows_a_finished_run_at_once(fewclicks, tmp_path, monkeypatch):
    root = folder_of_masks(tmp_path / "set")
    asked = ("bench", "folder", "--data-root", root, *GROW, "--json", "r.json")
    code, table, _ = fewclicks(*asked)
    assert code == 0
    before = Path("r.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("fewclicks.evaluation.benchmark.measure", None)
        code, out, err = fewclicks(*asked, "--resume", "--processes", "2", "--plot", "r.png")
    assert (code, out) == (0, table)
    assert "the run in 'r.json' is finished" in err
    assert Path("r.png").is_file()
    for other, says in (
        (("--cfr", "1"), "cfr was 0 and is 1"), (("--max-clicks", "3"), "max_clicks was 20 and is 3"),
        (("--robot", "random_error"), "robot was 'deepest_error' and is 'random_error'"),
        (("--boundary-iou",), "boundary was False and is True"), (("--limit", "1"), "objects was [2] and is [1]"),
        (("--full",), "without --full"), (("--csv", "r.csv"), "--csv r.csv was not asked for"),
    ):  # fmt: skip
        code, _, err = fewclicks(*asked, "--resume", *other)
        assert code == 2
        assert says in err
    assert Path("r.json").read_bytes() == before
    Path("r.json").write_text("{}")
    assert "no benchmark report" in fewclicks(*asked, "--resume")[2]


@pytest.mark.parametrize(
    ("stop", "heads", "title"),
    [("0.85", "80 85 never 85", "until IoU 0.85"), ("0.5", "50 never 50", "until IoU 0.5"),
     ("0.333", "objects IoU@1", "until IoU 0.333"), ("none", "80 85 90 95 never 90", "all 20 clicks")],
)  # fmt: skip
def test_bench_tells_the_levels_that_it_reached_for(fewclicks, tmp_path, stop, heads, title):
    root = folder_of_masks(tmp_path / "set")
    files = ("--json", "r.json", "--csv", "r.csv", "--plot", "r.png")
    code, out, _ = fewclicks("bench", "folder", "--data-root", root, *GROW, "--stop-iou", stop, *files)
    told = " ".join(out.split())
    assert code == 0
    assert heads in told
    assert title in told
    assert json.loads(Path("r.json").read_text())["settings"]["stop_iou"] == (None if stop == "none" else float(stop))


def test_bench_writes_its_files_before_its_table(fewclicks, tmp_path, monkeypatch):
    def gone(figures):
        raise BrokenPipeError

    monkeypatch.setattr(sys.modules["fewclicks.cli.bench"], "print_table", gone)
    root = folder_of_masks(tmp_path / "set")
    fewclicks("bench", "folder", "--data-root", root, *GROW, "--json", "r.json", "--csv", "r.csv")
    assert Path("r.json").is_file()
    assert Path("r.csv").is_file()


def test_bench_refuses_two_datasets_of_one_name(fewclicks, tmp_path):
    root = folder_of_masks(tmp_path / "set")
    assert "are called 'set'" in fewclicks("bench", "folder", "folder", "--data-root", root, *GROW)[2]


def test_bench_json_to_stdout_is_pure(fewclicks, tmp_path):
    folder_of_masks(tmp_path / "set")
    code, out, _ = fewclicks("bench", "folder", "--data-root", tmp_path / "set", *GROW, "--limit", "1", "--json", "-")
    figures = json.loads(out)
    assert code == 0
    assert figures["settings"]["limit"] == 1
    assert figures["datasets"]["set"]["objects"] == 1


def test_bench_names_weights_zoom_and_threshold_of_the_default_method(fewclicks):
    root = shared("benchmarks")
    code, out, _ = fewclicks("bench", "grabcut", "--data-root", root, "--limit", "1", "--json", "-", "--threads", "1")
    settings = json.loads(out)["settings"]
    assert code == 0
    assert len(settings["weights_sha256"]) == 64
    assert {"zoom", "threshold", "cfr", "flip", "adaptive", "until_click", "anchor", "onnxruntime"} <= set(settings)
    assert "/" not in settings["weights"], "results name no place on this machine"


def test_train_changes_fields_by_their_types():
    recipe = changed(
        Recipe(name="x"),
        {
            "steps": "3",
            "lr": "1e-2",
            "precision": "bf16",
            "sets": "a,b",
            "set_weights": "1,2",
            "resize": "0.5,2",
            "init": "y",
        },
    )
    assert (recipe.steps, recipe.lr, recipe.precision, recipe.init) == (3, 0.01, "bf16", "y")
    assert (recipe.sets, recipe.set_weights, recipe.resize) == (("a", "b"), (1.0, 2.0), (0.5, 2.0))
    assert parse("whole_sets", "", tuple[str, ...]) == ()
    for key, text in (("random_length", "perhaps"), ("steps", "1.5"), ("resize", "1"), ("lr", "fast")):
        with pytest.raises(InputError, match=key):
            changed(recipe, {key: text})


def test_train_trains_resumes_and_its_weights_segment(fewclicks):
    tiny = ("backbone=vit", "size=xtiny", "crop_hw=32,32", "batch=2", "min_area_px=20")
    small = ("train", "toy", *tiny, "--out", "run", "--workers", "0")
    code, out, _ = fewclicks(*small, "steps=1")
    assert code == 0
    assert "run/last" in out
    assert json.loads(Path("run/recipe.json").read_text())["crop_hw"] == [32, 32]
    assert fewclicks(*small, "steps=1")[0] == 2, "a run is not overwritten"
    before = Path("run/recipe.json").read_bytes()
    assert fewclicks("train", "--out", "run", "--resume", "--workers", "0")[0] == 0, "its recipe is its own"
    assert fewclicks(*small, "steps=1", "--resume")[0] == 0, "what is the same may be said again"
    code, _, err = fewclicks("train", "toy", "steps=2", "lr=0.5", "--out", "run", "--resume")
    assert code == 2
    assert "steps is 1, not 2, lr is 0.001, not 0.5" in err
    assert "--fork run" in err
    assert "no field 'step'; did you mean 'steps'" in fewclicks("train", "step=2", "--out", "run", "--resume")[2]
    assert "is a run of the recipe 'toy'" in fewclicks("train", "compact", "--out", "run", "--resume")[2]
    assert "nothing to resume" in fewclicks("train", "--out", "nowhere", "--resume")[2]
    assert "which recipe" in fewclicks("train", "--resume")[2]
    assert "already" in fewclicks("train", "--fork", "run", "--out", "run")[2]
    assert Path("run/recipe.json").read_bytes() == before
    assert fewclicks("train", "steps=2", "--fork", "run", "--out", "second", "--workers", "0")[0] == 0
    forked = json.loads(Path("second/recipe.json").read_text())
    assert (forked["init"], forked["steps"], forked["crop_hw"]) == ("run/last", 2, [32, 32])
    assert len(Path("second/metrics.jsonl").read_text().splitlines()) == 2
    Path("third").mkdir()
    Path("third/recipe.json").write_bytes(before)
    _, _, err = fewclicks("train", "toy", "--out", "third")
    assert "third/recipe.json is the recipe of another run, in which backbone is 'vit', not 'compact'" in err
    assert "crop_hw is (32, 32), not (64, 64)" in err
    assert Path("third/recipe.json").read_bytes() == before
    assert fewclicks("segment", "photo.png", "--click", "60,40", "--method", "run/last")[0] == 0


def test_list_names_what_is_there(fewclicks):
    code, out, _ = fewclicks("list", "--json")
    found = json.loads(out)
    assert code == 0
    assert {"default", "grow", "grabcut"} <= set(found["methods"])
    assert all(line for kind in found.values() for line in kind.values()), "every file says what it is"
    assert "grow" in fewclicks("list")[1]


@pytest.mark.slow
def test_doctor_times_a_click(fewclicks):
    code, out, _ = fewclicks("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["default_model"]["click_ms"] > 0
    assert found["extras"]["torch"]["installed"]
    assert found["packages"]["numpy"] == np.__version__
    assert "ms" in fewclicks("doctor")[1]


def test_doctor_says_what_is_missing(fewclicks, monkeypatch, tmp_path):
    from fewclicks import doctor
    from fewclicks.methods import default

    monkeypatch.setattr(doctor, "EXTRAS", {"plot": (("no-such-distribution",), "plots")})
    monkeypatch.setattr(default.Options, "__init__", broken)
    code, out, _ = fewclicks("doctor")
    assert code == 1
    assert "pip install 'fewclicks[plot]'" in out
    assert "no weights here" in out


def broken(*_, **__):
    raise InputError("no weights here")


def test_help_shows_examples_and_version_the_version(fewclicks):
    from fewclicks import __version__

    code, out, _ = fewclicks("--help")
    assert code == 0
    assert "--click 310,190" in out
    assert fewclicks("--version")[:2] == (0, f"fewclicks {__version__}\n")
    assert fewclicks()[0] == 2


def python(*arguments, **options):
    """A new interpreter in which warnings are errors."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def work_s(*commands):
    """Seconds of work (not of waiting for other work on the machine) of each command: the least of three, in turns, so
    that what else the machine does slows all of them alike.
    """
    seconds = [[] for _ in commands]
    for _ in range(3):
        for own, arguments in zip(seconds, commands, strict=True):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert python(*arguments).communicate()[1] == ""
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            own.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return map(min, seconds)


def test_help_is_quick_and_light():
    """0.6 s at most where the libraries that print it take 0.25 s; a slower machine has more time for both."""
    libraries = "-c", "import typer.rich_utils, rich.markdown, rich.columns, rich.traceback"
    libraries_s, help_s = work_s(libraries, ("-m", "fewclicks", "--help"))
    assert help_s < 2.4 * libraries_s
    heavy = "{'numpy', 'PIL', 'cv2', 'torch', 'onnxruntime', 'matplotlib'} & set(sys.modules)"
    out, _ = python("-c", f"import sys, fewclicks.cli; print({heavy})").communicate()
    assert out.strip() == "set()"


def test_stdout_that_is_closed_or_full():
    closed = subprocess.run(f"{sys.executable} -m fewclicks list >&-", shell=True, capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([sys.executable, "-m", "fewclicks", "list"], stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == 2
        assert (
            done.stderr
            == b"fewclicks: a file cannot be read or written (No space left on device); check the place and the disk\n"
        )


def test_ctrl_c_is_quiet(tmp_path):
    folder_of_masks(tmp_path / "set")
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "sleepy.py").write_text(
        "import time\n\nclass Sleepy:\n    def start(self, image):\n        print('ready', flush=True)\n"
        "        time.sleep(60)\n\n    def step(self, state, clicks):\n        return state\n\n"
        "def build():\n    return Sleepy()\n"
    )
    process = python(
        "-m", "fewclicks", "bench", "folder", "--data-root", "set", "--method", "extra.sleepy", cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
