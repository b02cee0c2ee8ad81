"""Who may import whom: imports point down only, and the core never needs torch."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "fewclicks"
LEVELS = {
    0: "errors arrays levels salvage clicks geometry metrics sample find annotations rle raster_formats mask_meaning "
    "replace bounded safe_open scratch child_process",
    1: "predictor decoding images pictures",
    2: "refine zoom flip anchor presets robot session",
    3: "engines nets backbones checkpoint pth datasets exports",
    4: "methods",
    5: "benchmark run_journal shards report plots training api",
    6: "recipes convert figures comparison",
    7: "annotate cli demo doctor __main__",
}
LEVEL = {room: level for level, rooms in LEVELS.items() for room in rooms.split()}
WINGS = [{"engines", "nets", "backbones", "checkpoint", "pth"}, {"datasets"}, {"exports"}]
"""Level 3 has three wings; none imports another."""
TORCH_AT_IMPORT = {"engines", "nets", "backbones", "checkpoint", "pth", "training", "recipes", "convert"}
"""Rooms whose modules may import torch when they are imported; others do so within a function, or never."""
FILES = sorted(SOURCE.rglob("*.py"))


def room_of(file):
    """The top-level module or folder that a file belongs to."""
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(file):
    """(module, names, whether it runs when the file is imported) of every import statement; types only are left out."""
    tree = ast.parse(file.read_text("utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    within = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        at_once = id(node) not in within
        if isinstance(node, ast.Import):
            found += [(alias.name, [], at_once) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} has a relative import; write the whole name"
            found.append((node.module, [alias.name for alias in node.names], at_once))
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


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_imports_point_down(file):
    room = room_of(file)
    if room == "__init__":
        assert not list(rooms_imported(file)), "the package itself imports lazily"
        return
    assert room in LEVEL, f"{room} has no level yet; give it one in {__name__} and in the architecture"
    for other, module, names in rooms_imported(file):
        assert other in LEVEL, f"{module} is no part of fewclicks"
        assert LEVEL[other] <= LEVEL[room], f"{room} (level {LEVEL[room]}) imports {module} (level {LEVEL[other]})"
        if LEVEL[room] == LEVEL[other] == 3:
            assert any({room, other} <= wing for wing in WINGS), f"{room} imports {module}, of another wing"
        if room == other == "methods" and not module.rpartition(".")[2].startswith("_"):
            assert names == ["build"], f"a method reaches another only through its build, not {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(SOURCE)))
def test_torch_stays_on_its_side(file):
    room = room_of(file)
    for module, _, at_once in imports(file):
        top = module.split(".")[0]
        assert top not in ("torchvision", "timm", "scipy", "skimage", "pickle"), f"{file.name} imports {top}"
        if top == "torch":
            never = LEVEL.get(room, 0) <= 2 or room in ("datasets", "exports") or file.name == "onnx.py"
            assert not never, f"{file.name} works without torch"
            assert room in TORCH_AT_IMPORT or not at_once, f"{file.name} imports torch when it is imported"
        if top in ("onnxruntime", "matplotlib", "tensorboard"):
            assert LEVEL.get(room, 0) >= 3, f"{file.name} works without {top}"


def test_every_level_is_inhabited():
    """The test sees the real tree: a moved or renamed folder does not pass unnoticed."""
    assert {LEVEL[room_of(f)] for f in FILES if room_of(f) != "__init__"} >= {0, 1, 2, 3, 4, 5}
