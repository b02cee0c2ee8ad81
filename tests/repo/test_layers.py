"""Who may import whom: imports point down only, and the core never needs torch."""

import ast
import functools
from pathlib import Path

import pytest

from fewclicks import plugins

SOURCE = Path(__file__).parents[2] / "src" / "fewclicks"
LAYERS = (
    "errors types clicks geometry plugins child_process files",
    "images predictor",
    "transforms refinement prompts propagation boxes proposals config visualization history",
    "session api",
    "engines models checkpoints | datasets | formats",
    "methods",
    "evaluation training",
    "recipes integrations",
    "annotator",
    "cli doctor __main__",
)
"""From the ground up. A room imports those below and those beside it, but not across a |."""
ANNOTATOR = ("editing", "store", "services", "server")
"""The same within annotator/. What the page (web/) needs it asks the server for."""
TORCH_AT_IMPORT = {"engines", "models", "checkpoints", "training", "recipes"}
"""Rooms whose modules may import torch when they are imported; others do so within a function, or never."""
TORCH_NEVER = 3
"""No module up to this layer imports torch, nor those of datasets/ and formats/."""

LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms.replace("|", " ").split()}
WING = {
    room: (level, number)
    for level, rooms in enumerate(LAYERS)
    for number, wing in enumerate(rooms.split("|"))
    for room in wing.split()
}
ROOMS: dict[str, list[Path]] = {}
"""The files of each top-level module or folder."""
for _file in sorted(SOURCE.rglob("*.py")):
    ROOMS.setdefault(_file.relative_to(SOURCE).parts[0].removesuffix(".py"), []).append(_file)


@functools.cache
def imports(file):
    """(module, names, whether it runs when the file is imported) of every import statement; types only are left out."""
    found = []

    def look(nodes, at_once):
        for node in nodes:
            if isinstance(node, ast.Import):
                found.extend((alias.name, [], at_once) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file.name} has a relative import; write the whole name"
                found.append((node.module, [alias.name for alias in node.names], at_once))
            elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
                inner = at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for part in ("body", "orelse", "finalbody", "handlers", "cases"):  # where statements stand
                    statements = getattr(node, part, ())
                    look(statements if isinstance(statements, list) else (), inner)

    look(ast.parse(file.read_text("utf-8")).body, True)
    return found


def rooms_imported(file):
    """The rooms of fewclicks that a file imports, each with the module and the names."""
    for module, names, _ in imports(file):
        parts = module.split(".")
        if parts[0] != "fewclicks":
            continue
        if len(parts) > 1:
            yield parts[1], module, names
        else:
            yield from ((name, f"fewclicks.{name}", []) for name in names if name in LEVEL)


def test_the_package_itself_imports_lazily():
    assert not list(rooms_imported(SOURCE / "__init__.py"))


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "__init__"])
def test_imports_point_down(room):
    assert room in LEVEL, f"{room} has no layer yet; give it one in {__name__} and in the architecture"
    for other, module, names in (found for file in ROOMS[room] for found in rooms_imported(file)):
        assert other in LEVEL, f"{room} imports {module}, which is no part of fewclicks"
        assert LEVEL[other] <= LEVEL[room], f"{room} (layer {LEVEL[room]}) imports {module} (layer {LEVEL[other]})"
        if LEVEL[room] == LEVEL[other]:
            assert WING[room] == WING[other], f"{room} imports {module}, of another wing"
        if room == other == "methods" and module.rpartition(".")[2] in plugins.names("methods"):
            assert {*names} <= {"build", "chosen", "describe"}, (
                f"a method reaches another only through its build, not {module}"
            )


@pytest.mark.parametrize("within", ANNOTATOR)
def test_within_the_annotator_imports_point_down(within):
    files = sorted((SOURCE / "annotator" / within).rglob("*.py"))
    for place, module in (
        (file.relative_to(SOURCE / "annotator"), found[0]) for file in files for found in imports(file)
    ):
        parts = module.split(".")
        if parts[:2] == ["fewclicks", "annotator"]:
            assert ANNOTATOR.index(parts[2]) <= ANNOTATOR.index(place.parts[0]), f"{place} imports {module}"


@pytest.mark.parametrize("room", ROOMS)
def test_torch_stays_on_its_side(room):
    for file, (module, _, at_once) in ((path, found) for path in ROOMS[room] for found in imports(path)):
        top = module.split(".")[0]
        assert top not in ("torchvision", "timm", "skimage", "pickle"), f"{file.name} imports {top}"
        if top == "torch":
            never = LEVEL.get(room, 0) <= TORCH_NEVER or room in ("datasets", "formats") or file.name == "onnx.py"
            assert not never, f"{file.name} works without torch"
            assert room in TORCH_AT_IMPORT or not at_once, f"{file.name} imports torch when it is imported"
        if top == "scipy":
            assert room in ("models", "methods"), f"{file.name} works without scipy"
            assert not at_once, f"{file.name} imports scipy when it is imported"
        if top in ("onnxruntime", "matplotlib", "tensorboard"):
            assert LEVEL.get(room, 0) > TORCH_NEVER, f"{file.name} works without {top}"


def test_the_test_sees_the_real_tree():
    """A moved or renamed folder does not pass unnoticed."""
    assert {LEVEL[room] for room in ROOMS if room != "__init__"} == set(range(len(LAYERS)))
    assert {file.relative_to(SOURCE / "annotator").parts[0] for file in ROOMS["annotator"]} >= set(ANNOTATOR)
