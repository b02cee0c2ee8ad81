"""The real X-AnyLabeling asks `fewclicks serve` from its window, and the types of the real osam fit what it answers."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

import programs
from fewclicks.api import open as open_session

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "chelsea.png"
TOKEN = "0123456789abcdefgh"
ON, OFF = (220, 120), (420, 60)

X_ANYLABELING = """
import json, os, sys
url, token, photo, out, shot = sys.argv[1:]
import anylabeling.config as config
config.current_config_file = out + ".rc"
json.dump({"remote_server_settings": {"server_url": url, "api_key": token}}, open(config.current_config_file, "w"))
from PyQt6 import QtCore, QtTest, QtWidgets
application = QtWidgets.QApplication(sys.argv)
from anylabeling.resources import resources
from anylabeling.views.labeling.shape import Shape
from anylabeling.views.labeling.utils.theme import init_theme
from anylabeling.views.mainwindow import MainWindow
init_theme("light")
window = MainWindow(application, config.get_config(config.current_config_file, {}, show_msg=False), photo)
window.resize(1200, 800)
window.show()
view = window.labeling_widget.view

def wait_for(what):
    for _ in range(6000):
        QtTest.QTest.qWait(50)
        if what():
            return
    os._exit(3)

wait_for(lambda: view.image and not view.image.isNull())
kept = Shape(label="dog", shape_type="polygon")
for x, y in ((10, 10), (60, 10), (60, 60)):
    kept.add_point(QtCore.QPointF(x, y))
kept.close()
view.load_shapes([kept], replace=True)
ours, manager = view.auto_labeling_widget, view.auto_labeling_widget.model_manager
manager.load_model(next(one["config_file"] for one in manager.model_configs if "remote_server" in one["config_file"]))
wait_for(lambda: ours.remote_server_select_combobox.currentData() and not ours.button_add_point.isHidden())
wait_for(lambda: not manager.is_model_download_running())
told = {"model": ours.remote_server_select_combobox.currentData()}

def shapes():
    return [[shape.label, [[p.x(), p.y()] for p in shape.points]] for shape in view.canvas.shapes]

def idle():
    try:
        return manager.model_execution_thread is None or not manager.model_execution_thread.isRunning()
    except RuntimeError:  # it is gone
        return True

def marked(*points):
    before = shapes()
    ours.on_new_marks([{"type": "point", "data": list(at), "label": label} for *at, label in points])
    wait_for(lambda: shapes() != before)
    wait_for(idle)
    return shapes()

told["first"] = marked((220, 120, 1))
told["second"] = marked((220, 120, 1), (420, 60, 0))
if shot:
    QtTest.QTest.qWait(500)
    window.grab().save(shot)
told["nothing"] = marked()
json.dump(told, open(out, "w"))
os._exit(0)
"""


@pytest.mark.integration
def test_marks_in_x_anylabeling_are_answered_and_what_was_drawn_before_stays(tmp_path):
    python, out = programs.program("x-anylabeling"), tmp_path / "told.json"
    shutil.copy(PHOTO, tmp_path)
    with programs.served("x-anylabeling", folder=tmp_path, token=TOKEN) as url:
        arguments = [url, TOKEN, str(tmp_path / PHOTO.name), str(out), os.environ.get("FEWCLICKS_SHOT", "")]
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
        done = subprocess.run(
            [python, "-c", X_ANYLABELING, *arguments], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(out.read_text())
    assert told["model"] == "fewclicks"
    session = open_session(PHOTO, threads=1)
    dog = ["dog", [[10, 10], [60, 10], [60, 60]]]
    for name, wanted in (("first", session.click(*ON)), ("second", session.click(*OFF, positive=False))):
        (kept, *found), mask = told[name], np.zeros(session.mask.shape, np.uint8)
        assert kept == dog
        assert {label for label, _ in found} == {"AUTOLABEL_OBJECT"}
        for _, points in found:
            cv2.fillPoly(mask, [np.array(points).round().astype(np.int32)], 1)
        assert ((mask > 0) & wanted).sum() / ((mask > 0) | wanted).sum() > 0.95
    assert told["nothing"] == [dog], "without marks the object that was underway goes, and nothing else"


OSAM = """
import json, sys, urllib.request
import numpy as np, PIL.Image
from osam import _json, types
url, photo, out = sys.argv[1:]
image = np.asarray(PIL.Image.open(photo).convert("RGB"))
prompt = types.Prompt(points=np.array([[220, 120], [420, 60]]), point_labels=np.array([1, 0]))
asked = json.loads(types.GenerateRequest(model="sam2:latest", prompt=prompt).model_dump_json())
asked["image"] = _json.image_ndarray_to_b64data(ndarray=image)
request = urllib.request.Request(url + "/api/generate", json.dumps(asked).encode())
answer = json.loads(urllib.request.urlopen(request).read())
for row in answer["annotations"]:
    mask = _json.image_b64data_to_ndarray(b64data=row["mask"])
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}, "as osam serializes its own"
    row["mask"] = mask == 255
(found,) = types.GenerateResponse.model_validate(answer).annotations
box, mask = found.bounding_box, np.zeros(image.shape[:2], bool)
mask[box.ymin : box.ymax + 1, box.xmin : box.xmax + 1] = found.mask
np.save(out, mask)
"""


@pytest.mark.integration
def test_what_osam_sends_is_answered_in_its_types(tmp_path):
    python, out = programs.program("labelme"), tmp_path / "mask.npy"
    with programs.served("osam", folder=tmp_path) as url:
        command = [python, "-c", OSAM, url, str(PHOTO), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    session = open_session(PHOTO, threads=1)
    session.click(*ON)
    assert np.array_equal(np.load(out), session.click(*OFF, positive=False))
