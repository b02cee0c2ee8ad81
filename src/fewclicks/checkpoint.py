"""Checkpoints: a folder with model.safetensors and config.json. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from fewclicks.errors import CheckpointError
from fewclicks.nets.segmenter import Segmenter, build

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save(
    folder: str | os.PathLike[str],
    tensors: Mapping[str, Mapping[str, Tensor]],
    config: Mapping[str, Any],
) -> None:
    """Write a checkpoint folder: one safetensors file per entry of `tensors`, and config.json with their sha256.

    Written beside its place and then renamed, so that a folder is whole or not there.
    """
    folder = Path(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    hashes = {}
    for file, values in tensors.items():
        safetensors.torch.save_file({k: v.contiguous() for k, v in values.items()}, partial / file)
        hashes[file] = sha256(partial / file)
    (partial / CONFIG).write_text(json.dumps({**config, "sha256": hashes}, indent=1))
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The config.json of a checkpoint folder; CheckpointError if it is missing or not JSON."""
    path = Path(folder) / CONFIG
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no {CONFIG}; pass a folder that training wrote"
        ) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the checkpoint again") from None
    return config


def read_tensors(folder: str | os.PathLike[str], file: str = WEIGHTS) -> dict[str, Tensor]:
    """The tensors of one file of a checkpoint, checked against the sha256 in its config."""
    path = Path(folder) / file
    expected = read_config(folder).get("sha256", {}).get(file)
    try:
        if expected and sha256(path) != expected:
            raise CheckpointError(f"{path} is not what was saved (its sha256 differs); copy the checkpoint again")
        return dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the checkpoint again") from None


def load(folder: str | os.PathLike[str]) -> Segmenter:
    """The network of a checkpoint, in eval mode, on the CPU."""
    config = read_config(folder)
    if "network" not in config:
        raise CheckpointError(f"{Path(folder) / CONFIG} names no network; pass a folder that training wrote")
    net = build(**config["network"])
    fill(net, read_tensors(folder), str(folder))
    return net.eval()


def fill(net: Segmenter, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load tensors into a network; CheckpointError naming the first key that is missing, foreign or misshapen."""
    own = net.state_dict()
    for key in [*own, *tensors]:
        if key not in tensors or key not in own or own[key].shape != tensors[key].shape:
            raise CheckpointError(f"{source} holds another network: '{key}' is missing, foreign or of another shape")
    net.load_state_dict(dict(tensors))


def sha256(path: str | os.PathLike[str]) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
