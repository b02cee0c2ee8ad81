"""The annotator as a process: how it starts, what survives, how it ends. And what it says when it cannot start."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import httpx2
import numpy as np
import pytest

from annotating import Api, make_folder, patched, truth
from fewclicks.annotator.server import serve
from fewclicks.annotator.server.serve import Place, address_of, listen, policy_for
from fewclicks.cli import main
from fewclicks.errors import InputError
from fewclicks.evaluation.metrics import iou
from serving import PATIENCE_S, running


@pytest.fixture
def root(tmp_path):
    return make_folder(tmp_path / "photos")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server for tests that need none of their own."""
    with running(make_folder(tmp_path_factory.mktemp("shared") / "photos")) as served:
        yield served
        assert served.end()[0] == 0


def test_a_killed_server_has_lost_nothing_and_ends_well_the_second_time(root):
    with running(root) as first:
        assert "3 photos in" in first.said
        object_id = first.api.new()["id"]
        first.api.click(object_id, 60, 40)
        first.api.click(object_id, 80, 50, positive=False)
        mask = first.api.mask(object_id)
        first.api.step(object_id, "undo")
        code, _ = first.end(signal.SIGKILL)
        assert code == -signal.SIGKILL
    with running(root) as second:
        found = second.api("GET", f"/objects/{object_id}")
        assert (found["can_undo"], found["can_redo"], found["version"]) == (True, True, 4)
        assert iou(second.api.mask(object_id), truth()) > 0.9
        redone = second.api.step(object_id, "redo", if_version=4)
        assert np.array_equal(second.api.mask(object_id), mask)
        assert redone["object"]["clicks"] == [
            {"x": 60, "y": 40, "positive": True},
            {"x": 80, "y": 50, "positive": False},
        ]
        code, err = second.end()
        assert code == 0
        assert err.strip() == "Stopped."


def events(served, photo_id, into, ready):
    """Collect the events of a photo until the stream ends."""
    own = httpx2.Client(base_url=served.client.base_url, timeout=PATIENCE_S)
    with own, own.stream("GET", f"/api/v1/photos/{photo_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in answer.iter_lines():
            ready.set()
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                into.append((kind, json.loads(line.removeprefix("data: "))))


@pytest.mark.slow
def test_a_second_client_hears_what_the_first_does_and_loses_nothing(root):
    with running(root) as served:
        heard, ready = [], threading.Event()
        listening = threading.Thread(target=events, args=(served, 1, heard, ready))
        listening.start()
        assert ready.wait(PATIENCE_S)
        object_id = served.api.new()["id"]
        mask = patched(np.zeros((80, 120), bool), served.api.click(object_id, 60, 40, if_version=1)["patch"])
        late = served.api.act(object_id, "click", status=409, x=10, y=10, if_version=1)
        assert late["current"]["version"] == 2
        again = served.api.click(object_id, 80, 50, positive=False, if_version=late["current"]["version"])
        mask = patched(mask, again["patch"])
        served.api.new(photo_id=2)
        served.api("POST", "/classes", {"name": "cat"}, 201)
        with httpx2.Client(base_url=served.client.base_url, timeout=PATIENCE_S) as second:
            assert np.array_equal(Api(second).mask(object_id), mask)
        code, err = served.end()
        listening.join(PATIENCE_S)
        assert (code, err.strip()) == (0, "Stopped.")
    objects = [data for kind, data in heard if kind == "object"]
    assert [(data["id"], data["version"]) for data in objects] == [(object_id, n) for n in (1, 2, 3)]
    assert {kind for kind, _ in heard} == {"object", "photo", "classes"}
    assert {data["id"] for kind, data in heard if kind == "photo"} >= {1, 2}, "all photos are listed"


@pytest.mark.slow
def test_clicks_sent_at_once_by_many_are_all_done(shared):
    ids = [shared.api.new(photo_id)["id"] for photo_id in (1, 2, 3)]
    failures = []

    def annotate(number, object_id):
        with httpx2.Client(base_url=shared.client.base_url, timeout=PATIENCE_S) as client:
            for n in range(5):
                body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": 40 + n, "y": 30 + number}
                answer = client.post(f"/api/v1/objects/{object_id}/actions", json=body)
                if answer.status_code != 200:
                    failures.append(answer.text)

    threads = [threading.Thread(target=annotate, args=job) for job in enumerate(ids * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    for object_id in ids:
        found = shared.api("GET", f"/objects/{object_id}")
        assert (found["version"], len(found["clicks"])) == (11, 10)


def test_other_machines_need_the_token(root):
    with running(root, "--host", "0.0.0.0", FEWCLICKS_TOKEN="a-token-of-sixteen-letters") as served:
        token = served.address.split("?token=")[1]
        assert token == "a-token-of-sixteen-letters"
        served.api("GET", "/folder", status=401)
        served.api("POST", "/predict", {}, status=401)
        assert served.client.get("/").status_code == 401
        served.api("GET", "/folder", headers={"Authorization": f"Bearer {token}"})
        assert served.client.get(f"/?token={token}").status_code == 303
        served.api("GET", "/folder")
        assert served.client.get("/").status_code == 200
        served.api("GET", "/folder", status=403, headers={"Host": "evil.example"})


def test_real_requests_that_are_not_http_do_no_harm(shared):
    place = shared.client.base_url.host, shared.client.base_url.port
    for data in (
        b"\0" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 200_000,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n",
    ):
        with socket.create_connection(place, timeout=PATIENCE_S) as connection, contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1000)
            assert b" 200 " not in answer
    headers = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    shared.api("POST", "/classes", status=411, content=iter([b"{}"]), headers=headers)
    shared.api("GET", "/folder")


def test_the_scripts_of_the_documentation_run(shared, tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    before = len(shared.api("GET", "/photos/1")["objects"])
    script = "".join(blocks).replace("http://127.0.0.1:8000", str(shared.client.base_url).rstrip("/"))
    script = script.replace("examples/images/coffee.png", str(Path(__file__).parents[2] / "examples/images/coffee.png"))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mask.png").stat().st_size > 300
    assert "%" in done.stdout.splitlines()[-1]
    assert len(shared.api("GET", "/photos/1")["objects"]) == before + 1


def test_a_port_that_is_taken(root, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(serve, "PORT", port)
        with contextlib.closing(listen(Place())) as found:
            assert found.getsockname()[1] != port
        with pytest.raises(InputError, match=f"port {port} is taken"):
            listen(Place(port=port))


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_of_this_machine(host):
    with pytest.raises(InputError, match=f"cannot listen on '{host}'"):
        listen(Place(host=host))


@pytest.mark.parametrize(
    ("host", "token", "address"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000/"),
        ("::1", None, "http://[::1]:8000/"),
        ("localhost", None, "http://localhost:8000/"),
        ("192.168.0.7", "t", "http://192.168.0.7:8000/?token=t"),
        ("0.0.0.0", "t", f"http://{serve.own_name()}:8000/?token=t"),
    ],
)
def test_the_address(host, token, address):
    assert address_of(host, 8000, token) == address


def test_only_loopback_does_without_a_token(monkeypatch):
    monkeypatch.delenv("FEWCLICKS_TOKEN", raising=False)
    for host in ("127.0.0.1", "localhost", "::1"):
        assert policy_for(Place(host=host), 8000, shared=lambda: False).token is None
    for host in ("0.0.0.0", "::", "192.168.0.7", "example.org"):
        policy = policy_for(Place(host=host, names=("Photos.example",)), 8000)
        assert len(policy.token) > 30
        assert policy.knows("photos.example:8000")
        assert not policy.knows("evil.example")
        assert policy.token != policy_for(Place(host=host), 8000).token
    monkeypatch.setenv("FEWCLICKS_TOKEN", "short")
    with pytest.raises(InputError, match="too weak"):
        policy_for(Place(host="0.0.0.0"), 8000)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere",), "no folder at 'nowhere'"),
        (("photos/a.png",), "is a file; name the folder that it lies in: 'photos'"),
        (("empty", "--pre"), "there are no photos in 'empty'"),
        (("photos", "--method", "grwo"), "did you mean 'grow'"),
        (("photos", "--method", "weights.onnx"), "no weights at 'weights.onnx'"),
        (("photos", "--cfr", "9"), "0 to 8 times"),
        (("photos", "--port", "99999"), "--port"),
        (("photos", "--host", "192.0.2.1"), "cannot listen on '192.0.2.1'"),
        (("photos", "--database", "file.db"), "sqlite:///file.db"),
        (("photos", "--database", "odd://x"), "database"),
        (("photos", "--set", "odd"), "no setting"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(root, arguments, says, capsys, monkeypatch):
    monkeypatch.chdir(root.parent)
    (root.parent / "empty").mkdir()
    with pytest.raises(SystemExit) as end:
        main(["annotate", *arguments, "--no-browser"])
    captured = capsys.readouterr()
    assert end.value.code == 2
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_keeps_its_annotations_elsewhere(root, tmp_path):
    url = f"sqlite:///{tmp_path / 'kept' / 'all.sqlite'}"
    with running(root, "--database", url) as served:
        object_id = served.api.new()["id"]
        served.api.click(object_id, 60, 40)
    assert not (root / ".fewclicks").exists()
    with running(root, FEWCLICKS_DATABASE=url) as served:
        assert served.api("GET", f"/objects/{object_id}")["version"] == 2


def test_the_first_answer_does_not_wait_for_the_model(root, monkeypatch):
    from annotating import client_of

    gate = threading.Event()
    client = client_of(root)
    load = client.annotator.objects.model.load
    slow = type(client.annotator.objects.model)(load=lambda: gate.wait() and load(), name="grow")
    client.annotator.objects.model = slow
    with client:
        api = Api(client)
        assert not api("GET", "/folder")["ready"]
        assert api("GET", "/photos/1")["photo"]["width"] == 120
        assert api("GET", "/photos/1/view").content
        answers = []
        object_id = str(uuid.uuid4())

        def click():
            api("PUT", f"/objects/{object_id}", {"photo_id": 1, "class_id": 1})
            answers.append(api.click(object_id, 60, 40))

        waiting = threading.Thread(target=click)
        waiting.start()
        time.sleep(0.05)
        assert not answers
        gate.set()
        waiting.join()
        assert iou(patched(np.zeros((80, 120), bool), answers[0]["patch"]), truth()) > 0.9


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="there is no such signal")
def test_a_disk_that_fails_during_a_write_is_said_at_the_end(root):
    with running(root) as served:
        code, err = served.end(signal.SIGBUS)
    assert code == 1
    assert re.fullmatch(r"fewclicks: the disk of \S+ failed during a write; see that .* answered is saved\n", err), err
