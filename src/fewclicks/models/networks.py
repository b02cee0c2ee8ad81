"""Every network by the plain values that a checkpoint's config.json holds: {"net": "sam", "size": "b"}.

Without "net" it is a Segmenter, which is most of them: a backbone with a prompt, see `segmenter.build_segmenter`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from fewclicks.errors import InputError, UnknownName
from fewclicks.models.segmenter import ClickNet, build_segmenter

NETS = ("emcclick", "fcanet", "hq_sam", "sam", "sam2", "segnext")
"""The files beside this one that hold a whole network: each has `build_net(**values)`."""


def build_network(network: Mapping[str, Any]) -> ClickNet:
    """A network with fresh weights. UnknownName for one that does not exist, InputError for values it does not take."""
    values = dict(network)
    name = values.pop("net", None)
    if name is None:
        return build_segmenter(**values)
    if name not in NETS:
        raise UnknownName(f"no network '{name!s:.80}'; there are: {', '.join(NETS)}")
    try:
        net: ClickNet = importlib.import_module(f"fewclicks.models.{name}").build_net(**values)
    except TypeError as error:
        raise InputError(f"the network '{name}' does not take these values: {error}") from None
    return net
