"""Write requirements/core.txt anew: what `make demo` installs, each with the hashes of all its wheels.

The versions are those of constraints.txt. What depends on what is asked of the packages that are installed here; the
wheels of each version, for any system and Python 3.11 or newer, are asked of the index that pip is configured for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from urllib.request import Request, urlopen

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "core.txt"
HEAD = """\
# What `make demo` installs, with the hashes of all wheels of each version: pip takes nothing else.
# Written by `make lock` from constraints.txt.
"""
SYSTEMS = ("Linux", "Darwin", "Windows")
FIRST_MINOR = 11
BACKEND_EXTRAS = ("editables",)
"""What the build backend asks for only when it makes an editable install."""


def pins() -> dict[str, str]:
    """Package -> its version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def needed() -> dict[str, set[str]]:
    """Package -> the systems that it is needed on: of the core, of the build backend, and of what these need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    todo = [*project["project"]["dependencies"], *project["build-system"]["requires"], *BACKEND_EXTRAS]
    found: dict[str, set[str]] = {}
    queue = [(Requirement(item), system) for item in todo for system in SYSTEMS]
    while queue:
        asked, system = queue.pop()
        if asked.marker and not asked.marker.evaluate({"extra": "", "platform_system": system}):
            continue
        name = canonicalize_name(asked.name)
        if system in found.setdefault(name, set()):
            continue
        found[name].add(system)
        try:
            queue += [(Requirement(item), system) for item in requires(name) or ()]
        except PackageNotFoundError:
            if system == "Linux":
                raise SystemExit(f"{name} is not installed; run: pip install -c constraints.txt {name}") from None
    return found


def index_url() -> str:
    """The index that pip is configured for."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if url := os.environ.get("PIP_INDEX_URL") or done.stdout.strip():
        return url
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def wheels(name: str, version: str) -> dict[str, str]:
    """File name -> sha256 of the wheels of a version that a Python 3.11 or newer may install."""
    kind = "application/vnd.pypi.simple.v1+json"
    with urlopen(Request(f"{index_url().rstrip('/')}/{name}/", headers={"Accept": kind}), timeout=60) as answer:
        files = json.load(answer)["files"]
    found = {}
    for file in files:
        parts = file["filename"].removesuffix(".whl").split("-")
        if file["filename"].endswith(".whl") and parts[1] == version and not file.get("yanked"):
            tags = parse_wheel_filename(file["filename"])[3]
            if any(fits(tag.interpreter, tag.abi) for tag in tags):
                found[file["filename"]] = file["hashes"]["sha256"]
    if not found:
        raise SystemExit(f"the index has no wheel of {name} {version}")
    return found


def fits(interpreter: str, abi: str) -> bool:
    """Whether a wheel of this tag is for CPython 3.11 or newer."""
    if interpreter.startswith("py"):
        return interpreter in ("py3", "py311") or interpreter.startswith("py3")
    minor = re.fullmatch(r"cp3(\d+)", interpreter)
    return bool(minor) and (abi == "abi3" or int(minor[1]) >= FIRST_MINOR)


def entry(name: str, version: str, systems: set[str]) -> str:
    """The lines of one package."""
    only = "" if set(SYSTEMS) == systems else " ; " + " or ".join(f'platform_system == "{s}"' for s in sorted(systems))
    hashes = sorted(set(wheels(name, version).values()))
    return f"{name}=={version}{only} \\\n" + " \\\n".join(f"    --hash=sha256:{found}" for found in hashes) + "\n"


if __name__ == "__main__":
    known = pins()
    asked = needed()
    if missing := sorted(asked.keys() - known.keys()):
        raise SystemExit(f"constraints.txt does not name {', '.join(missing)}")
    LOCK.write_text(HEAD + "".join(entry(name, known[name], asked[name]) for name in sorted(asked)))
    print(f"{LOCK.relative_to(ROOT)}: {len(asked)} packages")
