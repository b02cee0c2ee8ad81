"""Which network weights hold, and how it is to be shown photos: what the files say of themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewclicks.engines.onnx_metadata import read_metadata
from fewclicks.files.bounded import parse_json, read_object_or_nothing

CONFIG_BYTES = 16 * 2**20
HEADS = {"errors": "pseudoclick", "latent": "ld"}
"""The method that asks for an extra head of a network."""


def about(weights: str | os.PathLike[str]) -> dict[str, Any]:
    """The config.json of a checkpoint folder, or the same of an exported .onnx file; empty where there is none."""
    path = Path(weights)
    if os.path.isfile(path):  # False for a name that no file can have
        told = read_metadata(path)
        return {key: _object(told[key]) for key in ("recipe", "predictor") if key in told}
    return read_object_or_nothing(path / "config.json", CONFIG_BYTES)  # the loader will find what is wrong with it


def network(weights: str | os.PathLike[str], sha256: str) -> dict[str, Any]:
    """Name the network of weights: family, size, run, sha256, and a "name".

    The family is that of a published file, else the method that the weights are of, else the backbone.
    """
    config = about(weights)
    made = _made(config)
    named = config.get("method", "default")
    own = made.get("net") or (named if named != "default" else made.get("backbone"))
    family = str(config.get("family") or own or Path(weights).stem)
    size = str(made.get("size") or "")
    run = _dict(config.get("recipe")).get("name")
    name = " ".join(filter(None, (family, size, sha256[:8])))
    return {"name": name, "family": family, "size": size, **({"run": run} if run else {}), "sha256": sha256}


def method(weights: str | os.PathLike[str]) -> str | None:
    """Tell which method weights are of: the one that they name, or the one that their network asks for; None if not
    told."""
    config = about(weights)
    named, parts = config.get("method"), _made(config)
    asked = parts.get("net") or ("focalclick" if parts.get("refiner") else HEADS.get(str(parts.get("extra"))))
    return str(asked if asked and named in (None, "default") else named) if asked or named else None


def made(weights: str | os.PathLike[str]) -> dict[str, Any]:
    """Tell what network weights hold: backbone, size ... as `networks.build_network` takes them; {} if not told."""
    return _made(about(weights))


def _made(config: Mapping[str, Any]) -> dict[str, Any]:
    return _dict(config.get("network")) or _dict(config.get("recipe"))


def _object(text: str) -> Mapping[str, Any]:
    try:
        return _dict(parse_json(text))
    except (ValueError, RecursionError):
        return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
