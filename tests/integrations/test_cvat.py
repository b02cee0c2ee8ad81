"""CVAT's two ways: the Nuclio function as CVAT calls it, and an agent that the real cvat-cli runs."""

import base64
import importlib.util
import io
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import yaml

import fakes
import fewclicks
import programs
from fewclicks.integrations.replay import Replays

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDER, PHOTO = EXAMPLES / "cvat-nuclio", EXAMPLES / "images" / "coffee.png"


@pytest.fixture
def call():
    """The function as Nuclio runs it."""
    found = importlib.util.spec_from_file_location("nuclio_main", FOLDER / "main.py")
    main = importlib.util.module_from_spec(found)
    found.loader.exec_module(main)
    spy = fakes.Spy(fakes.Discs(10, 0.0))
    context = SimpleNamespace(user_data=SimpleNamespace(replays=Replays(spy)), Response=SimpleNamespace)

    def called(**body):
        file = io.BytesIO()
        PIL.Image.fromarray(fakes.gradient(60, 80)).save(file, "PNG")
        body = {"image": base64.b64encode(file.getvalue()).decode(), **body}
        answer = main.handler(context, SimpleNamespace(body=json.dumps(body).encode()))
        return answer.status_code, json.loads(answer.body)

    called.spy = spy
    return called


def test_clicks_are_answered_by_outline_and_mask(call):
    status, found = call(pos_points=[[40, 30]], neg_points=[[20, 30]], obj_bbox=None)
    assert status == 200
    mask = np.array(found["mask"])
    assert mask.shape == (60, 80)
    assert mask[30, 40] == 1
    assert np.abs(np.array(found["points"]).mean(axis=0) - (40, 30)).max() < 2
    call(pos_points=[[40, 30], [50, 30]], neg_points=[])
    assert len(call.spy.started) == 1, "the photo is read once"
    assert call(pos_points=[], neg_points=[], obj_bbox=[[10, 10], [60, 50]])[0] == 200


@pytest.mark.parametrize("body", [{}, {"pos_points": [[1]]}, {"pos_points": [[1, 1]], "image": ""}, {"obj_bbox": [3]}])
def test_what_is_wrong_is_said(call, body):
    status, found = call(**body)
    assert status == 400
    assert found["message"]


def test_the_function_is_declared_as_cvat_reads_it():
    content = yaml.safe_load((FOLDER / "function.yaml").read_text())
    about = content["metadata"]["annotations"]
    assert (about["type"], about["version"], about["min_pos_points"], about["min_neg_points"]) == (
        "interactor",
        2,
        1,
        0,
    )
    assert content["spec"]["handler"] == "main:handler"


class Cvat(BaseHTTPRequestHandler):
    """The little of a CVAT server that an agent talks to: a task of one photo, and requests to be answered."""

    def log_message(self, *_):
        """Be quiet."""

    def answer(self, content, kind="application/vnd.cvat+json", status=200):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, query = self.path.partition("?")[0].rstrip("/"), self.path.partition("?")[2]
        link = {"url": "http://127.0.0.1/", "count": 1}
        task = {
            "id": 3, "organization": None, "mode": "annotation", "updated_date": "2026-11-01T00:00:00Z", "size": 1,
            "data_chunk_size": 1, "data_original_chunk_type": "imageset", "labels": link,
            "jobs": {**link, "completed": 0, "validation": 0},
        }  # fmt: skip
        frame = {"width": 600, "height": 400, "name": PHOTO.name, "related_files": 0}
        meta = {
            "frames": [frame], "deleted_frames": [], "included_frames": None, "size": 1, "start_frame": 0,
            "stop_frame": 0, "image_quality": 70, "chunks_updated_date": "2026-11-01T00:00:00Z",
        }  # fmt: skip
        about = {"name": "CVAT", "description": "", "version": "2.80.0", "logo_url": "", "subtitle": ""}
        known = {
            "/api/server/about": about,
            "/api/functions/7": {**self.server.function, "id": 7},
            "/api/tasks/3": task,
            "/api/labels": {"count": 0, "next": None, "previous": None, "results": []},
            "/api/tasks/3/data/meta": meta,
        }
        if path == "/api/tasks/3/data" and "type=frame" in query:
            self.answer(PHOTO.read_bytes(), "image/png")
        else:
            self.answer(known.get(path, {"detail": path}), status=200 if path in known else 404)

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/functions":
            self.server.function = {"startswith_box": False, **said}
            self.answer({**said, "id": 7}, status=201)
        elif self.path.endswith("/requests/acquire"):
            waiting = self.server.waiting if said["request_category"] == "interactive" else []
            self.answer({"ar_assignment": waiting.pop(0) if waiting else None})
        else:
            self.server.done.append((self.path, said))
            self.answer({})


def interaction(number, pos_points, neg_points=(), box=()):
    said = {"type": "interact", "task": 3, "frame": 0, "pos_points": pos_points, "neg_points": neg_points}
    return {"ar_id": f"r{number}", "ar_params": {**said, "obj_bbox": box}}


@pytest.fixture
def cvat():
    """A server that waits for the answers to two clicks and a box."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cvat)
    server.done, server.function = [], {}
    server.waiting = [
        interaction(1, [[290, 130]]),
        interaction(2, [[290, 130]], [[150, 290]]),
        interaction(3, [], [], [[160, 20], [420, 330]]),
    ]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def mask_of(points):
    """CVAT's mask: run lengths beginning with those that are off, then the box of it, its corners inside."""
    *runs, left, top, right, bottom = map(int, points)
    flags = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask = np.zeros((400, 600), bool)
    mask[top : bottom + 1, left : right + 1] = flags.reshape(bottom - top + 1, right - left + 1)
    return mask


@pytest.mark.integration
def test_the_real_command_line_runs_an_agent(cvat, tmp_path):
    (tmp_path / "cvat_fn.py").write_text(
        "from fewclicks.integrations.cvat import *\n"
    )  # as docs/integrations/cvat.md says
    host, port = cvat.server_address
    command = [programs.program("cvat", "cvat-cli"), "--server-host", f"http://{host}", "--server-port", str(port)]
    options = {"cwd": tmp_path, "env": {**os.environ, "CVAT_ACCESS_TOKEN": "x"}, "capture_output": True, "text": True}
    function = ["--function-file", "cvat_fn.py"]
    made = subprocess.run([*command, "function", "create-native", "fewclicks", *function], check=False, **options)
    assert (made.returncode, made.stdout.split()) == (0, ["7"]), made.stderr
    assert (cvat.function["kind"], cvat.function["startswith_box_optional"]) == ("interactor", True)
    ran = subprocess.run([*command, "function", "run-agent", "7", *function, "--burst"], check=False, **options)
    assert ran.returncode == 0, ran.stderr
    assert [path.rpartition("/requests/")[2] for path, _ in cvat.done] == [f"r{n}/complete" for n in (1, 2, 3)], (
        ran.stderr
    )
    found = [mask_of(said["shapes"][0]["points"]) for _, said in cvat.done]
    session = fewclicks.open(PHOTO)
    assert np.array_equal(found[0], session.click(290, 130))
    assert np.array_equal(found[1], session.click(150, 290, positive=False))
    assert found[2][130, 290]
    assert not found[2][350, 60]
