"""The real Label Studio asks our backend, over its API and from its page in Chromium, and stores what was answered."""

import json
import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import browsing
import programs
from fewclicks.api import open as open_session
from fewclicks.integrations import brush_rle

PHOTO = Path(__file__).parents[2] / "examples" / "images" / "coffee.png"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
OURS = "of-our-backend-0123456789"
EMAIL, PASSWORD = "a@b.co", "pass-word-1"
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
    command += ["--username", EMAIL, "--password", PASSWORD, "--user-token", TOKEN]
    with (
        programs.running(command, base + "/health", folder / "studio.log", env=environment),
        programs.served("label-studio", "--tool-url", base, "--tool-token", TOKEN, folder=folder, token=OURS) as ours,
    ):
        api = Api(base)
        project = api("POST", "/api/projects", {"title": "cups", "label_config": CONFIG})["id"]
        connected = {"project": project, "url": ours, "is_interactive": True, "title": "fewclicks"}
        access = {"auth_method": "BASIC_AUTH", "basic_auth_user": "studio", "basic_auth_pass": OURS}
        with pytest.raises(urllib.error.HTTPError):
            api("POST", "/api/ml", {**connected, **access, "basic_auth_pass": "wrong"})
        backend = api("POST", "/api/ml", {**connected, **access})
        api.upload(project, PHOTO)
        yield api, project, backend["id"], folder


def point(x, y, positive, hw):
    value = {"x": 100 * (x + 0.5) / hw[1], "y": 100 * (y + 0.5) / hw[0], "width": 0.3, "keypointlabels": ["cup"]}
    return {"type": "keypointlabels", "from_name": "kp", "to_name": "img", "original_width": hw[1],
            "original_height": hw[0], "value": value, "is_positive": positive}  # fmt: skip


@pytest.mark.integration
def test_clicks_correct_the_mask_that_is_stored(studio):
    api, project, backend, _ = studio
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
    rows, columns = np.nonzero(wanted)
    corner, far = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    x, y, width, height = (
        100 * float(number) / side
        for number, side in zip((*corner, far[0] - corner[0], far[1] - corner[1]), (hw[1], hw[0]) * 2, strict=True)
    )
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": ["cup"]}
    boxed = brush_rle.decode(
        ask({"type": "rectanglelabels", "from_name": "box", "value": value})[0]["value"]["rle"], hw
    )
    assert _iou(boxed, wanted) > 0.7


class Labeling:
    """The page of a task, with Auto-Annotation on and its smart tool chosen. Points are pixels of the photo."""

    def __init__(self, chromium, api, project, task, hw):
        self.page, self.hw = chromium.new_page(viewport={"width": 1440, "height": 900}), hw
        self.page.set_default_timeout(120_000)
        self.page.route(lambda url: not url.startswith(api.base), lambda route: route.abort())  # it is for this machine
        self.page.goto(api.base + "/user/login/", wait_until="commit")
        self.page.fill("input[name=email]", EMAIL)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda url: "login" not in url, wait_until="commit")
        self.page.goto(f"{api.base}/projects/{project}/data?task={task}", wait_until="commit")
        self.page.get_by_text("Auto-Annotation").click()
        self.page.locator(".lsf-tool_smart").click()

    def click(self, x, y, modifiers=()):
        """Take the label of the keypoints and click; the click of the answered request, in pixels, and its sign."""
        self.page.locator(".lsf-label").filter(has_text="cup").last.click()
        canvas, (height, width) = self.page.locator(".konvajs-content").first, self.hw
        rect = canvas.bounding_box()
        at = {"x": (x + 0.5) / width * rect["width"], "y": (y + 0.5) / height * rect["height"]}
        with self.page.expect_response(lambda answer: "interactive-annotating" in answer.url) as asked:
            canvas.click(position=at, modifiers=modifiers)
        assert asked.value.ok
        row = json.loads(asked.value.request.post_data)["context"]["result"][-1]
        value = row["value"]
        self.page.locator(".lsf-auto-accept__action_type_accept").wait_for()
        return value["x"] / 100 * width - 0.5, value["y"] / 100 * height - 0.5, row["is_positive"]

    def accept(self):
        """Accept what is suggested."""
        self.page.locator(".lsf-auto-accept__action_type_accept").click()
        self.page.locator(".lsf-auto-accept__action_type_accept").wait_for(state="detached")

    def save(self, button, api, task):
        """Press Submit or Update; the brush masks of the task that are stored from then on."""
        with self.page.expect_response(lambda answer: "/annotations" in answer.url and answer.ok) as answered:
            self.page.get_by_role("button", name=button).first.click()
        assert answered.value.request.method in ("POST", "PATCH")
        rows = [row for each in api("GET", f"/api/tasks/{task}/annotations") for row in each["result"]]
        return [brush_rle.decode(row["value"]["rle"], self.hw) for row in rows if row["type"] == "brushlabels"]


@pytest.mark.integration
@pytest.mark.browser
def test_clicks_on_the_page_become_the_annotation_that_is_stored(studio):
    browsing.require_chromium()
    api, project, _, folder = studio
    api.upload(project, PHOTO)
    task = api("GET", f"/api/tasks?project={project}")["tasks"][-1]["id"]
    session = open_session(PHOTO, threads=1)
    with browsing.browser() as chromium:
        labeling = Labeling(chromium, api, project, task, session.image.shape[:2])
        for asked, modifiers, sign in (((290, 130), (), True), ((370, 290), ("Alt",), False)):
            x, y, positive = labeling.click(*asked, modifiers)
            assert np.hypot(x - asked[0], y - asked[1]) < 15, "the page shows the photo a few percent larger"
            assert positive is sign
            wanted = session.click(x, y, positive=sign)
        if browsing.SHOTS:
            labeling.page.wait_for_timeout(1000)  # it is drawn
            labeling.page.screenshot(path=Path(browsing.SHOTS) / "label_studio.png")
        labeling.accept()
        stored = labeling.save("Submit", api, task)
        labeling.page.close()
    assert len(stored) == 1
    assert np.array_equal(stored[0], wanted)
    with closing(sqlite3.connect(folder / "label_studio.sqlite3")) as database:
        rows = database.execute("SELECT result FROM task_completion WHERE task_id = ?", [task]).fetchall()
    brushes = [row for (text,) in rows for row in json.loads(text) if row["type"] == "brushlabels"]
    assert [np.array_equal(brush_rle.decode(row["value"]["rle"], wanted.shape), wanted) for row in brushes] == [True]
    assert api("GET", f"/api/predictions?task={task}") == [], "a task that nobody clicked in gets no empty prediction"


def _iou(one, other):
    return (one & other).sum() / (one | other).sum()
