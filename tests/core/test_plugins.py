"""Data never names code: whatever name comes from a file or a request, no module outside of the package is imported."""

import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

import fewclicks
from annotating import Api, client_of, make_folder
from commands import runner
from fakes import gradient
from fewclicks import formats
from fewclicks.checkpoints import checkpoint
from fewclicks.datasets import open_benchmark
from fewclicks.errors import DatasetError, FewClicksError, InputError, UnknownName
from fewclicks.formats.annotations import AnnotatedPhoto
from fewclicks.models import segmenter
from fewclicks.plugins import ALLOWED, KINDS, allowed, check, check_own, find, names, own_part
from fewclicks.session import Session
from fewclicks.training import sets
from fewclicks.training.recipe import Recipe

SENTINEL = """
import os
with open(os.environ["SENTINEL"], "a") as file:
    file.write(__name__)
def build(*arguments, **options): raise RuntimeError("built")
open = scenes = write = read = method = build
"""
TRICKS = (
    "bait.net", "ckpt.evil", "loose", "os.path", "os", "fewclicks.cli", "fewclicks.formats.coco",
    "..bait.net", ".bait", "../bait/net", "bait/net", "bait.net:build", "coco.", ".coco", ".", "..", "",
    "_coco", "_stage", "__init__", "__main__", "coco\n", " coco", "co\x00co", "\x1b[31m", "\ud800", "%s", "{0}",
    "\uff43oco", "\uff42ait.net", "\u0441\u043ec\u043e", "bait\u2024net", "a" * 100_000, "a." * 50_000 + "a",
    None, 5, True, 1.5, ["bait.net"], {"bait.net": 1},
)  # fmt: skip
"""Names of modules that there are, paths, private files, look-alikes, and what is no name at all."""


@pytest.fixture
def bait(tmp_path, monkeypatch):
    """The file that tells that bait was imported: it lies on sys.path, in the current folder, as a fake install."""
    told = tmp_path / "told"
    monkeypatch.setenv("SENTINEL", str(told))
    monkeypatch.setenv(ALLOWED, "")
    path, here = tmp_path / "path", tmp_path / "here"
    for folder in (path / "bait", here / "ckpt"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(SENTINEL)
        (folder / "net.py").write_text(SENTINEL)
        (folder / "evil.py").write_text(SENTINEL)
    (here / "loose.py").write_text(SENTINEL)
    info = here / "loose-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loose\nVersion: 1\n")
    (info / "entry_points.txt").write_text("".join(f"[fewclicks.{kind}]\nloose = loose\n" for kind in KINDS))
    monkeypatch.syspath_prepend(path)
    monkeypatch.syspath_prepend("")
    monkeypatch.chdir(here)
    before = set(sys.modules)
    yield told
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("bait", "ckpt", "loose"):
            del sys.modules[name]


def saved_checkpoint(folder, name):
    """A checkpoint whose config names the backbone."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"network": {"backbone": name}, "sha256": {}}))
    (folder / "model.safetensors").touch()
    return folder


def from_checkpoint(name, folder):
    checkpoint.load(saved_checkpoint(folder / "saved", name))


def from_weights(name, folder):
    fewclicks.load(saved_checkpoint(folder / "saved", name))


def from_average(name, folder):
    source = saved_checkpoint(folder / "saved", name)
    checkpoint.save(source, {checkpoint.WEIGHTS: {}}, {"network": {"backbone": name}})
    checkpoint.average([source], folder / "mean")


def from_onnx_export(name, folder):
    from fewclicks.training.export import export_onnx

    export_onnx(saved_checkpoint(folder / "saved", name), folder / "out.onnx")


def from_network(name, folder):
    segmenter.build_segmenter(backbone=name)


def from_session(name, folder):
    photo = folder / "photo.png"
    PIL.Image.fromarray(gradient(20, 30)).save(photo)
    document = json.loads(fewclicks.open(photo, "grow").to_json())
    document["predictor"]["method"] = name
    session = folder / "session.json"
    session.write_text(json.dumps(document))
    Session.replay(session)


def from_recipe(name, folder):
    plain = json.loads(Recipe(name="x").to_json())
    Recipe.from_json(json.dumps({**plain, "backbone": name}))


def from_dataset(name, folder):
    open_benchmark(name, folder)


def from_export(name, folder):
    formats.export(name, [], [], folder / "out")


def from_import(name, folder):
    formats.read(name, folder, [AnnotatedPhoto("a.png", (4, 5))])


CALLERS = [value for key, value in list(globals().items()) if key.startswith("from_")]


def test_no_set_of_a_recipe_imports_what_data_names(bait):
    for name in ("bait.net", "bait.net/train", "os.path/x", "loose/train", "_coco/train", "__init__"):
        with pytest.raises(DatasetError, match="no training set"):
            sets.scenes(name)
    assert not bait.exists()


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.__name__)
def test_no_caller_imports_what_data_names(caller, bait, tmp_path):
    loaded = {name for name in sys.modules if not name.startswith("fewclicks")}
    for name in TRICKS:
        with pytest.raises(FewClicksError) as told:
            caller(name, tmp_path)
        assert len(str(told.value)) < 1500
        assert str(told.value).isprintable()
    assert not bait.exists()
    assert not {name for name in set(sys.modules) - loaded if name.partition(".")[0] in ("bait", "ckpt", "loose", "os")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_one_function_refuses_and_says_what_there_is(kind, bait):
    """What a name is, is decided alike for all kinds; what there is instead is not."""
    tricks = [name for name in TRICKS if name != "fewclicks.formats.coco"]
    for name in tricks if kind == "models" else tricks[:: len(tricks) // 5]:
        for decide in (find, check):
            with pytest.raises(UnknownName, match=rf"no {KINDS[kind]} named .*(there are|did you mean)"):
                decide(kind, name)
    assert not bait.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_of_the_package_is_found_as_people_write_it(kind):
    for name in names(kind):
        assert find(kind, name.upper().replace("_", "-")) is importlib.import_module(f"fewclicks.{kind}.{name}")
        assert check(kind, name) == name


def test_an_unknown_kind_is_a_fault_of_the_program():
    with pytest.raises(LookupError, match="no kind"):
        find("annotate", "server")


def test_the_user_names_a_module_and_then_data_may(bait):
    with pytest.raises(UnknownName, match=r"fewclicks --allow bait.net .* fewclicks.allow\('bait.net'\)"):
        find("models", "bait.net")
    fewclicks.allow("bait.net")
    assert bait.read_text() == "baitbait.net"
    assert find("models", "bait.net").__name__ == "bait.net"
    assert check("models", "bait.net") == "bait.net"
    with pytest.raises(UnknownName):
        find("models", "bait.evil")
    code = "from fewclicks.plugins import find; print(find('methods', 'bait.net').__name__)"
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert told.stdout.strip() == "bait.net", "a process that is started knows it"


def test_what_the_user_names_in_a_call_is_found_and_allowed(bait):
    assert find("methods", "bait.evil", trusted=True).__name__ == "bait.evil"
    assert allowed() == {"bait.evil"}
    with pytest.raises(UnknownName, match=r"no module named 'bait\.none'; is it on the Python path"):
        find("methods", "bait.none", trusted=True)
    with pytest.raises(UnknownName, match="no method named"):
        find("methods", "../bait", trusted=True)


@pytest.mark.parametrize("name", ["bait", "bait/net", "", 5, ".bait.net", "bait..net", "bait.net "])
def test_only_dotted_names_are_allowed(name, bait):
    with pytest.raises(UnknownName, match=r"my_lab\.net"):
        fewclicks.allow(name)
    assert not bait.exists()


def test_an_installed_extension_is_found_by_its_entry_point(bait, tmp_path, monkeypatch):
    info = tmp_path / "path" / "bait-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bait\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fewclicks.methods]\nmy-bait = bait.net\ngrow = bait.evil\n")
    importlib.invalidate_caches()
    assert "my_bait" in names("methods")
    assert find("methods", "My-Bait").__name__ == "bait.net"
    assert find("methods", "bait.net").__name__ == "bait.net"
    assert find("methods", "grow").__name__ == "fewclicks.methods.grow", "the package comes first"
    with pytest.raises(UnknownName):
        find("models", "my_bait")
    monkeypatch.chdir(tmp_path / "path")
    with pytest.raises(UnknownName):
        find("methods", "my-bait")


BACKBONE = """
import fewclicks
from fewclicks.models.compact import build
fewclicks.allow(__name__)
"""


@pytest.fixture
def lab(bait, tmp_path):
    """A backbone outside of the package, which allows itself, and a checkpoint of it."""
    import torch

    from fewclicks.training import trainer

    lab = tmp_path / "path" / "their_lab"
    lab.mkdir()
    (lab / "__init__.py").touch()
    (lab / "net.py").write_text(BACKBONE)
    recipe = replace(Recipe(name="x"), backbone="their_lab.net")
    with torch.random.fork_rng():
        net = trainer.built(recipe)
    saved = tmp_path / "run" / "last"
    checkpoint.save(saved, {checkpoint.WEIGHTS: net.state_dict()}, {"network": trainer.network(recipe)})
    yield saved
    for name in ("their_lab", "their_lab.net"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_a_checkpoint_of_the_users_own_backbone_loads_where_they_name_it(lab, tmp_path, monkeypatch):
    net = checkpoint.load(lab)
    assert type(net.backbone).__module__ == "fewclicks.models.compact"
    monkeypatch.setenv(ALLOWED, "")
    with pytest.raises(UnknownName, match=r"their_lab\.net"):
        checkpoint.load(lab)
    PIL.Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save("a.png")
    command = ["segment", "a.png", "--click", "9,9", "--method", str(lab), "-o", "out.png"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "fewclicks", *arguments], capture_output=True, text=True, env=environment
        )

    refused = run(*command)
    assert refused.returncode == 2
    assert "fewclicks --allow their_lab.net" in refused.stderr
    done = run("--allow", "their_lab.net", *command)
    assert done.returncode == 0, done.stderr
    sys.modules.pop("their_lab.net")
    importlib.import_module("their_lab.net")
    assert allowed() == {"their_lab.net"}, "who imports it has named it"
    assert checkpoint.load(lab)


@pytest.mark.slow
def test_a_checkpoint_in_the_current_folder_runs_nothing(bait, tmp_path):
    saved_checkpoint(tmp_path / "here" / "ckpt", "ckpt.evil")
    code = "from fewclicks.checkpoints import checkpoint; checkpoint.load('ckpt')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "UnknownName: no backbone named 'ckpt.evil'" in done.stderr
    assert not bait.exists()


@pytest.mark.parametrize(
    "network", [None, 5, [], "x", {"backbone": "compact", "trusted": True}, {"scale": "1"}, {"radius_px": {}}]
)
def test_a_config_that_describes_no_network_is_one_error(network, tmp_path):
    saved = saved_checkpoint(tmp_path / "saved", "compact")
    (saved / "config.json").write_text(json.dumps({"network": network}))
    with pytest.raises((checkpoint.CheckpointError, InputError)):
        checkpoint.load(saved)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["os.path", "bait.net", "__init__", "x" * 50])
def test_the_command_refuses_a_format_that_is_none(name, bait, tmp_path, capsys):
    PIL.Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "here" / "a.png")
    code, _, told = runner(capsys)("import", str(tmp_path / "here"), str(tmp_path / "here" / "a.png"), "--format", name)
    assert code == 2
    assert "no format named" in told
    assert "coco" in told
    assert not bait.exists()


@pytest.mark.slow
def test_a_request_names_no_module(bait, tmp_path):
    with client_of(make_folder(tmp_path / "photos")) as client:
        api = Api(client)
        for name in ("bait.net", "os.path"):
            refused = api("POST", f"/import?name=a.json&format={name}", status=400, content=b"{}")
            assert f"format named '{name}'; there are: binary_png, coco" in refused["detail"]
            refused = api("POST", "/export", {"format": name}, status=404)
            assert f"format is named '{name}'" in refused["detail"]
    assert not bait.exists()


@pytest.mark.parametrize(
    "own", [{"cfr": "abc"}, {"cfr": 10**9}, {"zoom": 1e300}, {"flip": [1]}, {"threshold": None}, {"device": "cuda"},
            {"weights": "/etc/passwd"}, {"preset": "released"}, {"threads": 10**6}]
)  # fmt: skip
def test_a_checkpoint_chooses_what_stands_around_its_network_and_nothing_else(own, tmp_path):
    saved = saved_checkpoint(tmp_path / "saved", "compact")
    (saved / "config.json").write_text(json.dumps({"network": {}, "predictor": own}))
    with pytest.raises(checkpoint.CheckpointError, match=r"asks for|is not right"):
        fewclicks.load(saved)


def test_the_users_own_words_are_looked_for_in_the_current_folder_last(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWCLICKS_ALLOW", "")
    monkeypatch.delenv("FEWCLICKS_ALLOW_FROM", raising=False)
    (tmp_path / "here_lab").mkdir()
    (tmp_path / "here_lab" / "parts.py").write_text(
        "import here_alone\ndef loss(): return here_alone.WORD\nbuild = loss\n"
    )
    (tmp_path / "here_alone.py").write_text("WORD = 7\ndef other(): return 8\n")
    (tmp_path / "colorsys.py").write_text("raise SystemExit('what is installed comes first')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    before = list(sys.path)
    assert own_part("here_lab.parts", "loss")() == 7
    assert own_part("here_alone:other", "loss")() == 8
    assert own_part("colorsys:rgb_to_hsv", "loss")
    assert sys.path == before
    assert check_own("here_lab.parts:loss")
    for wrong, says in (("nowhere.parts:loss", "no module named"), ("here_alone:none", "has no 'none'")):
        with pytest.raises(UnknownName, match=says):
            own_part(wrong, "loss")
    with pytest.raises(UnknownName, match=r"fewclicks --allow nowhere\.parts"):
        check_own("nowhere.parts:loss")
    child = "from fewclicks.plugins import find; print(find('methods', 'here_lab.parts').loss())"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", child], env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout == "7\n", "also in the processes that this one starts"
