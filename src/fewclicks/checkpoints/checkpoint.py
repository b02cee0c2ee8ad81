"""Checkpoints: a folder with model.safetensors and config.json. No pickle anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fewclicks.errors import CheckpointError, FewClicksError, InputError
from fewclicks.files.bounded import open_file, read_json
from fewclicks.files.replace import recover, replace_folder
from fewclicks.models.networks import build_network
from fewclicks.models.segmenter import ClickNet

WEIGHTS, CONFIG = "model.safetensors", "config.json"
MAX_CONFIG_BYTES = 16 * 2**20
MAX_HEADER_BYTES = 4 * 2**20
"""Of model.safetensors: 40,000 tensors."""


def save(
    folder: str | os.PathLike[str],
    tensors: Mapping[str, Mapping[str, Tensor]],
    config: Mapping[str, Any],
) -> None:
    """Write a checkpoint folder: one safetensors file per entry of `tensors`, and config.json with their sha256.

    Killed at any instant, the old checkpoint or the new one is there (see `replace`). Files that somebody else put into
    the folder stay in it.
    """
    folder = Path(folder)

    def fill(fresh: Path) -> None:
        hashes = {}
        for file, values in tensors.items():
            safetensors.torch.save_file(_unshared(values), fresh / file)
            hashes[file] = sha256(fresh / file)
        (fresh / CONFIG).write_text(json.dumps({**config, "sha256": hashes}, indent=1), "utf-8")
        _keep_foreign(folder, fresh)

    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(folder, fill)
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{folder}' cannot be written ({reason}); make room, or choose another place") from None


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors in one piece, of which no two share memory, as safetensors wants them: later ones are copied."""
    found: dict[str, Tensor] = {}
    seen = set()
    for key, tensor in tensors.items():
        whole = tensor.contiguous()
        place = whole.untyped_storage().data_ptr()
        found[key] = whole.clone() if place in seen else whole
        seen.add(place)
    return found


def _keep_foreign(old: Path, fresh: Path) -> None:
    """Copy what is not of the checkpoint from its old folder into the new one."""
    if not old.is_dir():
        return
    try:
        own = {CONFIG, WEIGHTS, *read_config(old).get("sha256", {})}
    except CheckpointError:
        own = {CONFIG, WEIGHTS}
    for entry in old.iterdir():
        if entry.name in own or os.path.lexists(fresh / entry.name):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, fresh / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, fresh / entry.name, follow_symlinks=False)


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The config.json of a checkpoint folder; CheckpointError if it is missing or not JSON."""
    recover(folder)
    path = Path(folder) / CONFIG
    try:
        config: Any = read_json(path, MAX_CONFIG_BYTES)
    except FileNotFoundError:
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no {CONFIG}; pass a folder that training wrote"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy the checkpoint again") from None
    if not (isinstance(config, dict) and isinstance(config.get("sha256", {}), dict)):
        raise CheckpointError(f"{path} describes no checkpoint; pass a folder that training wrote")
    return config


def read_tensors(folder: str | os.PathLike[str], file: str = WEIGHTS) -> dict[str, Tensor]:
    """The tensors of one file of a checkpoint, checked against the sha256 in its config."""
    path = Path(folder) / file
    expected = read_config(folder).get("sha256", {}).get(file)
    try:
        if expected and sha256(path) != expected:
            raise CheckpointError(f"{path} is not what was saved (its sha256 differs); copy the checkpoint again")
        _require_short_header(path)
        return dict(safetensors.torch.load_file(path))
    except CheckpointError:
        raise
    except (OSError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} cannot be read ({reason}); copy the checkpoint again") from None


def _require_short_header(path: Path) -> None:
    """ValueError if the file says that it begins with more names of tensors than networks have: each takes memory."""
    with open_file(path) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header says that it has {length:,} bytes, too large: networks have some thousands")


def load(folder: str | os.PathLike[str]) -> ClickNet:
    """The network of a checkpoint, in eval mode, on the CPU; its weights are a memory map of the file.

    Nothing that lies in the folder is run. UnknownName for a backbone outside the package that nobody allowed: see
    `fewclicks.allow`.
    """
    config = read_config(folder)
    if "network" not in config:
        reason = (
            f"holds a network of the family {config['family']}, which" if "family" in config else "names no network;"
        )
        method = config.get("method")
        cure = f"is for the method '{method}'" if method else "pass a folder that training or `fewclicks convert` wrote"
        raise CheckpointError(f"{Path(folder) / CONFIG} {reason} {cure}")
    try:
        net = unfilled(config["network"])
    except FewClicksError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        raise CheckpointError(
            f"{Path(folder) / CONFIG} describes no network ({error}); copy the checkpoint again"
        ) from None
    adopt(net, read_tensors(folder), str(folder))
    return net.eval()


def average(folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]) -> None:
    """Write a checkpoint whose weights are the mean of those of others of the same network (model soups).

    It says of itself what the last of them says. Wortsman et al., ICML 2022: fine-tuned from the same weights, networks
    average to a better one. CheckpointError if they are of different networks.
    """
    configs = [read_config(folder) for folder in folders]
    if any(config.get("network") != configs[0].get("network") for config in configs):
        raise CheckpointError(f"{', '.join(map(str, folders))} hold different networks; average runs of one recipe")
    each = [read_tensors(folder) for folder in folders]
    for folder, tensors in zip(folders, each, strict=True):
        _check(unfilled(configs[0]["network"]), tensors, str(folder))
    mean = {
        key: torch.stack([tensors[key].float() for tensors in each]).mean(0).to(value.dtype)
        for key, value in each[0].items()
    }
    config = {key: value for key, value in configs[-1].items() if key not in ("sha256", "scaler")}
    save(out, {WEIGHTS: mean}, config)


def fill(net: ClickNet, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a network; CheckpointError if any is missing, too many or of another shape."""
    _check(net, tensors, source)
    net.load_state_dict(dict(tensors))


def unfilled(network: Mapping[str, Any]) -> ClickNet:
    """A network whose weights take no memory and no time to draw, for `adopt`."""
    with _Unfilled():
        return build_network(network)


def adopt(net: ClickNet, tensors: Mapping[str, Tensor], source: str) -> None:
    """Make tensors, without copying them, the weights of an unfilled network; CheckpointError as from `fill`.

    Those of another type (float16) are copied to the network's own.
    """
    _check(net, tensors, source)
    own = net.state_dict()
    net.load_state_dict({key: value.to(own[key].dtype) for key, value in tensors.items()}, assign=True)


def difference(wanted: Mapping[str, Sequence[int] | None], got: Mapping[str, Sequence[int]]) -> str:
    """In which names and shapes (None: any) a state dict differs from the wanted one, in words; "" if in none."""
    missing = [key for key in wanted if key not in got]
    extra = [key for key in got if key not in wanted]
    shaped = ((key, shape) for key, shape in wanted.items() if shape is not None and key in got)
    other = [
        f"'{key}' ({_sides(got[key])}, not {_sides(shape)})" for key, shape in shaped if tuple(shape) != tuple(got[key])
    ]
    parts = [
        f"{len(missing)} missing, the first '{missing[0]}'" if missing else "",
        f"{len(extra)} too many, the first '{extra[0]}'" if extra else "",
        f"{len(other)} of another shape, the first {other[0]}" if other else "",
    ]
    return "; ".join(filter(None, parts))


def _sides(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "a number"


def _check(net: ClickNet, tensors: Mapping[str, Tensor], source: str) -> None:
    wanted = {key: value.shape for key, value in net.state_dict().items()}
    if found := difference(wanted, {key: value.shape for key, value in tensors.items()}):
        raise CheckpointError(f"{source} does not fit its network: of its tensors {found}")


class _Unfilled(TorchFunctionMode):
    """Weights made within have a shape and no memory. Buffers of constants, as mean and std, are what they are."""

    DRAWS = frozenset(
        ("normal_", "uniform_", "kaiming_uniform_", "fill_", "zero_", "erfinv_", "mul_", "add_", "clamp_")
    )
    """What initialisers do to weights; it would be done to nothing, and slowly."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            return func(*args, **{**kwargs, "device": "meta"})
        if getattr(func, "__name__", "") in self.DRAWS:
            weight = args[0] if args else kwargs["tensor"]
            if weight.is_meta:
                return weight
        return func(*args, **kwargs)


def sha256(path: str | os.PathLike[str]) -> str:
    """Hex digest of a file."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
