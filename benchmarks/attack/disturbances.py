"""What machines do to servers: a full disk, a folder that becomes read-only, a second server, a clock set back.

Three clients act before, during and after. Nothing that was answered may be missing; what cannot be done is refused by
a sentence that says what to do, never by an answer of 500 or a traceback; and when it is over, all goes on by itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attack.clients import GONE, Client, Refused
from attack.kills import ACTORS, HEIGHT, WIDTH, Actor, Answered
from attack.record import Entry, Limits, Record
from attack.servers import NoServer, Started, environment, make_photos
from fewclicks.annotator.store.objects import Store

ROOM_MB = 24
WANTED: Limits = {
    "disturbances": ("at least", 6),
    "answered": ("at least", 500),
    "lost": ("at most", 0),
    "answers of 500": ("at most", 0),
    "tracebacks": ("at most", 0),
    "no sentence": ("at most", 0),
    "did not go on": ("at most", 0),
}
LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)


class Impossible(Exception):
    """This machine does not let us do it: the reason."""


class Scene:
    """A folder with a server and three clients."""

    def __init__(self, entry: Entry, folder: Path, seed: int, what: str) -> None:
        self.entry, self.folder, self._seed, self._what = entry, folder, seed, what
        make_photos(folder, [f"photo{n + 1}.png" for n in range(ACTORS)], WIDTH, HEIGHT)
        self.answered = Answered()
        self.refusals: list[str] = []
        self.actors = [Actor(n, seed, self.answered, self._refused) for n in range(ACTORS)]

    def fault(self, count: str, what: str) -> None:
        """Tell a fault of this scene."""
        self.entry.fault(count, f"{self._what}: {what}", f"make attack ONLY=disturbances SEED={self._seed}")

    def _refused(self, count: str, what: str) -> None:
        self.refusals.append(what)
        if ": 500:" in what:
            self.fault("answers of 500", what)

    def act(self, ports: list[int], seconds: float) -> None:
        """Have the clients act for a while, spread over the servers; what is refused they try again."""
        stop = threading.Event()

        def work(number: int, actor: Actor) -> None:
            while not stop.is_set():
                actor.act(ports[number % len(ports)], stop)
                time.sleep(0.05)

        threads = [threading.Thread(target=work, args=(n, actor)) for n, actor in enumerate(self.actors)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join()

    def refused_with(self, port: int, words: tuple[str, ...]) -> None:
        """One more action must be refused by a sentence with one of these words."""
        client = Client(port, "127.0.5.9")
        try:
            client.new(1, 1)
        except Refused as error:
            if error.status == 500:
                self.fault("answers of 500", str(error))
            elif not any(word in error.text.lower() for word in words):
                self.fault("no sentence", str(error))
            self.entry.add(**{"refused with a sentence": 1})
        except GONE as error:
            self.fault("no sentence", f"the server hung up: {error!r}")
        else:
            self.fault("no sentence", "it was done")
        finally:
            client.close()

    def while_read_only(self, server: Started, words: tuple[str, ...]) -> Started | None:
        """Act while nothing can be written: the server refuses, or it was hit in the middle of a write and says so."""
        self.act([server.port], 2)
        if server.process.poll() is None:
            self.refused_with(server.port, words)
            self.can_be_looked_at(server.port)
            if server.process.poll() is None:
                return server
        said = server.said()
        if server.process.poll() != 1 or "failed during a write" not in said or "Traceback" in said:
            self.fault("did not go on", f"the server ended by itself with {server.process.poll()}: {said[-300:]}")
        self.entry.add(**{"ended with a sentence": 1})
        server.end()
        return None

    def can_be_looked_at(self, port: int) -> None:
        """What was done can be seen though nothing can be written."""
        client = Client(port, "127.0.5.9")
        try:
            client.ask("GET", "/photos/1")
        except (*GONE, Refused) as error:
            self.fault("no sentence", f"a photo cannot be looked at: {error!r}")
        finally:
            client.close()

    def goes_on(self, ports: list[int]) -> None:
        """After the disturbance the clients get answers again."""
        before = self.answered.count
        self.act(ports, 4)
        if self.answered.count <= before:
            self.fault("did not go on", f"the last refusals: {self.refusals[-2:]}")

    def compare(self) -> None:
        """All that was answered is there; the database is sound."""
        with Store(self.folder) as store:
            infos = [info for photo in store.photos() for info in store.objects(photo.id, deleted=True)]
            versions = {info.id: info.version for info in infos}
            for action_id, (object_id, _, _) in self.answered.actions.items():
                info = store.known(action_id)
                if info is None or info.id != object_id:
                    self.fault("lost", f"the action {action_id}")
            for object_id, version in self.answered.objects.items():
                if versions.get(object_id, 0) < version:
                    self.fault("lost", f"the object {object_id} at version {version}, kept {versions.get(object_id)}")
        self.entry.add(answered=self.answered.count, disturbances=1, refusals=len(self.refusals))

    def ended(self, server: Started) -> None:
        """Stop a server well, and look at what it printed."""
        said, code = server.said(), server.process.poll()
        if code is not None and code != 1:
            self.fault("did not go on", f"the server ended by itself with {code}: {said[200:2500]}")
        if "Traceback" in said:
            self.fault("tracebacks", said[said.index("Traceback") :][-400:])
        server.end()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of that size; Impossible where it cannot be mounted."""
    place = Path(tempfile.mkdtemp(prefix="attack-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    try:
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
            raise Impossible("a file system of its own can only be mounted by root, outside of most containers")
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)


def fill(place: Path) -> Path:
    """Fill the disk to the last byte; the file that does."""
    ballast = place / ".ballast"
    with contextlib.suppress(OSError), open(ballast, "ab", 0) as file:
        while True:
            file.write(bytes(4096))
    with contextlib.suppress(OSError), open(ballast, "ab", 0) as file:
        while True:
            file.write(b"\0")
    return ballast


def command_says(scene: Scene, words: tuple[str, ...], *arguments: str, **variables: str) -> None:
    """A command must end with 2 and one line that has one of the words."""
    done = subprocess.run(
        [sys.executable, "-m", "fewclicks", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**variables),
        timeout=120,
    )
    lines = done.stderr.strip().splitlines()
    if done.returncode != 2 or len(lines) != 1 or not any(word in lines[0].lower() for word in words):
        scene.fault("no sentence", f"fewclicks {arguments[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    scene.entry.add(**{"refused with a sentence": 1})


def full_disk(entry: Entry, seed: int) -> None:
    """The disk fills up while clients act, and is freed again."""
    with small_disk(ROOM_MB) as place:
        scene = Scene(entry, place, seed, "full disk")
        server = Started(place, "--no-import")
        scene.act([server.port], 3)
        ballast = fill(place)
        scene.act([server.port], 3)
        scene.refused_with(server.port, ("disk", "space", "full"))
        scene.can_be_looked_at(server.port)
        out = ["export", str(place), "--format", "coco"]
        command_says(scene, ("disk", "space", "written"), *out, "-o", str(place / "out"))
        ballast.unlink()
        scene.goes_on([server.port])
        if left := [name for name in os.listdir(place) if "out" in name]:
            scene.fault("no sentence", f"a refused export left {left}")
        scene.ended(server)
        scene.compare()


def full_temporary_folder(entry: Entry, seed: int) -> None:
    """Uploads and downloads go through a temporary folder that is full."""
    with small_disk(2) as temporary, tempfile.TemporaryDirectory(prefix="attack-full-") as folder:
        scene = Scene(entry, Path(folder), seed, "full temporary folder")
        server = Started(Path(folder), "--no-import", variables={"TMPDIR": str(temporary)})
        scene.act([server.port], 2)
        Client(server.port).raw("POST", "/export", b'{"format": "coco"}')  # it has chosen its temporary folder now
        fill(temporary)
        client = Client(server.port, "127.0.5.8")
        for method, path, body in (
            ("POST", "/import?name=a.zip", bytes(2**20)),
            ("POST", "/export", b'{"format": "coco"}'),
        ):
            status, found = client.raw(method, path, body)
            if status == 500:
                scene.fault("answers of 500", f"{path}: {found.decode()[:300]}")
            elif status < 400 or not any(word in found.decode().lower() for word in ("disk", "space", "full")):
                scene.fault("no sentence", f"{path}: {status} {found.decode('utf-8', 'replace')[:300]}")
            scene.entry.add(**{"refused with a sentence": 1})
        client.close()
        scene.goes_on([server.port])
        scene.ended(server)
        scene.compare()


def read_only(entry: Entry, seed: int) -> None:
    """Nothing in the folder may be written for a while; then its file system fails, and is mounted anew."""
    with own_disk() as (place, device):
        scene = Scene(entry, place, seed, "read-only folder")
        words = ("written", "read-only", "readonly", "permission", "permitted")
        server = Started(place, "--no-import")
        scene.act([server.port], 3)
        subprocess.run(["chattr", "-R", "+i", str(place)], capture_output=True, check=False)
        server = scene.while_read_only(server, words)
        subprocess.run(["chattr", "-R", "-i", str(place)], capture_output=True, check=False)
        server = server or Started(place, "--no-import")
        scene.goes_on([server.port])
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("the disk fails")  # it becomes read-only
        server = scene.while_read_only(server, words)
        if server:
            scene.ended(server)
        mount_anew(place)
        server = Started(place, "--no-import")
        scene.goes_on([server.port])
        scene.ended(server)
        scene.compare()


@contextmanager
def own_disk() -> Iterator[tuple[Path, str]]:
    """An ext4 file system in a file, and the name of its device; Impossible where there can be none."""
    place = Path(tempfile.mkdtemp(prefix="attack-disk-"))
    file = place.with_suffix(".img")
    file.write_bytes(bytes(64 * 2**20))
    try:
        for command in (["mkfs.ext4", "-q", str(file)], mounting(file, place)):
            if os.geteuid() != 0 or not shutil.which(command[0]):
                raise Impossible("a file system in a file needs root and mkfs.ext4")
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Impossible(f"a file system in a file cannot be mounted here ({done.stderr.strip()})")
        device = next(line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if f" {place} " in line)
        yield place, Path(device).name
    finally:
        subprocess.run(["chattr", "-R", "-i", str(place)], capture_output=True, check=False)
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)
        file.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)


def mounting(file: Path, place: Path) -> list[str]:
    """The command."""
    return ["mount", "-o", "loop,errors=remount-ro", str(file), str(place)]


def mount_anew(place: Path) -> None:
    """As after a failure: unmount, repair, mount."""
    file = place.with_suffix(".img")
    subprocess.run(["umount", str(place)], check=True, capture_output=True)
    subprocess.run(["e2fsck", "-p", "-f", str(file)], check=False, capture_output=True)
    subprocess.run(mounting(file, place), check=True, capture_output=True)


def two_servers(entry: Entry, seed: int) -> None:
    """Two servers on one folder; one of them is killed, and comes back."""
    with tempfile.TemporaryDirectory(prefix="attack-two-") as folder:
        scene = Scene(entry, Path(folder), seed, "two servers")
        servers = [Started(Path(folder), "--no-import") for _ in range(2)]
        ports = [server.port for server in servers]
        scene.act(ports, 4)
        scene.act(ports[::-1], 4)
        servers[1].end(signal.SIGKILL)
        scene.act(ports[:1], 2)
        servers[1] = Started(Path(folder), "--no-import")
        scene.goes_on([servers[0].port, servers[1].port])
        for server in servers:
            scene.ended(server)
        scene.compare()
        if scene.refusals:
            scene.fault("no sentence", f"something was refused: {scene.refusals[:2]}")


def clock(entry: Entry, seed: int) -> None:
    """The clock is set back by a day, then on by a year, while clients act."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None:
        raise Impossible("libfaketime is not installed; on Debian and Ubuntu: apt install faketime")
    with tempfile.TemporaryDirectory(prefix="attack-clock-") as folder:
        scene = Scene(entry, Path(folder) / "photos", seed, "clock")
        for actor in scene.actors:  # libfaketime lets no process wait for another by the clock that is not set
            actor.imports = False
        setting = Path(folder) / "clock"
        setting.write_text("+0\n")
        variables = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(setting),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
        server = Started(scene.folder, "--no-import", variables=variables)
        scene.act([server.port], 2)
        for moved in ("-1d", "+365d", "-3650d", "+0"):
            setting.write_text(f"{moved}\n")
            time.sleep(1.2)
            scene.goes_on([server.port])
        scene.ended(server)
        setting.write_text("-400d\n")  # and a start in the past
        server = Started(scene.folder, "--no-import", variables=variables)
        scene.goes_on([server.port])
        scene.ended(server)
        scene.compare()
        if scene.refusals:
            scene.fault("no sentence", f"something was refused: {scene.refusals[:2]}")


SCENES: dict[str, Callable[[Entry, int], None]] = {
    "full disk": full_disk,
    "full temporary folder": full_temporary_folder,
    "read-only folder": read_only,
    "two servers": two_servers,
    "clock set back": clock,
}


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """Each scene; again and again while there is time and not enough was tried."""
    entry = record.entry("disturbances", {"clients": ACTORS, "disk MB": ROOM_MB}, WANTED)
    only = os.environ.get("SCENES", "").split(",")
    for number in range(1 if quick else 2):
        for name, scene in SCENES.items():
            if only != [""] and name not in only:
                continue
            if time.monotonic() > until:
                break
            try:
                scene(entry, seed + number)
                entry.add(**{f"times: {name}": 1})
            except Impossible as error:
                print(f"  {name} is left out: {error}", flush=True)
                entry.put(**{f"left out: {name}": str(error)})
            except NoServer as error:
                entry.fault("did not go on", f"{name}: the server did not come up: {error}", f"seed {seed + number}")
    return entry
