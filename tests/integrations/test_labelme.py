"""Real labelme, in a window that is not shown: a mouse click runs our model, and the mask gets its label."""

import json
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

import programs
from fewclicks.api import open as open_session

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "chelsea.png"
ZOOM = 160
"""Less than what ships, for the sake of time."""

SCRIPT = """import json, os, sys
photo, out, shot, zoom = sys.argv[1:]
from PyQt5 import QtCore, QtGui, QtTest, QtWidgets
from fewclicks.api import load
from fewclicks.integrations import labelme as ours
ours.register()
ours.register()
ours.FewClicks.make = staticmethod(lambda: load(threads=1, zoom=int(zoom)))
from labelme.app import MainWindow
application = QtWidgets.QApplication(sys.argv)
window = MainWindow(config_overrides={"ai": {"default": "fewclicks"}, "auto_save": False}, file_or_dir=photo)
window.resize(1200, 800)
window.show()
QtTest.QTest.qWait(500)
canvas = window._canvas_widgets.canvas
told = {"model": canvas.get_ai_model_name()}
window._switch_canvas_mode(edit=False, create_mode="ai_points_to_shape")

def place(x, y):
    offset = canvas._compute_image_origin_offset()
    return QtCore.QPoint(round((x + offset.x()) * canvas.scale), round((y + offset.y()) * canvas.scale))

def click(x, y, modifier=QtCore.Qt.NoModifier, button=QtCore.Qt.LeftButton):
    nothing, at = QtCore.Qt.NoButton, QtCore.QPointF(place(x, y))
    move = QtGui.QMouseEvent(QtCore.QEvent.MouseMove, at, nothing, nothing, modifier)
    QtWidgets.QApplication.sendEvent(canvas, move)
    QtTest.QTest.mousePress(canvas, button, modifier, place(x, y))
    QtTest.QTest.mouseRelease(canvas, button, modifier, place(x, y))
    QtTest.QTest.qWait(200)
def preview():
    (found,) = canvas._shapes_from_ai_points(canvas._current.points, canvas._current.point_labels)
    return found

def raster(shape):
    (x0, y0), (x1, y1) = [(round(p.x()), round(p.y())) for p in shape.points]
    return {"x0": x0, "y0": y0, "mask": shape.mask.astype(int).tolist()}

click(220, 120)
told["polygon"] = [[p.x(), p.y()] for p in preview().points]
combo = window._ai_annotation._output_format_combo
combo.setCurrentIndex(combo.findData("mask"))
told["first"] = raster(preview())
click(420, 60, QtCore.Qt.ShiftModifier)
told["clicks"] = [[p.x(), p.y(), l] for p, l in zip(canvas._current.points, canvas._current.point_labels)]
if shot:
    combo.setCurrentIndex(combo.findData("polygon"))
    click(300, 250)
    for dock in window.findChildren(QtWidgets.QDockWidget):
        dock.setVisible("File" not in dock.windowTitle())  # it shows paths of this machine
    QtTest.QTest.qWait(300)
    window.grab().save(shot)
    os._exit(0)

def name_it():
    dialog = QtWidgets.QApplication.activeModalWidget()
    dialog.findChild(QtWidgets.QLineEdit).setText("cat")
    dialog.accept()

(box,) = canvas._shapes_from_ai_points([QtCore.QPointF(10, 20), QtCore.QPointF(430, 290)], [2, 3])
told["box"] = raster(box)
QtCore.QTimer.singleShot(500, name_it)
QtTest.QTest.keyClick(canvas, QtCore.Qt.Key_Return)
QtTest.QTest.qWait(700)
told["shapes"] = [{"label": shape.label, "type": shape.shape_type, **raster(shape)} for shape in canvas.shapes]
json.dump(told, open(out, "w"))
os._exit(0)
"""


def whole(part, hw):
    """The mask of a photo of size `hw` that a cropped one is of."""
    mask, found = np.zeros(hw, bool), np.array(part["mask"], bool)
    mask[part["y0"] : part["y0"] + found.shape[0], part["x0"] : part["x0"] + found.shape[1]] = found
    return mask


def agree(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


@pytest.mark.integration
def test_mouse_clicks_in_labelme_run_our_model(tmp_path):
    python, out = programs.program("labelme"), tmp_path / "told.json"
    command = [python, "-c", SCRIPT, PHOTO, out, os.environ.get("FEWCLICKS_SHOT", ""), ZOOM]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(out.read_text())
    assert told["model"] == "fewclicks:latest"
    (x, y, on), (right, above, off) = told["clicks"]
    assert (on, off) == (1, 0)
    assert abs(x - 220) + abs(y - 120) < 2, "the mouse clicked where it should"

    session = open_session(PHOTO, threads=1, zoom=ZOOM)
    hw = session.mask.shape
    first = session.click(x, y)
    assert np.array_equal(whole(told["first"], hw), first)
    outline = np.zeros(hw, np.uint8)
    cv2.fillPoly(outline, [np.array(told["polygon"], np.int32)], 1)
    assert agree(outline > 0, first) > 0.95
    second = session.click(right, above, positive=False)
    (shape,) = told["shapes"]
    assert (shape["label"], shape["type"]) == ("cat", "mask")
    assert np.array_equal(whole(shape, hw), second)
    boxed = open_session(PHOTO, threads=1, zoom=ZOOM)
    boxed.box(10, 20, 430, 290)
    assert agree(whole(told["box"], hw), boxed.mask) > 0.95


@pytest.mark.integration
def test_the_launcher_hands_its_arguments_on():
    command = [programs.program("labelme"), "-m", "fewclicks.integrations.labelme", "--version"]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "labelme" in done.stdout.lower() + done.stderr.lower()
