"""The preset `released` does what the authors' evaluation does, step by step; explicit options win over presets."""

import json
import shutil
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import fewclicks
from fakes import shared
from fewclicks.cli import main
from fewclicks.clicks import Click, Clicks
from fewclicks.config import DATASETS, PRESETS, PredictorConfig, preset_options, resolve
from fewclicks.engines.network import Network
from fewclicks.errors import CheckpointError, InputError, UnknownName
from fewclicks.evaluation import benchmark
from fewclicks.evaluation.robot import deepest_error
from fewclicks.evaluation.rollout import ClickResult, ObjectResult, Result
from fewclicks.methods import default
from fewclicks.plugins import find
from scripts import script

HW = (240, 427)
CLICKS = (
    Click(150, 110),
    Click(183, 127),
    Click(40, 30, False),
    Click(168, 90),
    Click(152, 112, False),  # on the object: the mask becomes empty
    Click(155, 118),
    Click(330, 60),
)


def photo():
    """A bright bean on a slope of colours, wider than high."""
    rows, columns = np.mgrid[: HW[0], : HW[1]].astype(np.float32)
    bean = np.exp(-(((columns - 160 - 0.3 * rows + 33) / 45) ** 2) - ((rows - 110) / 28) ** 2)
    colours = [90 + 120 * bean, 60 + 0.15 * columns + 60 * bean, 140 - 0.2 * rows]
    return np.dstack(colours).clip(0, 255).astype(np.uint8)


@dataclass
class Fake:
    """A smooth stand-in for a network that heeds image, clicks and previous prob, and left differently from right."""

    seen: list = field(default_factory=list)

    def __call__(self, image, clicks, prev):
        """image 1x3xHxW, clicks 1xNx3, prev 1x1xHxW -> logits 1x1xHxW."""
        self.seen.append(image.shape[2:])
        height, width = image.shape[2:]
        rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
        logits = 7 * (image[0, 0] - 0.52) + 2.2 * (prev[0, 0] - 0.4) + 0.25 * np.sin(9 * columns / width)
        for x, y, label in clicks[0]:
            reach = (0.12 if label else 0.3) * max(height, width)
            near = np.exp(-(((rows - y) / reach) ** 2)) * np.exp(-(((columns - x) / reach) ** 2))
            logits += (3.5 if label else -9) * near
        return logits[None, None].astype(np.float32)


class Published:
    """The published evaluation of one object, written down line by line from its description."""

    def __init__(self, net, size, skip, refinements=0, until_click=1, adaptive=False):
        self.net, self.size, self.skip = net, size, skip
        self.passes, self.until_click, self.adaptive = refinements + 1, until_click, adaptive

    def start(self, image):
        self.image = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        self.previous = torch.zeros(1, 1, *image.shape[:2])
        self.region = None  # first and last row, first and last column

    def click(self, clicks):
        if len(clicks) > self.until_click:
            return self.forward(clicks)
        before = None
        for _ in range(self.passes):
            now = self.forward(clicks)
            if self.adaptive and before is not None and int(((now > 0.49) != (before > 0.49)).sum()) <= 20:
                break
            before = now
        return now

    def forward(self, clicks):
        whole = torch.cat([self.image, self.previous], 1)
        zoomed = len(clicks) > self.skip and self.choose_region(clicks)
        if zoomed:
            top, bottom, left, right = self.region
            crop = whole[:, :, top : bottom + 1, left : right + 1]
            height, width = bottom - top + 1, right - left + 1
            size = self.size
            if not isinstance(size, tuple):
                size = round(height * size / max(height, width)), round(width * size / max(height, width))
            crop = F.interpolate(crop, size=size, mode="bilinear", align_corners=True)
            points = [(size[1] * (c.x - left) / width, size[0] * (c.y - top) / height, c.positive) for c in clicks]
        else:
            crop, points = whole, [(c.x, c.y, c.positive) for c in clicks]
        turned = [(crop.shape[3] - 1 - x, y, label) for x, y, label in points]
        logits = 0.5 * (self.ask(crop, points) + self.ask(crop.flip(3), turned).flip(3))
        prob = torch.sigmoid(logits)
        if self.region is not None:  # also when the whole image was shown
            top, bottom, left, right = self.region
            patch = F.interpolate(prob, (bottom - top + 1, right - left + 1), mode="bilinear", align_corners=True)
            prob = torch.zeros_like(self.previous)
            prob[:, :, top : bottom + 1, left : right + 1] = patch
        self.previous = prob
        return prob[0, 0].numpy()

    def ask(self, crop, points):
        arrays = crop[:, :3].numpy(), np.array([points], np.float32), crop[:, 3:].numpy()
        return torch.from_numpy(self.net(*arrays))

    def choose_region(self, clicks):
        """Whether there is a region to zoom in on; it is the one before, or a new one."""
        height, width = self.previous.shape[2:]
        positive = [(int(c.y), int(c.x)) for c in clicks if c.positive]
        mask = self.previous[0, 0].numpy() > 0.5
        if mask.any():
            found = np.argwhere(mask).tolist() + positive
            new = []
            for places, last in ((sorted(r for r, _ in found), height - 1), (sorted(c for _, c in found), width - 1)):
                length = max(1.4 * (places[-1] - places[0] + 1), 200)
                centre = (places[0] + places[-1]) / 2
                new += [max(0, round(centre - length / 2)), min(last, round(centre + length / 2))]
        elif self.skip >= 0:
            return False
        else:
            new = [0, height - 1, 0, width - 1]
        old = self.region
        if (
            old is None
            or self.left_by(positive)
            or intersection(new[:2], old[:2]) * intersection(new[2:], old[2:]) < 0.5
        ):
            self.region = new
        return True

    def left_by(self, positive):
        top, bottom, left, right = self.region
        return any(not (top <= row < bottom and left <= column < right) for row, column in positive)


def intersection(one, other):
    """Intersection over union of two ranges of whole numbers, ends included."""
    both = max(0, min(one[1], other[1]) - max(one[0], other[0]) + 1)
    return both / (max(one[1], other[1]) - min(one[0], other[0]) + 1)


def ours(net, preset, **options):
    """The predictor that the default method builds, with another network in it."""
    used = default.chosen(preset=preset, **options)
    return used.around(Network(net, used.threshold))


# Forwards and mean prob after each click. The means are written down so that both sides cannot change together.
CASES = {
    "released, CFR-0": ({}, [1] * 7, [0.1673, 0.1128, 0.1042, 0.1097, 0.0271, 0.0231, 0.0535]),
    "released, CFR-1": ({"cfr": 1}, [2] + [1] * 6, [0.106, 0.1174, 0.1056, 0.1102, 0.0272, 0.0231, 0.0535]),
    "released, CFR-4": ({"cfr": 4}, [5] + [1] * 6, [0.1134, 0.12, 0.1065, 0.1106, 0.0273, 0.0231, 0.0535]),
    "released, CFR-1 after every click": (
        {"cfr": 1, "until_click": None}, [2] * 7, [0.106, 0.121, 0.1057, 0.112, 0.0182, 0.0237, 0.0669]
    ),
    "released, CFR-4 after every click": (
        {"cfr": 4, "until_click": None}, [5] * 7, [0.1134, 0.1232, 0.1054, 0.1129, 0.0531, 0.0253, 0.0738]
    ),
    "released, A-CFR-4 after every click": (
        {"adaptive": True, "until_click": None},
        [5, 5, 5, 5, 3, 5, 5],
        [0.1134, 0.1232, 0.1054, 0.1129, 0.0432, 0.0253, 0.0738],
    ),
    "released-ritm, CFR-1": ({"cfr": 1}, [2] + [1] * 6, [0.2392, 0.1316, 0.1104, 0.1119, 0.0271, 0.023, 0.0569]),
    "released-ritm, CFR-1 after every click": (
        {"cfr": 1, "until_click": None}, [2] * 7, [0.2392, 0.1268, 0.1064, 0.1119, 0.0181, 0.0193, 0.0718]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_answers_what_the_published_evaluation_answers(case):
    preset, (options, forwards, means) = case.partition(",")[0], CASES[case]
    nets = Fake(), Fake()
    refinements = 4 if options.get("adaptive") else options.get("cfr", 0)
    rules = (refinements, options.get("until_click", 1) or 20, options.get("adaptive", False))
    wanted = Published(nets[0], *(((448, 448), -1) if preset == "released" else (400, 1)), *rules)
    predictor = ours(nets[1], preset, **options)
    wanted.start(photo())
    state, clicks = predictor.start(photo()), Clicks()
    for click, passes, mean in zip(CLICKS, forwards, means, strict=True):
        clicks += click
        before = len(nets[1].seen)
        state, prob = predictor.step(state, clicks), wanted.click(clicks)
        np.testing.assert_allclose(state.prob, prob, atol=1e-4)
        assert np.array_equal(state.mask, state.prob > 0.49)
        assert state.prob.mean() == pytest.approx(mean, abs=2e-4)
        assert nets[1].seen == nets[0].seen, "as many forwards, each of the same size"
        assert len(nets[1].seen) - before == 2 * passes, "two for the flip"


def test_the_clicks_of_the_comparison_try_every_rule():
    net = Fake()
    predictor = ours(net, "released-ritm", cfr=1, until_click=None)
    state, regions, empty = predictor.start(photo()), set(), []
    for number in range(1, len(CLICKS) + 1):
        state = predictor.step(state, Clicks(CLICKS[:number]))
        empty.append(not state.mask.any())
        regions.add(state.memo["zoom"].roi)
    sizes = [size for size, before in zip(net.seen, [None, *net.seen], strict=False) if size != before]
    assert sizes == [HW, (400, 400), HW, (400, 400), (306, 400)], "whole, a region, whole again, other regions"
    assert any(empty), "the mask went"
    assert not empty[-1], "and came back"
    assert len(regions) >= 3


def test_explicit_options_win_over_the_checkpoint_and_the_preset(tmp_path):
    folder = tmp_path / "vit"
    folder.mkdir()
    (folder / "config.json").write_text('{"predictor": {"zoom": 448, "fit": "square", "cfr": 2}}')
    own = default.chosen(weights=folder)
    assert (own.zoom, own.fit, own.cfr, own.outside) == (448, "square", 2, "keep")
    both = default.chosen(weights=folder, preset="released-ritm", dataset="davis", outside="keep")
    assert (both.zoom, both.fit, both.cfr, both.outside, both.threshold) == (600, "longest", 2, "keep", 0.49)
    (folder / "config.json").write_text('{"predictor": {"zoom": 448, "blur": 3}}')
    with pytest.raises(CheckpointError, match="'blur'"):
        default.chosen(weights=folder)


def test_a_preset_of_other_networks_is_refused(tmp_path):
    def of(backbone):
        folder = tmp_path / backbone
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"network": {"backbone": backbone}}))
        (folder / "model.safetensors").touch()
        return folder

    vit, hrnet, compact = map(of, ("vit", "hrnet", "compact"))
    for folder, wrong, right in ((vit, "released-ritm", "released"), (hrnet, "released", "released-ritm")):
        with pytest.raises(InputError, match=f"{folder.name}.*; take --preset {right}$"):
            default.chosen(weights=folder, preset=wrong)
        assert default.chosen(weights=folder, preset=right).preset == right
    for preset in PRESETS:
        assert default.chosen(weights=compact, preset=preset).preset == preset
    for method, folder in (("simpleclick", hrnet), ("cfr_icl", hrnet), ("ritm", vit)):
        with pytest.raises(InputError, match=f"take --method .*{folder.name} --preset released"):
            find("methods", method).describe(weights=folder, preset="released")
        assert find("methods", method).describe(weights=compact, preset="paper")["preset"] == "paper"
    for method in ("default", "simpleclick", "cfr_icl", "ritm"):
        told = find("methods", method).describe(preset="paper")
        assert (told["zoom"], told["fit"], told["flip"]) == (448, "square", False), f"{method}: unified to 448x448"


@pytest.mark.parametrize(
    ("network", "named", "own"),
    [({"backbone": "segformer", "refiner": "focalclick_gate"}, "focalclick", "focalclick"),
     ({"backbone": "segformer", "refiner": "focalclick_gate"}, "default", "focalclick"),
     ({"backbone": "hrnet", "extra": "errors"}, None, "pseudoclick"), ({"net": "sam"}, None, "sam"),
     ({"backbone": "resnet", "fusion": "input"}, "fbrs", "fbrs")],
)  # fmt: skip
def test_a_preset_of_another_method_is_refused_and_without_it_the_method_is_told(tmp_path, network, named, own):
    (tmp_path / "config.json").write_text(json.dumps({"network": network, **({"method": named} if named else {})}))
    (tmp_path / "model.safetensors").touch()
    for method, presets in (("default", PRESETS), ("simpleclick", ["released", "paper"]), ("ritm", ["released-ritm"])):
        for preset in presets:
            with pytest.raises(InputError, match=f"of the method '{own}'; take --method {own} --set weights="):
                find("methods", method).describe(weights=tmp_path, preset=preset)
        assert find("methods", method).describe(weights=tmp_path)["network"]["name"].endswith(f", run by {method}")
    assert ", run by" not in find("methods", own).describe(weights=tmp_path)["network"]["name"]


def test_weights_are_run_by_the_method_that_they_name_or_by_none(tmp_path, monkeypatch):
    def resolved(method):
        (tmp_path / "config.json").write_text(json.dumps({"method": method} if method else {}))
        return resolve(tmp_path)

    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    assert resolved(None).method == "default"
    assert resolved("ucp_net").method == "ucp_net"
    for unknown in ("ucp_nett", "my_lab.method", 7, ["x"]):
        with pytest.raises(UnknownName, match=r"config\.json of .* names a method that cannot run it"):
            resolved(unknown)
    with pytest.raises(InputError, match="'grow', which runs no weights"):
        resolved("grow")


def test_presets_name_options_that_exist_and_the_default_changes_nothing():
    known = {f.name for f in fields(default.Options)}
    for name, options in PRESETS.items():
        assert options.keys() <= known
        assert all(changes.keys() <= known for changes in DATASETS[name].values())
    assert PRESETS["released"].keys() == PRESETS["paper"].keys(), "what one says the other says too"
    assert preset_options("released", "davis")["zoom"] == 672
    assert preset_options("released", "grabcut")["zoom"] == preset_options("released")["zoom"] == 448
    assert default.chosen() == default.Options(**default.OWN)
    rings = {key: value for key, value in default.OWN.items() if key != "until_click"}
    assert default.chosen(cfr=2) == default.Options(**{**rings, "cfr": 2}), "the user's number: every click"
    told = default.chosen(preset="released")
    assert (told.zoom, told.cfr) == (448, 0), "a preset says all"
    assert default.chosen(weights=default.WEIGHTS.with_name("default-0.1.onnx")).zoom == default.Options().zoom


@pytest.mark.parametrize("name", ["default.onnx", "default-int8.onnx"])
def test_the_shipped_network_is_shown_photos_the_same_way_wherever_its_file_lies(name, tmp_path):
    copy, old = (shutil.copy(default.WEIGHTS.with_name(file), tmp_path / file) for file in (name, "default-0.1.onnx"))
    assert default.chosen(weights=copy) == default.Options(weights=copy, **default.OWN)
    assert default.chosen(weights=str(copy)).zoom == default.OWN["zoom"]
    assert default.chosen(weights=copy, zoom=64).zoom == 64, "what is said counts"
    assert default.chosen(weights=old).zoom == default.Options().zoom


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match="released, released-ritm, paper"):
        fewclicks.load(preset="relased")
    with pytest.raises(InputError, match="preset"):
        fewclicks.load("grow", preset="paper")


def test_a_session_with_a_preset_is_replayed(tmp_path):
    image = photo()
    session = fewclicks.open(image, preset="released", cfr=1, zoom=96, threads=1)
    mask = session.click(150, 110)
    again = fewclicks.Session.replay(session.to_json(), image=image)
    assert np.array_equal(again.mask, mask)


def test_the_robot_clicks_on_the_corner_when_nothing_is_wrong():
    truth = np.zeros((9, 9), np.int8)
    truth[2:5, 2:5] = 1
    assert deepest_error(truth, truth == 1, Clicks()) == Click(0, 0, False)


def test_adaptive_alone_refines_four_times_at_most():
    assert PredictorConfig(adaptive=True).steps == 4
    assert PredictorConfig(adaptive=True, cfr=2).steps == 2
    assert PredictorConfig().steps == 0


def test_bench_applies_the_preset_per_dataset_and_names_it(monkeypatch, capsys):
    def measure(jobs, datasets, processes, journal):
        """No click is made: only what would have been measured is told."""
        assert [job.own.build().inner.size for job in jobs] == [448, 672]
        trace = ObjectResult("one", (ClickResult(Click(1, 1), 1.0, 0.1, 0.1, 0.1),), 0.1)
        return [Result(dataset.name, (trace,), "deepest_error", 20, 0.95) for dataset in datasets]

    monkeypatch.setattr(benchmark, "measure", measure)
    arguments = ["bench", "grabcut", "davis", "--data-root", str(shared("benchmarks")), "--threads", "1"]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--preset", "released", "--cfr", "1", "--no-flip", "--set", "expansion=1.3", "--json", "-"])
    assert end.value.code == 0
    figures = json.loads(capsys.readouterr().out)
    wanted = {**preset_options("released"), "flip": False, "expansion": 1.3, "cfr": 1, "preset": "released"}
    del wanted["zoom"]
    assert figures["settings"].items() >= wanted.items()
    own = {name: row["settings"] for name, row in figures["datasets"].items()}
    assert own == {"GrabCut": {"zoom": 448}, "DAVIS": {"zoom": 672}}


def test_the_command_line_says_what_is_explicit():
    def used(options=None, dataset="", **said):
        return resolve("default", options, preset="released", **said).on(dataset).describe()

    assert (used()["flip"], used()["until_click"], used()["cfr"]) == (True, 1, 0)
    assert used(flip=False)["flip"] is False
    assert used(until_click=0)["until_click"] is None
    assert used(adaptive=True)["cfr"] == 4
    assert used(dataset="davis")["zoom"] == 672
    assert used(dataset="davis", options={"zoom": 300})["zoom"] == 300
    with pytest.raises(InputError, match="'grow'"):
        resolve("grow", preset="released")


def benchmark_script():
    """benchmarks/presets.py as a module."""
    return script("presets")


def test_every_difference_has_a_row_of_its_own():
    rows = benchmark_script().ROWS
    plain, released = asdict(default.Options()), PRESETS["released"]
    paper = {**PRESETS["paper"], **benchmark_script().BASE}
    changed = {}
    for row in rows.values():
        changed |= {key: value for key, value in row.change.items() if row.base == "paper" or key == "tol"}
    different = {key for key in paper if not released[key] == paper[key] == plain[key]}
    assert changed.keys() == different | {"zoom"}, "which differs on DAVIS, and did everywhere until 0.1"
    for key in different:
        value = changed[key]
        assert value == (released[key] if released[key] != paper[key] else plain[key])


def test_the_table_goes_on_where_it_was_stopped(monkeypatch, tmp_path):
    presets, tables = benchmark_script(), script("tables")
    monkeypatch.setattr(presets, "RESULTS", tmp_path / "presets.json")
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    names = []

    def measured(row, limit, processes):
        names.append(row.what)
        if len(names) == 3:
            raise KeyboardInterrupt
        clicks = {"GrabCut": {"0.90": [2, 3, 4], "0.95": [5, 5, 5 + len(row.change)]}}
        return {"preset": row.preset, "options": presets.options_of(row), "clicks": clicks}

    monkeypatch.setattr(presets, "measured", measured)
    with pytest.raises(KeyboardInterrupt):
        presets.run(3, 1)
    assert "Not measured yet: anchor" in tables.presets()
    presets.run(3, 1)
    assert len(names) == len(presets.ROWS) + 3, "two rows were there, one was lost"
    presets.run(3, 1)
    assert len(names) == len(presets.ROWS) + 3
    table = tables.presets()
    assert len([line for line in table.splitlines() if line.startswith("| ")]) == len(presets.ROWS) + 2
    assert "Measured with `--limit" in table
    assert "| 3.00 | 5.00 |" in table
    assert "| +0.00 | +0.33 |" in table
    presets.run(None, 1)
    assert len(names) == 2 * len(presets.ROWS) + 5, "other objects: all anew"


def test_a_change_is_bold_where_it_is_more_than_chance():
    change = script("tables").change
    assert change([3] * 20, [4] * 20, between=False) == "**\u22121.00**"
    assert change([3, 5] * 10, [4, 4] * 10, between=False) == "+0.00"
