"""Write dist/fewclicks.cdx.json: what an installed core is made of, as a CycloneDX bill of materials, validated.

The packages, versions and hashes are those of requirements/core.txt. What they depend on, and their licenses, are told
by what is installed here.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OUT = ROOT / "dist" / "fewclicks.cdx.json"
BUILD = {"hatchling", "editables", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}
"""What builds the package is no part of it."""


def locked() -> dict[str, tuple[str, list[str]]]:
    """Package -> its version and the sha256 of its wheels."""
    blocks = re.split(r"^(?=[a-z0-9-]+==)", (ROOT / "requirements" / "core.txt").read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for block in blocks:
        name, version = re.match(r"([a-z0-9-]+)==(\S+)", block).groups()
        found[name] = version, re.findall(r"sha256:([0-9a-f]{64})", block)
    return found


def needs(items: list[str]) -> set[str]:
    """The names of requirements that count here."""
    asked = [Requirement(item) for item in items]
    return {canonicalize_name(one.name) for one in asked if not one.marker or one.marker.evaluate({"extra": ""})}


def component(name: str, version: str, hashes: list[str]) -> Component:
    """A package as CycloneDX tells it."""
    try:
        said = metadata(name).get("License-Expression") or metadata(name).get("License") or ""
    except PackageNotFoundError:  # of another system
        said = ""
    licences = [DisjunctiveLicense(name=said.splitlines()[0][:100])] if said.strip() else []
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=licences,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found) for found in hashes],
    )  # fmt: skip


def bill() -> str:
    """The bill of materials as JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    own = Component(type=ComponentType.APPLICATION, name=name, version=version, bom_ref=f"{name}@{version}")
    parts = {found: component(found, *about) for found, about in locked().items() if found not in BUILD}
    bom = Bom(components=parts.values())
    bom.metadata.component = own
    bom.register_dependency(own, [parts[found] for found in sorted(needs(project["dependencies"]))])
    for found, part in parts.items():
        try:
            wanted = needs(list(requires(found) or ()))
        except PackageNotFoundError:
            wanted = set()
        bom.register_dependency(part, [parts[one] for one in sorted(wanted & parts.keys())])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"the bill of materials is not as CycloneDX wants it: {wrong}")
    return text


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(bill() + "\n")
    print(f"{OUT.relative_to(ROOT)}: {len(locked().keys() - BUILD)} packages")
