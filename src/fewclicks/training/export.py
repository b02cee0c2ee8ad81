"""A trained network as an ONNX file that engines/onnx.py runs."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fewclicks.checkpoints import checkpoint
from fewclicks.errors import InputError, MissingExtra
from fewclicks.files.replace import replace_file
from fewclicks.models.segmenter import ClickNet

HALF = ".half"
"""Follows the name of a weight that is stored in 16 bits."""

ONE_FORWARD = ("default", "ritm", "simpleclick")
"""Methods that are one forward of their network and what any network has around it: so an .onnx file is run."""

SMALL = 1024
"""Tensors of fewer numbers stay in 32 bits: biases, constants of the graph."""


def export_onnx(folder: str | Path, out: str | Path, half: bool = False) -> Path:
    """Write the network of a checkpoint folder as ONNX; batch 1, any H, W and number of clicks.

    `half` stores the weights in 16 bits: half of the file, computed in 32 bits all the same. The recipe, the step and
    the checkpoint's sha256 go into the file's metadata. InputError for a network of a method that does more with it:
    its file would be run, and measured, as another method.
    """
    config = checkpoint.read_config(folder)
    method = config.get("method", "default")
    if method not in ONE_FORWARD:
        raise InputError(
            f"'{folder}' is run by the method '{method}', which does more than an .onnx file can hold; use the folder: "
            f"--method {folder}"
        )
    about = {
        "recipe": json.dumps(config.get("recipe", {})),
        "step": str(config.get("step", "")),
        "predictor": json.dumps(config.get("predictor", {})),
        "checkpoint_sha256": config.get("sha256", {}).get(checkpoint.WEIGHTS, ""),
    }
    return write_onnx(checkpoint.load(folder), Path(out), about, half)


def write_onnx(net: ClickNet, path: Path, about: dict[str, str], half: bool = False) -> Path:
    """Export a network in eval mode; the file appears whole or not at all."""
    try:
        import onnx  # noqa: F401 - torch's exporter needs both
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra(f"export needs {error.name}; run: pip install 'fewclicks[train]'") from None
    example = (
        torch.rand(1, 3, 90, 130),
        torch.tensor([[[30.0, 40.0, 1.0], [3.0, 5.0, 0.0]]]),
        torch.rand(1, 1, 90, 130),
    )
    height, width, count = (torch.export.Dim.DYNAMIC for _ in range(3))
    shapes = {"image": {2: height, 3: width}, "clicks": {1: count}, "prev": {2: height, 3: width}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            net.eval(), example, dynamo=True, dynamic_shapes=shapes, verbose=False,
            input_names=list(shapes), output_names=["logits"],
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for graph in (model.graph, *model.functions):  # the exporter notes in each node where in which file it came from
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
    if half:
        halve(model)
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    replace_file(path, lambda file: file.write(model.SerializeToString()))
    return path


def halve(model: Any) -> None:
    """Store the weights of an ONNX model in 16 bits, each with a Cast to 32, which is computed once at loading."""
    import onnx
    from onnx import numpy_helper

    casts = []
    for stored in model.graph.initializer:
        array = numpy_helper.to_array(stored)
        if array.dtype == np.float32 and array.size >= SMALL:
            name = stored.name
            stored.CopyFrom(numpy_helper.from_array(array.astype(np.float16), name + HALF))
            casts.append(
                onnx.helper.make_node("Cast", [name + HALF], [name], f"{name}.whole", to=onnx.TensorProto.FLOAT)
            )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def whole(model: Any) -> None:
    """Undo `halve`, but for what 16 bits cannot hold: the weights stand in the model as numbers of 32 bits again."""
    from onnx import numpy_helper

    names = set()
    for stored in model.graph.initializer:
        if stored.name.endswith(HALF):
            array, name = numpy_helper.to_array(stored).astype(np.float32), stored.name.removesuffix(HALF)
            stored.CopyFrom(numpy_helper.from_array(array, name))
            names.add(name)
    nodes = [node for node in model.graph.node if not (node.op_type == "Cast" and node.output[0] in names)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
