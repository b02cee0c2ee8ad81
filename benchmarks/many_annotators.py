"""Measure many annotators on two servers behind nginx, with PostgreSQL and photos in an S3-like store: none is lost.

    python benchmarks/many_annotators.py --json results/many_annotators.json    (after make test-integrations ONLY=s3)

All is real and on this machine: nginx with deploy/nginx.conf (without TLS), PostgreSQL, moto's S3 server, two servers
of `fewclicks annotate s3://...`. Each annotator has a browser's cookies and an object, and clicks at an even pace. With
`--kill` one server dies by SIGKILL in the middle; annotators then say a click again, as the page does, under its id.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from fewclicks.files.replace import write_json

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
S3 = Path(os.environ.get("FEWCLICKS_ENVIRONMENTS") or ROOT / "out" / "environments") / "s3" / "bin"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PHOTOS = 8
TRIES = 200
UPLOAD = """
import sys, io, s3fs, PIL.Image
store = s3fs.S3FileSystem()
store.mkdir("bucket")
picture = PIL.Image.open(sys.argv[1]).convert("RGB").resize((640, 480))
for n in range(int(sys.argv[2])):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90 - n)
    store.pipe(f"bucket/photos/{n}.jpg", file.getvalue())
"""


@contextmanager
def running(command: list[str], environment: dict[str, str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process until the end."""
    process = subprocess.Popen(command, env=environment, text=True, **more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, seconds: float = 300) -> None:
    """Wait until somebody listens."""
    ends = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)


def configuration(place: Path, port: int, servers: list[int]) -> Path:
    """The file deploy/nginx.conf, as it is on one machine and without TLS."""
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    text = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{port};", text)
    text = re.sub(r"\n *ssl_certificate.*", "", text).replace(" Secure;", "").replace("photos.example", "127.0.0.1")
    for number, server in enumerate(servers, start=1):
        text = text.replace(f"annotate-{number}:8000", f"127.0.0.1:{server}")
    text = text.replace("/var/log/nginx/access.log", str(place / "access.log"))
    temporary = "".join(
        f"{kind}_temp_path {place}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", "http {\n" + temporary, 1)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(f"{user}daemon off; pid {place}/nginx.pid; error_log {place}/error.log;\n{text}")
    return place / "nginx.conf"


@contextmanager
def served(method: str, workers: int) -> Iterator[tuple[str, list[subprocess.Popen[str]], Path]]:
    """All of it: the address of nginx, the two servers, the folder with nginx's log."""
    import postgres
    from programs import free_port

    if NGINX is None or not (S3 / "moto_server").exists():
        raise SystemExit("this needs nginx (apt install nginx) and moto (make test-integrations ONLY=s3)")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store, front, *ports = (free_port() for _ in range(4))
        environment = {
            **os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store}", "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
            "FEWCLICKS_DATABASE": stack.enter_context(postgres.server()),
        }  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        stack.enter_context(running([str(S3 / "moto_server"), "-p", str(store)], environment, **quiet))
        wait_for(store)
        example = str(ROOT / "examples" / "images" / "coffee.png")
        subprocess.run([str(S3 / "python"), "-c", UPLOAD, example, str(PHOTOS)], env=environment, check=True)
        servers = []
        for port in ports:
            command = [str(S3 / "python"), "-m", "fewclicks", "annotate", "s3://bucket/photos", "--port", str(port)]
            command += ["--no-browser", "--no-token", "--proxy", "127.0.0.1", "--method", method, "--threads", "1"]
            command += ["--workers", str(workers)]
            own = {**environment, "FEWCLICKS_CACHE": str(place / f"cache-{port}")}
            servers.append(stack.enter_context(running(command, own, stdout=subprocess.DEVNULL)))
            wait_for(port)
        stack.enter_context(
            running([NGINX, "-p", str(place), "-c", str(configuration(place, front, ports))], environment)
        )
        wait_for(front)
        yield f"http://127.0.0.1:{front}/api/v1", servers, place


class Annotator:
    """A person with a browser: an object of their own, clicks at an even pace, each until it is answered."""

    def __init__(self, address: str, number: int) -> None:
        self.http = httpx2.Client(base_url=address, timeout=120)
        self.photo, self.object = 1 + number % PHOTOS, str(uuid.uuid4())
        self.trips: list[float] = []
        self.again = 0

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer; what cannot be answered now is asked again."""
        for _ in range(TRIES):
            try:
                answer = self.http.request(method, path, json=body)
                if answer.status_code < 500 and answer.status_code != 429:
                    answer.raise_for_status()
                    return answer.json()
            except httpx2.TransportError:
                pass
            self.again += 1
            time.sleep(0.5)
        raise TimeoutError(f"{method} {path} is not answered")

    def annotate(self, clicks: int, rate: float, began: float) -> None:
        """Make an object and click."""
        self.ask("PUT", f"/objects/{self.object}", {"photo_id": self.photo, "class_id": 1})
        for number in range(clicks):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            x, y = 260 + 17 * (number * 7 % 12), 90 + 13 * (number * 5 % 12)
            body = {"action_id": str(uuid.uuid4()), "kind": "click", "x": x, "y": y, "positive": number % 3 != 2}
            start = time.monotonic()
            self.ask("POST", f"/objects/{self.object}/actions", body)
            self.trips.append(1000 * (time.monotonic() - start))


def measure(annotators: int, clicks: int, rate: float, method: str, workers: int, kill: bool) -> dict[str, Any]:
    """Let them annotate at the same time; what was answered, and what is kept."""
    before_the_kill = 0
    with served(method, workers) as (address, servers, place), ExitStack() as stack:
        people = [Annotator(address, number) for number in range(annotators)]
        stack.callback(lambda: [person.http.close() for person in people])
        for person in people:
            person.ask("GET", f"/photos/{person.photo}")
        now, errors = time.monotonic(), list[str]()

        def work(person: Annotator, start: float) -> None:
            try:
                person.annotate(clicks, rate, start)
            except Exception as error:  # whatever it is, it is to be told
                errors.append(repr(error))

        starts = [now + n / annotators / rate for n in range(annotators)]
        threads = [threading.Thread(target=work, args=pair) for pair in zip(people, starts, strict=True)]
        for thread in threads:
            thread.start()
        if kill:
            while sum(len(person.trips) for person in people) < annotators * clicks // 3 and not errors:
                time.sleep(0.1)
            servers[0].send_signal(signal.SIGKILL)
            before_the_kill = sum(len(person.trips) for person in people)
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - now
        kept = sum(len(people[0].ask("GET", f"/objects/{person.object}")["clicks"]) for person in people)
        log = (place / "access.log").read_text()
    trips = [trip for person in people for trip in person.trips]
    shares = Counter(match for match in re.findall(r"/actions 200 127\.0\.0\.1:(\d+)", log))
    return {
        "annotators": annotators, "clicks": len(trips), "errors": errors, "lost": len(trips) - kept,
        "asked_again": sum(person.again for person in people), "killed": int(kill),
        "clicks_after_the_kill": len(trips) - before_the_kill if kill else None, "seconds": round(seconds, 1),
        "clicks_per_s": round(len(trips) / seconds, 2), "clicks_of_each_server": sorted(shares.values()),
        "trip_ms": {"median": round(median(trips), 1), "p95": round(quantiles(trips, n=20)[-1], 1)},
        "workers_each": workers, "method": method, "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def main() -> None:
    """Measure and print; write the figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotators", type=int, default=64)
    parser.add_argument("--clicks", type=int, default=12, help="of each")
    parser.add_argument("--rate", type=float, default=0.1, help="clicks a second of each")
    parser.add_argument("--method", default="default")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = measure(asked.annotators, asked.clicks, asked.rate, asked.method, asked.workers, asked.kill)
    print(json.dumps(found, indent=1))
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
