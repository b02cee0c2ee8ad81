"""The two ways in: `load` a predictor, `open` a photo."""

from __future__ import annotations

import os
from typing import Any

from fewclicks.config import resolve
from fewclicks.errors import InputError
from fewclicks.images.levels import Levels
from fewclicks.images.reading import Source
from fewclicks.predictor import Predictor
from fewclicks.session import Session, SessionSource


def load(name_or_path: str | os.PathLike[str] = "default", **options: Any) -> Predictor:
    """A predictor: a method by its name ("default", "grow", "my_lab.my_method"), or the default method on weights.

    Weights are a folder with config.json and model.safetensors, or a .onnx file. `options` go to the method's `build`.
    UnknownName, CheckpointError or InputError if there is no such thing.
    """
    return resolve(name_or_path, options).build()


def open(  # noqa: A001
    image: Source,
    predictor: str | os.PathLike[str] | Predictor = "default",
    *,
    levels: Levels | None = None,
    local: bool | None = None,
    **options: Any,
) -> Session:
    """A session on a photo: a path, an open binary file, a Pillow image or an array (see `images.read_image`).

    `predictor` and `options` are those of `load`, or a predictor already made (then without options). `levels`: the
    stored values of the photo that become black and white (see `fewclicks.images.levels`). `local`: corrections change
    the connected part that they touch, and keep the rest; None: those of a loaded mask do.
    """
    path = os.fspath(image) if isinstance(image, str | os.PathLike) else None
    if isinstance(predictor, str | os.PathLike):
        found = resolve(predictor, options)
        return Session(image, found.build(), SessionSource(path, found.method, found.options, levels), local)
    if options:
        raise InputError(f"options {', '.join(options)} need a method's name, not a predictor already made")
    return Session(image, predictor, SessionSource(path, levels=levels), local)
