"""Ctrl-C and SIGTERM end what is computed at once: requests, masks that are corrected, photos annotated beforehand."""

import base64
import io
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import cv2
import PIL.Image
import pytest
from starlette.testclient import TestClient

import fakes
import programs
from fewclicks.engines.interruption import Interruption, current
from fewclicks.integrations.photo_sources import PhotoSource
from fewclicks.integrations.tool_server import application
from fewclicks.predictor import blank

POLITE = [signal.SIGINT, signal.SIGTERM]
HW = (60, 80)
CONFIG = (
    '<View><Image name="img" value="$photo"/><BrushLabels name="b" toName="img"><Label value="a"/></BrushLabels></View>'
)


def photo(hw=HW):
    file = io.BytesIO()
    PIL.Image.fromarray(fakes.gradient(*hw)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def requests(clicks, hw=HW):
    """One of each dialect, with as many clicks."""
    points = [[5 + i % 50, 5 + i // 50] for i in range(clicks)]
    values = [{"x": 100 * x / hw[1], "y": 100 * y / hw[0], "width": 1, "keypointlabels": ["a"]} for x, y in points]
    regions = [{"type": "keypointlabels", "is_positive": 1, "value": value} for value in values]
    marks = [{"type": "point", "data": point, "label": 1} for point in points]
    task = {"id": 7, "data": {"photo": "data:image/png;base64," + photo(hw)}}
    return {
        "/predict": {"tasks": [task], "label_config": CONFIG, "params": {"context": {"result": regions}}},
        "/v1/predict": {"image": photo(hw), "params": {"marks": marks}},
        "/api/generate": {"image": photo(hw), "prompt": {"points": points, "point_labels": [1] * clicks}},
    }


class Endless:
    """Computes until it is told to end, as a network that is in the middle of a forward."""

    def __init__(self):
        self.running = threading.Semaphore(0)

    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        ended = threading.Event()
        with current().stopping(ended.set):
            self.running.release()
            assert ended.wait(60)
            raise RuntimeError("stopped in the middle")


@pytest.mark.parametrize("path", requests(1))
def test_what_is_computed_ends_and_is_refused(path):
    model, interruption = Endless(), Interruption()
    client = TestClient(application(model, [], PhotoSource(), "v1", interruption))
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(client.post, path, json=requests(1)[path]) for _ in range(2)]
        assert model.running.acquire(timeout=60)
        interruption.request()
        answers = [each.result(60) for each in asked]
    answers.append(client.post(path, json=requests(2)[path]))
    assert [(answer.status_code, "is stopping" in answer.json()["detail"]) for answer in answers] == [(503, True)] * 3
    assert client.get("/health").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("number", POLITE)
def test_a_server_ends_while_it_computes_in_each_dialect(tmp_path, number):
    hw = (900, 1200)
    with programs.served(folder=tmp_path) as address, ThreadPoolExecutor() as pool:
        asked = [pool.submit(status_of, address + path, body) for path, body in requests(100, hw).items()]
        time.sleep(2)
        assert not any(each.done() for each in asked), "a hundred clicks take longer"
        process = programs.SERVED[address]
        begun = time.monotonic()
        process.send_signal(number)
        assert process.wait(60) in (0, 128 + number)
        assert time.monotonic() - begun < 10, "the clicks would take longer"
        assert [each.result(60) for each in asked] == [503] * 3
    said = (tmp_path / "serve.log").read_text()
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2


def status_of(address, body):
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


SLOW = """
import time
from pathlib import Path
import cv2, numpy as np
from fewclicks.predictor import State, blank

class Slow:
    def start(self, image):
        return blank(image)

    def step(self, state, clicks):
        with open(Path(__file__).parent / "begun.log", "a") as file:
            file.write("x")
        time.sleep(0.2)
        return State(state.image, cv2.dilate(state.prob, np.ones((7, 7), np.uint8)), state.threshold, state.memo)

def build(**options):
    return Slow()
"""


@pytest.fixture
def place(tmp_path):
    """A COCO file of ten photos, and a method that takes its time."""
    (tmp_path / "images").mkdir()
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "__init__.py").touch()
    (tmp_path / "slow" / "slow.py").write_text(SLOW)
    images, rows = [], []
    for i in range(10):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), fakes.gradient(*HW))
        images.append({"id": i, "file_name": f"{i}.png", "width": HW[1], "height": HW[0]})
        square = [[10, 10, 40, 10, 40, 40, 10, 40]]
        rows.append({"id": 100 + i, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": square})
    (tmp_path / "set.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))
    return tmp_path


REFINE = ["refine", "set.json", "-o", "out.json", "--method", "slow.slow"]
PRE = ["annotate", "images", "--pre", "-o", "out.json", "--method", "slow.slow", "--threads", "1"]


@pytest.mark.slow
@pytest.mark.parametrize("number", POLITE)
@pytest.mark.parametrize("command", [REFINE, PRE], ids=["refine", "pre"])
def test_a_set_that_is_stopped_is_whole_or_absent_and_goes_on_by_shard(place, command, number):
    options = {"cwd": place, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    ours = [sys.executable, "-m", "fewclicks", *command]
    if command is REFINE:
        subprocess.run([*ours, "--shard", "1/2"], check=True, **options)
        ours += ["--shard", "2/2"]
    before = sorted(path.name for path in place.iterdir())
    begun = place / "slow" / "begun.log"
    begun.unlink(missing_ok=True)
    process = subprocess.Popen(ours, **options)
    ends = time.monotonic() + 120
    while not begun.exists() and time.monotonic() < ends:
        time.sleep(0.02)
    process.send_signal(number)
    said = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + number, ("", ""))
    assert len(begun.read_text()) < 5
    assert sorted(path.name for path in place.iterdir()) == before, "nothing half-written, and the first shard whole"
    if command is REFINE:
        subprocess.run(ours, check=True, **options)
        begun.unlink()
        done = subprocess.run([*ours[:-1], "1/2"], check=True, **options)
        assert "done before; skipped" in done.stdout
        assert not begun.exists()
