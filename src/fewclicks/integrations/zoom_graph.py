"""The predictor around a network as one ONNX graph, for programs that run ONNX files and know nothing of fewclicks.

What ZoomIn, CFR and ClickConsistency do is done in the graph: `answer` is a Loop whose passes show the network the
region around mask and clicks, and each a click more, as if they had been said one after the other.

The functions marked `script` are not run: onnxscript reads them and writes graphs. In them `prob` and `image` are
1xCxHxW, points are Nx2 (y, x) in pixels of the image, labels Nx1 (1 object, 0 background, else none), regions two pairs
(y, x): `start` and, outside of it, `stop`. All of these are floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
import onnx.inliner
from onnxscript import opset20 as op
from onnxscript import script
from onnxscript.values import OnnxFunction, Op, Opset

from fewclicks.boxes import AWAY_RATIO, MARGIN_RATIO
from fewclicks.config import resolve
from fewclicks.engines.onnx import load
from fewclicks.errors import InputError
from fewclicks.files.replace import replace_file
from fewclicks.methods.default import Options, chosen, weights_hash

OURS = Opset("fewclicks", 1)
network = Op(OURS, "Network")
"""image, clicks 1xMx3 (x, y, label), prev -> logits: the graph of the weights takes its place at the end."""

ROUNDS = 8.0
"""More clicks than these are shown in so many groups: a pass takes as long as a click."""
FAR = 1e9
NEIGHBORS = [float(step) for y in (-1, 0, 1) for x in (-1, 0, 1) for step in (y, x)]
DISK = [float(step) for y in range(-2, 3) for x in range(-2, 3) if y * y + x * x <= 4 for step in (y, x)]
"""Steps (y, x) to the pixels that ClickConsistency holds around a click."""


@script(OURS, default_opset=op)
def pixels(points):
    """The pixels that points lie on."""
    return op.Floor(points + 0.5)


@script(OURS, default_opset=op)
def hits(condition):
    """Tell whether any of it is true."""
    return op.ReduceMax(op.Cast(condition, to=1), keepdims=0) > 0.5


@script(OURS, default_opset=op)
def whole(numbers):
    """Floats as whole numbers."""
    return op.Cast(op.Round(numbers), to=7)


@script(OURS, default_opset=op)
def ends(mask):
    """The first and the last pixel (y, x) of the box of an HxW mask of 0 and 1."""
    rows, columns = op.ReduceMax(mask, [1], keepdims=0), op.ReduceMax(mask, [0], keepdims=0)
    first = op.Concat(op.ArgMax(rows, axis=0), op.ArgMax(columns, axis=0), axis=0)
    last_row = op.ArgMax(rows, axis=0, select_last_index=1)
    last_column = op.ArgMax(columns, axis=0, select_last_index=1)
    return op.Cast(first, to=1), op.Cast(op.Concat(last_row, last_column, axis=0), to=1)


@script(OURS, default_opset=op)
def filled(plane, start, stop):
    """HxW, as `plane`: 1 within a region, 0 beside it."""
    height, width = op.Split(op.Shape(plane), num_outputs=2)
    rows = op.Cast(op.Range(op.Constant(value_int=0), op.Squeeze(height), op.Constant(value_int=1)), to=1)
    columns = op.Cast(op.Range(op.Constant(value_int=0), op.Squeeze(width), op.Constant(value_int=1)), to=1)
    y0, x0 = op.Split(start, num_outputs=2)
    y1, x1 = op.Split(stop, num_outputs=2)
    row = op.Unsqueeze(op.And(rows >= y0, rows < y1), [1])
    return op.Cast(op.And(row, op.And(columns >= x0, columns < x1)), to=1)


@script(OURS, default_opset=op)
def counting(points, labels):
    """The labels, but for clicks that a later one of the other label has corrected: see Clicks.counting."""
    y, x = op.Split(pixels(points), axis=1, num_outputs=2)
    down, across = y - op.Transpose(y), x - op.Transpose(x)
    others = op.Transpose(labels)
    number = op.CumSum(op.Where(labels < FAR, 1.0, 1.0), op.Constant(value_int=0))
    contrary = op.And(op.And(labels >= 0.0, others >= 0.0), op.Not(labels == others))
    corrected = op.And(op.And(contrary, number < op.Transpose(number)), down * down + across * across <= 1.0)
    gone = op.ReduceMax(op.Cast(corrected, to=1), [1], keepdims=1) > 0.5
    return op.Where(gone, -1.0, labels)


@script(OURS, default_opset=op)
def find_region(prob, points, labels, size, start, stop, expansion, min_crop, recompute):
    """The region to look at, in an image of `size`: a new one, or start and stop as they are. See ZoomIn."""
    mask = op.Cast(op.Squeeze(prob, [0, 1]) > 0.5, to=1)
    first, last = ends(mask)
    positive, there = labels == 1.0, pixels(points)
    first = op.Min(first, op.ReduceMin(op.Where(positive, there, FAR), [0], keepdims=0))
    last = op.Max(last, op.ReduceMax(op.Where(positive, there, -FAR), [0], keepdims=0))
    middle, half = (first + last) / 2.0, op.Max((last - first + 1.0) * expansion, min_crop) / 2.0
    found = op.ReduceMax(mask, keepdims=0) > 0.5
    new_start = op.Where(found, op.Max(op.Round(middle - half), 0.0), 0.0)
    new_stop = op.Where(found, op.Min(op.Round(middle + half) + 1.0, size), size)
    common = op.Max(op.Min(stop, new_stop) - op.Max(start, new_start), 0.0)
    iou = op.ReduceProd(common / (op.Max(stop, new_stop) - op.Min(start, new_start)), keepdims=0)
    left = hits(op.And(positive, op.Or(there < start, there >= stop)))
    anew = op.Or(left, iou < recompute)
    return op.Where(anew, new_start, start), op.Where(anew, new_stop, stop)


@script(OURS, default_opset=op)
def resized(image, hw):
    """An image at another size, hw: 2 whole numbers."""
    return op.Resize(image, None, None, op.Reshape(hw, [2]), axes=[2, 3], mode="linear", antialias=1)


@script(OURS, default_opset=op)
def look(image, prob, points, labels, start, stop, zoom):
    """The prob after the network has seen a region, its longest side `zoom` pixels; what lies beside it stays."""
    side = stop - start
    view = op.Max(op.Round(side * zoom / op.ReduceMax(side, keepdims=0) / 32.0), 1.0) * 32.0
    seen = resized(op.Slice(image, whole(start), whole(stop), [2, 3]), whole(view))
    before = resized(op.Slice(prob, whole(start), whole(stop), [2, 3]), whole(view))
    there = pixels(points)
    within = op.ReduceMin(op.Cast(op.And(there >= start, there < stop), to=1), [1], keepdims=1) > 0.5
    moved = op.Max(op.Min((points + 0.5 - start) * view / side - 0.5, view - 1.0), 0.0)
    y, x = op.Split(moved, axis=1, num_outputs=2)
    clicks = op.Unsqueeze(op.Concat(x, y, op.Where(within, labels, -1.0), axis=1), [0])
    logits = network(seen, clicks, op.Clip(before, 0.0, 1.0))
    patch = op.Clip(resized(op.Sigmoid(logits), whole(side)), 0.0, 1.0)
    beyond = op.Shape(prob, start=2) - whole(stop)
    pasted = op.Pad(patch, op.Concat([0, 0], whole(start), [0, 0], beyond, axis=0))
    return op.Where(filled(op.Squeeze(prob, [0, 1]), start, stop) > 0.5, pasted, prob)


@script(OURS, default_opset=op)
def hold(prob, points, labels, disk):
    """The prob with each click's pixel on the side that the click says: see ClickConsistency. disk: Kx2 (y, x)."""
    plane = op.Squeeze(prob, [0, 1])
    last = op.Cast(op.Shape(plane), to=1) - 1.0
    center = op.Max(op.Min(pixels(points), last), 0.0)
    around = whole(op.Max(op.Min(op.Unsqueeze(center, [1]) + disk, last), 0.0))  # NxKx2
    ones = op.Cast(around >= 0, to=1)
    each = op.Squeeze(op.Slice(ones, [0], [1], [2]), [2])
    value = op.GatherND(plane, whole(center))
    label = op.Squeeze(labels, [1])
    lost = op.Cast(op.And(label == 1.0, value <= 0.5), to=1)
    stray = op.Cast(op.And(label == 0.0, value > 0.5), to=1)
    plane = op.ScatterND(plane, around, 1.0 - each * op.Unsqueeze(stray, [1]), reduction="min")
    plane = op.ScatterND(plane, around, each * op.Unsqueeze(lost, [1]), reduction="max")
    value = op.GatherND(plane, whole(center))
    wrong = op.Where(op.And(label == 0.0, value > 0.5), 0.0, 1.0)  # by the disk of another click
    return op.Unsqueeze(op.ScatterND(plane, whole(center), wrong, reduction="min"), [0, 1])


@script(OURS, default_opset=op)
def hints(start, stop, size):
    """Points and labels that say a box: one in its middle, and negative ones around it. See boxes.look_in_box."""
    side = stop - start
    away = op.Max(op.Round(side * AWAY_RATIO), 2.0)
    middle = (start + stop - 1.0) / 2.0
    step = op.Reshape(op.Constant(value_floats=NEIGHBORS), [9, 2])
    points = op.Max(op.Min(middle + step * (side / 2.0 - 0.5 + away), size - 1.0), 0.0)
    beyond = op.ReduceMax(op.Cast(op.Or(points < start, points > stop - 1.0), to=1), [1], keepdims=1) > 0.5
    is_middle = op.ReduceMax(op.Abs(step), [1], keepdims=1) < 0.5
    return points, op.Where(is_middle, 1.0, op.Where(beyond, 0.0, -1.0))


@script(OURS, default_opset=op)
def photo_size(image, points, labels):
    """(height, width) of what is not padding: up to the last pixel that is not black, or is clicked on."""
    light = op.Cast(op.ReduceMax(image, [0, 1], keepdims=0) > 0.0, to=1)
    _, last = ends(light)
    said = op.Or(labels == 0.0, labels == 1.0)
    return op.Max(last, op.ReduceMax(op.Where(said, pixels(points), 0.0), [0], keepdims=0)) + 1.0


def answer_function(used: Options) -> OnnxFunction:
    """The function `answer` with the options of a predictor; InputError for one that the graph cannot do."""
    require_plain(used)
    zoom, cfr, expansion = float(used.zoom), float(used.steps), used.expansion
    until = FAR if used.until_click is None else float(used.until_click)
    min_crop, recompute = float(used.min_crop_px), used.recompute_iou

    @script(OURS, default_opset=op)
    def answer(image, points, labels, begin, given, box_start, box_stop, boxed):
        """The prob after clicks, in their order: from a mask to begin with (given), a box (boxed), or nothing."""
        disk = op.Reshape(op.Constant(value_floats=DISK), [-1, 2])
        said = op.Or(labels == 0.0, labels == 1.0)
        number = op.CumSum(op.Cast(said, to=1), op.Constant(value_int=0))
        count = op.ReduceSum(op.Cast(said, to=1), keepdims=0)
        rounds = op.Min(count, ROUNDS)
        once = op.Where(count <= until, 1.0 + cfr, 1.0)
        box_passes = op.Where(op.And(boxed, op.Not(given)), 2.0, 0.0)
        passes = op.Where(given, once, box_passes + rounds + op.Min(rounds, until) * cfr)

        size = photo_size(image, points, labels)
        box_stop = op.Max(op.Min(box_stop, size), 1.0)
        box_start = op.Min(box_start, box_stop - 1.0)
        margin = op.Ceil((box_stop - box_start) * MARGIN_RATIO)
        box_points, box_labels = hints(box_start, box_stop, size)
        all_points = op.Concat(points, box_points, axis=0)
        inside = filled(op.Squeeze(begin, [0, 1]), box_start, box_stop)
        has_box = box_passes > 0.5
        prob = op.Where(given, begin, op.Where(has_box, op.Unsqueeze(inside, [0, 1]) * 0.5, begin * 0.0))
        begun = op.Or(has_box, hits(prob > 0.5))
        start, stop = size * 0.0, op.Identity(size)
        for i in range(whole(passes)):
            turn = op.Cast(i, to=1) - box_passes
            in_box = turn < 0.0
            turn = op.Where(turn < until * (cfr + 1.0), op.Floor(turn / (cfr + 1.0)), turn - until * cfr) + 1.0
            shown = op.Where(given, count, op.Ceil(count * turn / op.Max(rounds, 1.0) - 0.001))
            now = op.Where(op.And(said, number <= shown), labels, -1.0)
            now = counting(points, op.Where(in_box, -1.0, now))
            start, stop = find_region(prob, points, now, size, start, stop, expansion, min_crop, recompute)
            start = op.Where(in_box, op.Max(box_start - margin, 0.0), start)
            stop = op.Where(in_box, op.Min(box_stop + margin, size), stop)
            all_labels = op.Concat(now, op.Where(in_box, box_labels, -1.0), axis=0)
            seen = look(image, prob, all_points, all_labels, start, stop, zoom)
            seen = op.Where(op.And(in_box, op.Not(hits(seen > 0.5))), op.Unsqueeze(inside, [0, 1]), seen)
            seen = hold(seen, points, now, disk)
            prob = op.Where(op.Or(begun, hits(now == 1.0)), seen, begin * 0.0)
        return prob

    return answer


def require_plain(used: Options) -> None:
    """InputError for options that only the package can do."""
    plain: Mapping[str, Any] = {
        "flip": False, "adaptive": False, "fit": "longest", "crop": "box", "outside": "keep", "skip_clicks": -1,
        "corners": False, "multiple": None, "threshold": 0.5, "region_threshold": None, "anchor": True,
    }  # fmt: skip
    for name, value in plain.items():
        if getattr(used, name) != value:
            raise InputError(f"a graph cannot do {name}={getattr(used, name)}; leave it out, it has {name}={value}")
    if not used.zoom:
        raise InputError("a graph zooms in, and zoom is 0; pass the longest side of what the network sees")


@dataclass(frozen=True, slots=True)
class Weights:
    """Holds a network, how it is shown photos, and what is told of it."""

    model: onnx.ModelProto
    options: Options
    about: Mapping[str, str]

    @classmethod
    def read(cls, name_or_path: str, half: bool = False, **settings: Any) -> Weights:
        """Those of "default" and its kin, of an .onnx file, or (`half`: in 16 bits) of a checkpoint folder.

        `settings` are options of the predictor, such as zoom, that shall be others than its own.

        InputError or CheckpointError where they are not there, or those of another kind of network.
        """
        found = resolve(name_or_path)
        path = Path(str(found.options.get("weights") or getattr(found.module, "WEIGHTS", "")))
        if found.method.partition("-")[0] != "default" or not path.name:
            raise InputError(f"'{name_or_path}' is no network of the default method; name an .onnx file or checkpoint")
        options = chosen(weights=path, **settings)
        about = {"weights_sha256": weights_hash(path), "fewclicks": version("fewclicks")}
        if not path.is_dir():
            if half:
                raise InputError(f"--half is for checkpoint folders; {path} is taken as it is")
            load(path, threads=1)
            return cls(onnx.load(path), options, about)
        from fewclicks.training.export import export_onnx

        with TemporaryDirectory() as place:
            return cls(onnx.load(export_onnx(path, Path(place) / "net.onnx", half)), options, about)

    def function(self) -> onnx.FunctionProto:
        """The network as the function that `network` calls."""
        graph = self.model.graph
        numbers = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in graph.initializer]
        inputs, outputs = ([value.name for value in values] for values in (graph.input, graph.output))
        nodes = [*numbers, *graph.node]
        return onnx.helper.make_function(OURS.domain, "Network", inputs, outputs, nodes, self.model.opset_import)


def finished(graph: OnnxFunction, inputs: Sequence[Any], outputs: Sequence[Any], weights: Weights) -> onnx.ModelProto:
    """The model of a graph: functions written out where they are called, the network among them, and checked.

    `inputs` and `outputs` are their types.
    """
    model: onnx.ModelProto = graph.to_model_proto(input_types=inputs, output_types=outputs)
    if any(node.domain == OURS.domain for node in _nodes(model)):
        model.functions.append(weights.function())
        model = onnx.inliner.inline_local_functions(model)
    for node in _nodes(model):
        if node.op_type == "CastLike":  # literals have the type that they are used with
            node.op_type = "Identity"
            del node.input[1:]
    del model.graph.value_info[:]
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", op.version))
    onnx.helper.set_model_props(model, dict(weights.about))
    onnx.checker.check_model(model, full_check=True)
    return model


def write_model(path: Path, model: onnx.ModelProto) -> None:
    """Write a model, whole or not at all."""
    replace_file(path, lambda file: file.write(model.SerializeToString()))


def _nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """All nodes, also those of loops and functions."""
    found, graphs = list[onnx.NodeProto](), [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        found += graph.node
        graphs += [part.g for node in graph.node for part in node.attribute if part.type == part.GRAPH]
    return found
