"""What fewclicks is installed from: hashes for every package, an audit that finds or says that it could not ask."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements" / "core.txt").read_text()
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, re.MULTILINE))


def pinned():
    lines = [line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {canonicalize_name(name): version for name, version in lines}


def test_the_lock_has_the_versions_of_the_constraints():
    pins = pinned()
    assert {name: pins.get(name) for name in LOCKED} == LOCKED, "run: make lock"


def test_the_lock_has_all_that_the_core_and_its_build_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    todo = [Requirement(item) for item in (*project["project"]["dependencies"], *project["build-system"]["requires"])]
    seen = set()
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        if name in seen or (asked.marker and not asked.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        assert name in LOCKED, f"{name} is not locked; run: make lock"
        if name not in ("hatchling", "trove-classifiers", "tomlkit"):  # of the build: not everywhere installed
            todo += [Requirement(item) for item in requires(name) or ()]
    assert {"hatchling", "editables", "numpy", "typing-extensions"} <= LOCKED.keys()
    assert "torch" not in LOCKED


def test_every_package_has_hashes_and_no_file_names_a_host():
    blocks = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(LOCKED)
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}(\s|$)", block), block
    of = {re.match("[a-z0-9-]+", block)[0]: block.count("--hash") for block in blocks}
    assert of["numpy"] > 20, "wheels of several systems and Pythons"
    for file in (ROOT / "requirements").iterdir():
        if file.is_file():
            assert "://" not in file.read_text(), file


def test_make_demo_installs_by_hash():
    done = subprocess.run(["make", "-n", "-B", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--require-hashes --only-binary :all: -r requirements/core.txt" in done.stdout
    assert "--no-deps --no-build-isolation -e ." in done.stdout


AUDITS = {
    "nothing found": (0, "No known vulnerabilities found", 0, "no known weakness"),
    "a finding": (1, "Found 1 known vulnerability in 1 package\npillow 1.0 PYSEC-1", 1, "PYSEC-1"),
    "a finding of npm": (1, "# npm audit report\nSeverity: high\n1 high severity vulnerability", 1, "Severity: high"),
    "no network": (1, "requests.exceptions.ConnectionError: Max retries exceeded: vulnerability service", 0, "skipped"),
    "no answer": (1, "npm error audit endpoint returned an error", 0, "skipped: its database cannot be asked"),
}


@pytest.mark.parametrize(("code", "says", "ends", "told"), AUDITS.values(), ids=AUDITS)
def test_an_audit_finds_or_says_that_it_could_not_ask(tmp_path, code, says, ends, told):
    for tool in ("pip-audit", "npm"):
        stub = tmp_path / tool
        stub.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {code}\n")
        stub.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["make", "-s", "audit"], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode != 0) == bool(ends), done.stdout + done.stderr
    assert done.stdout.count(told) == 2


def test_an_audit_without_its_tools_is_skipped_with_a_word():
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "requirements" / "audit.sh")],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/bin"},
    )  # fmt: skip
    assert "pip-audit is not installed" in done.stdout
    assert done.returncode == 0


@pytest.mark.slow
def test_the_bill_of_materials_names_what_is_installed(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "requirements")
    bill = json.loads(__import__("sbom").bill())  # validated against the schema of CycloneDX
    sys.modules.pop("sbom")
    assert bill["metadata"]["component"]["name"] == "fewclicks"
    parts = {part["name"]: part for part in bill["components"]}
    assert {"numpy", "onnxruntime", "typer"} <= parts.keys() <= LOCKED.keys()
    assert all(part["version"] == LOCKED[name] and part["hashes"] for name, part in parts.items())
    assert "pkg:pypi/numpy@" + LOCKED["numpy"] in str(bill["dependencies"])
