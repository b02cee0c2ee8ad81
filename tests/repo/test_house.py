"""The house in order: the README tells the truth, links lead somewhere, files keep their budgets."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fakes import DATA

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
NOT_OURS = {".venv", "node_modules", "out", "runs"}
PAGES = sorted(file for file in ROOT.rglob("*.md") if not NOT_OURS & set(file.relative_to(ROOT).parts))
PYTHON_FILES = sorted(file for part in ("src", "examples", "benchmarks") for file in (ROOT / part).rglob("*.py"))


def blocks(language):
    """The code blocks of the README in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def tracked():
    """The files that are in the repository; skipped where it is none."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.fixture
def visitor(tmp_path, monkeypatch):
    """Stands in an empty folder that has the examples, with the installed command at hand."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", blocks("python"))
def test_the_python_of_the_readme_runs(visitor, block):
    done = subprocess.run([sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in re.findall(r'save\("([^"]+)"', block):
        assert (visitor / name).stat().st_size > 1000


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_the_shell_of_the_readme_runs(visitor, line):
    command = shlex.split(line, comments=True)
    if command[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(command[1:]) <= set(targets)
        return
    assert command[0] == ".venv/bin/fewclicks"
    if command[1] == "bench":
        if not (DATA / "benchmarks" / "GrabCut").is_dir():
            pytest.skip("the benchmark photos are absent; set FEWCLICKS_DATA")
        command += ["--limit", "1"]
    environment = {**os.environ, "FEWCLICKS_DATA": str(DATA)}
    done = subprocess.run(
        [sys.executable, "-m", "fewclicks", *command[1:]], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    if "-o" in command:
        assert (visitor / command[command.index("-o") + 1]).stat().st_size > 1000


def test_the_readme_is_short_and_starts_with_picture_python_and_shell():
    assert len(README.splitlines()) <= 200
    first_screen = "\n".join(README.splitlines()[:30])
    assert "![" in first_screen
    assert len(blocks("python")[0].splitlines()) <= 7
    assert len(blocks("sh")[0].splitlines()) == 3


def test_the_tables_of_the_pages_are_those_of_the_results():
    command = [sys.executable, "benchmarks/tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_tree_of_the_readme_is_the_tree():
    tree = README.split("## The tree")[1].split("\n## ")[0]
    package = tree.partition("src/fewclicks/")[2]
    names = {name for line in package.splitlines()[1:] for name in line[:32].split() if name.endswith((".py", "/"))}
    real = {
        item.name + ("/" if item.is_dir() else "")
        for item in (ROOT / "src" / "fewclicks").iterdir()
        if item.suffix == ".py" or (item.is_dir() and item.name != "__pycache__")
    }
    assert names == real - {"__main__.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_files_keep_their_budget():
    lines = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in PYTHON_FILES}
    assert not {name: count for name, count in lines.items() if count > 500}


def test_names_of_test_files_are_their_own():
    """Pytest imports them by name alone: of two with one name it collects the first."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()


def test_no_file_is_huge():
    big = [str(file) for file in tracked() if file.stat().st_size > 15 * 2**20]
    assert not big


def test_no_pickles_and_no_places_of_one_machine():
    for file in tracked():
        assert file.suffix not in (".pth", ".pt", ".pkl", ".pickle"), file
        if file.suffix in (".py", ".md", ".toml", ".txt", ".json", ".cff", "") and file.name != "test_house.py":
            assert not re.search(r"(?<![\w.])/(home|work|root|Users)/\w", file.read_text("utf-8")), file


def test_every_requirement_has_one_exact_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    )
    asked = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    names = {re.split(r"[\[<>=]", item)[0] for item in asked} - {"fewclicks"}
    assert names <= set(pins)
    assert not any("torch" in item for item in project["dependencies"]), "the core installs without torch"
    assert pins["torch"].count("+") == 0


def test_the_version_is_one():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()


def test_the_doctor_knows_every_extra():
    from fewclicks.doctor import EXTRAS

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev"}
    pins = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for extra, (distributions, _) in EXTRAS.items():
        asked = {re.split(r"[\[<>=]", item)[0].lower() for item in extras[extra]} - {"fewclicks"}
        looked_for = {name.lower() for name in distributions}
        assert asked <= looked_for <= pins, f"{extra}: of distributions, not of modules"


def test_ci_runs_what_people_run():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert all(f"make {target}" in script.read_text() for target in ("demo", "test", "check"))


@pytest.mark.slow
def test_make_demo_on_a_fresh_checkout(tmp_path):
    """With nothing set up: it installs, ends with 0, keeps the environment small; the second time it is quick."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    make = ["make", "demo", f"PYTHON={sys.executable}"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "demo").glob("*.png"))) >= 4
    size = sum(file.lstat().st_size for file in (tmp_path / ".venv").rglob("*"))
    assert size <= 500 * 2**20
    assert not list((tmp_path / ".venv").rglob("site-packages/torch"))
    again = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Installing" not in again.stdout


def public_docstrings():
    """(place, name, docstring or None) of every public class, function and method outside the annotator."""
    for file in sorted((ROOT / "src" / "fewclicks").rglob("*.py")):
        if "annotator" not in file.parts:
            waiting = [ast.parse(file.read_text("utf-8"))]
            while waiting:
                for item in ast.iter_child_nodes(waiting.pop()):
                    if isinstance(item, ast.ClassDef | ast.FunctionDef) and not item.name.startswith("_"):
                        yield f"{file.name}:{item.lineno}", item.name, ast.get_docstring(item)
                        if isinstance(item, ast.ClassDef):
                            waiting.append(item)


def test_docstrings_say_more_than_the_name():
    """At least 95 % of what is public has one; each begins with what it does, and none only repeats its name."""
    found = list(public_docstrings())
    written = [(place, name, text.partition("\n")[0]) for place, name, text in found if text]
    assert len(written) >= 0.95 * len(found)
    assert not [place for place, _, line in written if re.match(r"(What|Whether|Where|As|The only)\b", line)]
    small = {"a", "an", "the", "of", "this", "it", "its", "is"}
    for place, name, line in written:
        parts = set(re.findall("[a-z0-9]+", re.sub("([A-Z])", r" \1", name).lower()))
        said = set(re.findall("[a-z0-9]+", line.lower())) - small
        assert not said <= parts | {f"{part}s" for part in parts}, f"{place}: {name} is said again"
