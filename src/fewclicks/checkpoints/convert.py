"""Published checkpoints -> ours: recognised, checked tensor by tensor, written as safetensors and config.json.

`convert` writes a folder that every command takes as a method (`--method OUT`); `read_published` is the network at
once. Tensors keep their bits. Where fewclicks has the network they are named as in it, by `key_maps.RENAMES`, else
as they were; the pairs stand in config.json, and so does what was left of the file's own config.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fewclicks.checkpoints import checkpoint, pth
from fewclicks.checkpoints.families import Family, class_of, recognise
from fewclicks.errors import CheckpointError, InputError
from fewclicks.files.replace import recover
from fewclicks.models.key_maps import ours
from fewclicks.models.segmenter import ClickNet

__all__ = ["convert", "published", "read_published"]

PREFIX = "module."


def read_published(path: str | os.PathLike[str]) -> ClickNet:
    """The network of a published .pth file, in eval mode, on the CPU: net(image, clicks, prev) -> logits.

    Its weights are a memory map of the file. CheckpointError for a file that is damaged or hostile, or that lacks
    tensors or has too many.
    """
    file = pth.read(path)
    found = _recognised(file)
    net = checkpoint.unfilled(found.family.network)
    checkpoint.adopt(net, found.tensors(), str(path))
    return net.eval()


def convert(file: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Write the checkpoint of a published .pth file into the folder `out`, whole or not at all; returns it.

    CheckpointError as from `read_published`; InputError if `out` holds something else than a checkpoint.
    """
    out = Path(out)
    _check_free(out)
    found = _recognised(pth.read(file))
    checkpoint.save(out.resolve(), {checkpoint.WEIGHTS: found.tensors()}, found.about())
    return out


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that is whole, and what it is."""

    file: pth.Pth
    family: Family
    config: Any
    """The file's own, as plain data."""
    names: Mapping[str, str]
    """The file's names -> ours."""

    def tensors(self) -> dict[str, Tensor]:
        """By our names."""
        return {name: self.file.tensors[key] for key, name in self.names.items()}

    def about(self) -> dict[str, Any]:
        """The config.json of the converted checkpoint."""
        family = self.family
        network = {"network": dict(family.network)}
        predictor = {"predictor": dict(family.predictor)} if family.predictor else {}
        source = {
            "file": self.file.path.name,
            "sha256": checkpoint.sha256(self.file.path),
            "class": class_of(self.config),
            "config": self.config,
        }
        told = {"family": family.name, "title": family.title, "method": family.method, "preset": family.preset}
        return {**told, **network, **predictor, "renamed": [*map(list, family.pairs)], "published": source}


def _recognised(file: pth.Pth) -> _Found:
    """CheckpointError unless the file is of a known family and holds all its tensors and no other."""
    config = None if file.config is None else pth.plain(file.config)
    bare = _bare(file.tensors)
    shapes = {bare[key]: shape for key, shape in file.tensors.shapes.items()}
    try:
        family = recognise(shapes, config)
    except CheckpointError as error:
        raise CheckpointError(f"{file.path} {error}") from None
    used = {key: name for key, name in bare.items() if not name.startswith(family.idle)}
    if found := checkpoint.difference(family.wanted(), {name: shapes[name] for name in used.values()}):
        raise CheckpointError(f"{file.path} is no whole {family.title}: of its tensors {found}")
    return _Found(file, family, config, {key: ours(name, family.pairs) for key, name in used.items()})


def published(tensors: Mapping[str, Tensor], config: Any) -> tuple[Family, dict[str, Tensor]] | None:
    """The family of a published click network and its tensors by our names; None for what is none: a backbone alone.

    `config` is the plain config of its file, or None.
    """
    bare = _bare(tensors)
    try:
        family = recognise({bare[key]: tuple(value.shape) for key, value in tensors.items()}, config)
    except CheckpointError:
        return None
    used = {key: name for key, name in bare.items() if not name.startswith(family.idle)}
    return family, {ours(name, family.pairs): tensors[key] for key, name in used.items()}


def _bare(names: Iterable[str]) -> dict[str, str]:
    """The names of a file, without the "module." that DataParallel puts before every one."""
    wrapped = all(name.startswith(PREFIX) for name in names)
    return {name: name.removeprefix(PREFIX) if wrapped else name for name in names}


def _check_free(out: Path) -> None:
    """InputError unless `out` is free, an empty folder, or one that `convert` wrote."""
    recover(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file; name a folder to write")
    if out.is_dir() and any(out.iterdir()):
        try:
            config = checkpoint.read_config(out)
        except CheckpointError:
            config = {}
        if "published" not in config:
            raise InputError(f"the folder '{out}' holds something else; name a new one")
