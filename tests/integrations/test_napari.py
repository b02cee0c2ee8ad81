"""The plug-in in the real napari, on a virtual screen: found by its manifest, clicked on with the mouse."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

import programs
from fewclicks.api import open as open_session

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "images" / "chelsea.png"
ZOOM = 160
"""Less than what ships, for the sake of time."""

SCRIPT = """
import json, sys
import napari, numpy as np
from qtpy import QtCore, QtTest, QtWidgets
from fewclicks.api import load
from fewclicks.images.reading import read_image

folder, photo, zoom, shot = sys.argv[1:]
told = {}
viewer = napari.Viewer(show=True)
viewer.window.resize(1200, 700)

def settle(ms=200):
    QtTest.QTest.qWait(ms)

def opened(data, **options):
    viewer.layers.clear()
    viewer.add_image(data, name="photo", **options)
    _, widget = viewer.window.add_plugin_dock_widget("fewclicks", "Segment by clicks")
    widget._predictor = load(zoom=int(zoom), threads=1)
    settle(600)
    viewer.reset_view()
    widget.image.value = viewer.layers["photo"]
    widget.begin.native.click()
    settle()
    return widget, viewer.layers["objects"], viewer.layers["clicks"]

def click(y, x, modifier=QtCore.Qt.NoModifier):
    native, camera = viewer.window._qt_viewer.canvas.native, viewer.scene.camera
    place = QtCore.QPoint(
        round(native.width() / 2 + (x - camera.center[-1]) * camera.zoom),
        round(native.height() / 2 + (y - camera.center[-2]) * camera.zoom),
    )
    QtTest.QTest.mouseMove(native, place)
    settle(50)
    QtTest.QTest.mousePress(native, QtCore.Qt.LeftButton, modifier, place)
    settle(50)
    QtTest.QTest.mouseRelease(native, QtCore.Qt.LeftButton, modifier, place)
    settle()

def keep(name, labels):
    np.save(folder + "/" + name + ".npy", np.asarray(labels.data))

image = read_image(photo)
widget, labels, points = opened(image, rgb=True)
labels.data[200:, :60] = 7
click(120, 220)
keep("first", labels)
click(60, 420, QtCore.Qt.ShiftModifier)
keep("second", labels)
told["points"], told["signs"] = points.data.tolist(), list(points.features["sign"])
told["colors"] = points.face_color[:, :3].round().tolist()
if shot:
    settle(500)
    viewer.window.screenshot(shot, canvas_only=False, flash=False)
points.selected_data = {1}
points.remove_selected()
keep("removed", labels)
labels.undo()
keep("undone", labels)
widget.next_object.native.click()
told["next"], told["left"] = int(labels.selected_label), len(points.data)
labels.selected_label = 1
click(30, 30)
keep("corrected", labels)

stack = np.stack([np.roll(image.mean(axis=-1), 4 * z, axis=1) for z in range(3)]).astype(np.float32) * 257
widget, labels, points = opened(stack, scale=(5, 1, 1))
viewer.dims.set_current_step(0, 0)
settle()
click(120, 220)
widget.next_slice.native.click()
settle()
told["step"] = int(viewer.dims.current_step[0])
keep("stack", labels)
click(250, 60, QtCore.Qt.ShiftModifier)
keep("stack_corrected", labels)
told["in_stack"] = points.data.tolist()
json.dump(told, open(folder + "/told.json", "w"))
viewer.close()
"""


def agree(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


def test_the_manifest_names_what_there_is():
    manifest = yaml.safe_load((ROOT / "src" / "fewclicks" / "napari.yaml").read_text("utf-8"))
    assert manifest["name"] == "fewclicks"
    (command,), (widget,) = manifest["contributions"]["commands"], manifest["contributions"]["widgets"]
    assert widget["command"] == command["id"]
    module, name = command["python_name"].split(":")
    source = (ROOT / "src" / Path(*module.split("."))).with_suffix(".py").read_text("utf-8")
    assert f"class {name}(" in source
    assert 'fewclicks = "fewclicks:napari.yaml"' in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.integration
def test_mouse_clicks_in_napari_become_labels(tmp_path):
    python = programs.program("napari")
    screen = programs.installed("xvfb-run", "xvfb xauth libxcb-cursor0 libxkbcommon-x11-0")
    command = [screen, "-a", python, "-c", SCRIPT, tmp_path, PHOTO, ZOOM, os.environ.get("FEWCLICKS_SHOT", "")]
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb", "LIBGL_ALWAYS_SOFTWARE": "1", "HOME": str(tmp_path)}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / "told.json").read_text())
    labels = {path.stem: np.load(path) for path in tmp_path.glob("*.npy")}

    session = open_session(PHOTO, threads=1, zoom=ZOOM)
    other = np.zeros(session.mask.shape, bool)
    other[200:, :60] = True
    (y, x), (below, right) = told["points"]
    assert abs(y - 120) + abs(x - 220) < 3, "the mouse clicked where it should"
    first = session.click(x, y)
    assert np.array_equal(labels["first"] == 1, first & ~other), "other labels stay"
    assert (labels["first"][other] == 7).all()
    second = session.click(right, below, positive=False)
    assert np.array_equal(labels["second"] == 1, second & ~other)
    assert told["signs"] == ["object", "background"]
    assert told["colors"] == [[0, 1, 0], [1, 0, 0]]
    assert np.array_equal(labels["removed"], labels["first"]), "a click that is deleted does not count"
    assert np.array_equal(labels["undone"], labels["second"]), "napari's own undo"
    assert (told["next"], told["left"]) == (8, 0)
    assert labels["corrected"][30, 30] == 1
    assert agree(labels["corrected"] == 1, labels["second"] == 1) > 0.5, "the label was corrected, not begun anew"

    assert told["step"] == 1
    here, there = labels["stack"][0] == 1, labels["stack"][1] == 1
    assert here.any()
    assert not labels["stack"][2].any()
    assert agree(np.roll(here, 4, axis=1), there) > 0.9, "the next slice has the mask, moved with the picture"
    z, below, right = told["in_stack"][-1]
    assert round(z) == 1
    corrected = labels["stack_corrected"]
    assert corrected[1, round(below), round(right)] == 0
    assert np.array_equal(corrected[0], labels["stack"][0])
