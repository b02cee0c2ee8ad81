"""A served folder for the tests of the annotator: photos of a bright box, the method `grow`."""

import atexit
import base64
import io
import threading
import uuid
from unittest import mock

import numpy as np
import PIL.Image
from starlette.testclient import TestClient

from fakes import gradient
from fewclicks.annotator.server.app import application
from fewclicks.annotator.services import decoder
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.services.child_pipe import ChildPipe
from fewclicks.annotator.services.model import Model
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.store.objects import Store
from fewclicks.methods import grow

OWN = "http://127.0.0.1:8000"
API = "/api/v1"
BOX = (30, 20, 90, 60)
"""x0, y0, x1, y1 of the box in the photos."""


def photo(hw=(80, 120)):
    image = gradient(*hw) // 3
    image[20:60, 30:90] = (250, 240, 20)
    return image


def truth():
    mask = np.zeros((80, 120), bool)
    mask[20:60, 30:90] = True
    return mask


def make_folder(root, names=("a.png", "b.jpg", "c.png")):
    root.mkdir(exist_ok=True)
    for name in names:
        PIL.Image.fromarray(photo()).save(root / name)
    return root


class SharedChild:
    """A process that decodes, for all servers of a run of tests: to start one takes longer than most tests."""

    def __init__(self):
        self._pipe, self._lock = (
            ChildPipe("fewclicks.annotator.services.decoder_child", decoder.TIMEOUT_S),
            threading.Lock(),
        )
        atexit.register(self._pipe.close)

    @property
    def process(self):
        return self._pipe.process

    def start(self):
        with self._lock:
            self._pipe.start()

    def ask(self, *question):
        with self._lock:
            return self._pipe.ask(*question)

    def close(self):
        """It goes on for the next server."""


CHILD = SharedChild()


def annotator_of(root, model, database=None):
    with mock.patch.object(decoder, "ChildPipe", return_value=CHILD):
        return Annotator(PhotoFolder(root), Store(database or root), model)


def client_of(root, predictor=None, policy=None, rates=None, database=None):
    """A client in whose `with` the server runs."""
    model = Model(load=lambda: (predictor or grow.build(), "grow"), name="grow")
    annotator = annotator_of(root, model, database)
    client = TestClient(application(annotator, policy, rates), base_url=OWN, follow_redirects=False)
    client.annotator = annotator
    return client


class Api:
    """The API as a script uses it; every answer is checked for its status."""

    def __init__(self, client):
        self.client = client

    def __call__(self, method, path, json=None, status=200, **more):
        answer = self.client.request(method, API + path, json=json, **more)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer

    def new(self, photo_id=1):
        return self("PUT", f"/objects/{uuid.uuid4()}", {"photo_id": photo_id, "class_id": 1})

    def act(self, object_id, kind, status=200, **fields):
        body = {"action_id": str(uuid.uuid4()), "kind": kind, **fields}
        return self("POST", f"/objects/{object_id}/actions", body, status)

    def click(self, object_id, x, y, positive=True, **fields):
        return self.act(object_id, "click", x=x, y=y, positive=positive, **fields)

    def step(self, object_id, which, status=200, **fields):
        return self("POST", f"/objects/{object_id}/{which}", {"action_id": str(uuid.uuid4()), **fields}, status)

    def mask(self, object_id):
        return unpng(self("GET", f"/objects/{object_id}/mask").content)


def journal(store, photo_id):
    """All that was ever done to the objects of a photo, in order."""
    lines = [line for info in store.objects(photo_id, deleted=True) for line in store.lines(info.id)]
    return sorted(lines, key=lambda line: line.id)


def unpng(data):
    """The pixels of a mask PNG."""
    with PIL.Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "1")
        return np.asarray(picture)


def png(mask):
    file = io.BytesIO()
    PIL.Image.fromarray(mask).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def patched(mask, patch):
    """The mask after a patch."""
    mask = mask.copy()
    if patch is not None:
        x0, y0, x1, y1 = patch["box"]
        mask[y0:y1, x0:x1] = unpng(base64.b64decode(patch["png"]))
    return mask
