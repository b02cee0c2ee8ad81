"""The real Label Studio asks our backend, and stores what it answered."""

import json
import os
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import programs
from fewclicks.api import open as open_session
from fewclicks.integrations import brush_rle

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "coffee.png"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
CONFIG = """<View><Image name="img" value="$image" zoom="true"/><BrushLabels name="brush" toName="img" smart="false">
<Label value="cup" background="#f00"/></BrushLabels><KeyPointLabels name="kp" toName="img" smart="true"
smartOnly="true"><Label value="cup" background="#0f0"/></KeyPointLabels></View>"""


class Api:
    def __init__(self, base):
        self.base = base

    def __call__(self, method, path, body=None):
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def upload(self, project, path):
        boundary = "x" * 20
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'.encode()
        data = head + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = urllib.request.Request(f"{self.base}/api/projects/{project}/import", data, headers)
        urllib.request.urlopen(request, timeout=60).read()


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """Label Studio with a project of one photo, and our backend connected to it."""
    start, folder = programs.program("label-studio", "label-studio"), tmp_path_factory.mktemp("studio")
    port = programs.free_port()
    base = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ, "LABEL_STUDIO_BASE_DATA_DIR": str(folder), "COLLECT_ANALYTICS": "false", "SENTRY_RATE": "0",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true", "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
    }  # fmt: skip
    command = [start, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    command += ["--username", "a@b.co", "--password", "pass-word-1", "--user-token", TOKEN]
    with (
        programs.running(command, base + "/health", folder / "studio.log", env=environment),
        programs.served("label-studio", "--tool-url", base, "--tool-token", TOKEN, folder=folder) as ours,
    ):
        api = Api(base)
        project = api("POST", "/api/projects", {"title": "cups", "label_config": CONFIG})["id"]
        backend = api(
            "POST", "/api/ml", {"project": project, "url": ours, "is_interactive": True, "title": "fewclicks"}
        )
        api.upload(project, PHOTO)
        yield api, project, backend["id"]


def point(x, y, positive, hw):
    value = {"x": 100 * (x + 0.5) / hw[1], "y": 100 * (y + 0.5) / hw[0], "width": 0.3, "keypointlabels": ["cup"]}
    return {"type": "keypointlabels", "from_name": "kp", "to_name": "img", "original_width": hw[1],
            "original_height": hw[0], "value": value, "is_positive": positive}  # fmt: skip


@pytest.mark.integration
def test_clicks_correct_the_mask_that_is_stored(studio):
    api, project, backend = studio
    task = api("GET", f"/api/tasks?project={project}")["tasks"][0]["id"]
    session = open_session(PHOTO, threads=1)
    hw = session.image.shape[:2]
    wanted = session.click(290, 130)

    def ask(*regions):
        body = {"task": task, "context": {"result": list(regions)}}
        return api("POST", f"/api/ml/{backend}/interactive-annotating", body)["data"]["result"]

    row = ask(point(290, 130, True, hw))[0]
    assert np.array_equal(brush_rle.decode(row["value"]["rle"], hw), wanted)
    stored = api("POST", f"/api/tasks/{task}/annotations", {"result": [row]})
    kept = api("GET", f"/api/annotations/{stored['id']}")["result"][0]
    assert np.array_equal(brush_rle.decode(kept["value"]["rle"], hw), wanted)
    again = open_session(PHOTO, threads=1)
    again.load_mask(wanted)
    corrected = brush_rle.decode(ask(point(150, 290, False, hw))[0]["value"]["rle"], hw)
    assert _iou(corrected, again.click(150, 290, positive=False)) > 0.98
    api("DELETE", f"/api/annotations/{stored['id']}")


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()
