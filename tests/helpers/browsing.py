"""The real page in Chromium for the tests: a served folder, a browser that is driven by mouse and keys."""

import base64
import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

SHOTS = os.environ.get("FEWCLICKS_SHOTS")
"""The folder for pictures of the page, where one wants to look at them."""
SIZE = (120, 80)
"""Of the photos of `make_folder`."""
WAIT_MS = int(os.environ.get("FEWCLICKS_WAIT_MS", "120000"))
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


class Server:
    """`fewclicks annotate` as a process of its own, which can be killed and started again at the same address."""

    def __init__(self, folder, method="grow", program=("-m", "fewclicks")):
        self.folder, self.method, self.program = folder, method, program
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/"
        self.process = None
        self.start()

    def start(self):
        command = ["annotate", str(self.folder), "--no-browser", "--port", str(self.port), "--method", self.method]
        command.append("--no-token")  # the machine of the tests may have several users
        self.process = subprocess.Popen(
            [sys.executable, *self.program, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert any("Annotate at" in line for line in self.process.stdout), "the server did not start"

    def kill(self):
        """As when the machine dies."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def get(self, path):
        with urllib.request.urlopen(f"{self.address}api/v1{path}", timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body[:1] in b"[{" else body

    def send(self, method, path, body, kind="application/json"):
        """A request with a body."""
        request = urllib.request.Request(f"{self.address}api/v1{path}", body, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def place(self, photo, mask):
        """A finished object with this mask."""
        file = io.BytesIO()
        PIL.Image.fromarray(mask).save(file, "PNG")
        png = base64.b64encode(file.getvalue()).decode()
        path = f"/objects/{uuid.uuid4()}"
        action = {"action_id": str(uuid.uuid4()), "kind": "mask", "png": png}
        self.send("PUT", path, json.dumps({"photo_id": photo, "class_id": 1}).encode())
        self.send("POST", f"{path}/actions", json.dumps(action).encode())
        self.send("PATCH", path, json.dumps({"state": "done"}).encode())

    def objects(self, photo=1):
        return self.get(f"/photos/{photo}")["objects"]

    def mask(self, object_id):
        with PIL.Image.open(io.BytesIO(self.get(f"/objects/{object_id}/mask"))) as picture:
            return np.asarray(picture)


class Screen:
    """One tab, and what a user does in it. Points are pixels of the photo."""

    def __init__(self, page, address, photo=1, first=False):
        self.page = page
        page.set_default_timeout(WAIT_MS)
        if not first:  # the steps of a first visit were seen
            page.add_init_script("localStorage.setItem('fewclicks.tour', 'done')")
        self.wrong = []
        page.on("pageerror", lambda error: self.wrong.append(error.message))
        page.on("console", lambda message: message.type == "error" and self.wrong.append(message.text))
        page.goto(f"{address}#photo={photo}", wait_until="commit", timeout=WAIT_MS)
        self.opened()

    def opened(self):
        """Wait until the photo is drawn and its neighbour is not in the way."""
        self.page.locator("#photo-place").filter(has_text="/").wait_for(state="attached")
        for _ in range(WAIT_MS // 100):
            if self.rect():
                return
            time.sleep(0.1)
        raise AssertionError("the photo was not drawn")

    def rect(self):
        """Where the photo lies on the stage: x0, y0, x1, y1; None while it is not drawn."""
        return self.page.evaluate("""() => {
            const canvas = document.getElementById('photo');
            const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let box = null;
            for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (data[(y * width + x) * 4 + 3]) {
                box ??= [x, y, x, y];
                box = [Math.min(box[0], x), box[1], Math.max(box[2], x + 1), y + 1];
            }
            return box;
        }""")

    def at(self, x, y, size):
        """The place on the page of a point of a photo of this size (width, height)."""
        x0, y0, x1, y1 = self.rect()
        stage = self.page.locator("#stage").bounding_box()
        across, down = (x + 0.5) / size[0], (y + 0.5) / size[1]
        return stage["x"] + x0 + across * (x1 - x0), stage["y"] + y0 + down * (y1 - y0)

    def click(self, x, y, size, button="left", **more):
        self.page.mouse.click(*self.at(x, y, size), button=button, **more)

    def saved(self):
        """Wait until all is saved."""
        self.page.locator("#saved").filter(has_text=re.compile("^Saved$")).wait_for(state="attached")

    def key(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def rows(self):
        """The lines of the list of objects."""
        return [row.inner_text() for row in self.page.locator("#object-list .row").all()]

    def drawn(self):
        """The mask that is on the screen: where the masks' canvas is not clear, at 100 %."""
        x0, y0, x1, y1 = self.rect()
        text = self.page.evaluate(
            """([x, y, width, height]) => {
            const {data} = document.getElementById('masks').getContext('2d').getImageData(x, y, width, height);
            let bits = '';
            for (let i = 3; i < data.length; i += 4) bits += String.fromCharCode(data[i] ? 1 : 0);
            return btoa(bits);
        }""",
            [x0, y0, x1 - x0, y1 - y0],
        )
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(y1 - y0, x1 - x0) > 0

    def is_now(self, ask, wanted=True):
        """Wait until `ask()` is what is wanted."""
        end = time.monotonic() + WAIT_MS / 1000
        while (found := ask()) != wanted:
            assert time.monotonic() < end, f"{found!r} instead of {wanted!r}"
            self.page.wait_for_timeout(50)  # the browser's events are heard meanwhile


@contextlib.contextmanager
def browser():
    """Chromium; skipped by the caller where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def require_chromium():
    """Skip the file of tests that asks for it where there is no browser, or nothing to drive it with."""
    pytest.importorskip("playwright", reason="the page is tested with playwright; install the extra dev")
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no Chromium; on Debian: apt install chromium", allow_module_level=True)


def shot(screen, name):
    """Keep a picture of the page, where there is a folder for it."""
    if SHOTS:
        screen.page.screenshot(path=Path(SHOTS) / f"{name}.png")


def drag(screen, *points, button="left"):
    """Draw from point to point of the photo, and wait until it is saved."""
    draw(screen, *(screen.at(*point, SIZE) for point in points), button=button)
    screen.saved()


def draw(screen, *places, button="left"):
    """Draw from place to place of the page."""
    mouse = screen.page.mouse
    mouse.move(*places[0])
    mouse.down(button=button)
    for place in places[1:]:
        mouse.move(*place, steps=4)
    mouse.up(button=button)


@contextlib.contextmanager
def slow(screen, url):
    """What the page asks for at addresses like this does not reach the server before the end."""
    held = []
    screen.page.route(url, lambda route: held.append(route))
    yield held
    for route in held:
        route.continue_()
    screen.page.unroute(url)


def kinds(server, object_id):
    """The actions in the journal of an object."""
    return [line["kind"] for line in server.get(f"/objects/{object_id}/journal")["items"] if line["kind"] != "change"]
