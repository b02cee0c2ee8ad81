"""kill -9 of a server at random moments while three clients act on it; nothing that was answered may be missing.

Each round starts a server on the same annotations, compares everything that was ever answered with what the database
holds, lets three clients act, and kills: often the server alone, at times its children too, at times while it starts.
A client whose request was cut off sends it again, as the page does: it must be done exactly once.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import create_engine, select, text

from attack.clients import GONE, Client, Refused, patched, pixels
from attack.record import Entry, Limits, Record
from attack.servers import NoServer, Nursery, command, free_port, kill, make_photos, postgres, wait_for
from fewclicks.annotator.store.database import PLACE, url_of
from fewclicks.annotator.store.tables import ActionRow, ClassRow, ObjectRow, PhotoRow

WIDTH, HEIGHT = 160, 120
ACTORS = 3
FRESH = 20
"""The first kills are over databases that are only being made."""
MOST_ANSWERS, MOST_S = 50, 3.0
"""A round lasts until a random number of answers, and not longer than this."""
ACTIONS_AN_OBJECT = 25
WANTED: Limits = {
    "kills": ("at least", 1000),
    "lost": ("at most", 0),
    "differing": ("at most", 0),
    "done twice": ("at most", 0),
    "integrity faults": ("at most", 0),
    "failed starts": ("at most", 0),
    "bad answers": ("at most", 0),
}


@dataclass(slots=True)
class Answered:
    """All that servers have answered so far, as the database must have it. Threads may share it."""

    actions: dict[str, tuple[str, int, int | None]] = field(default_factory=dict)
    """Action -> its object, the object's version after it, the area of the mask it gave (None: of no new mask)."""
    changes: set[tuple[str, int]] = field(default_factory=set)
    """(object, version) of changes of class, name or state."""
    objects: dict[str, int] = field(default_factory=dict)
    """Object -> the highest version that was answered."""
    imported: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    masks: dict[str, tuple[int, NDArray[np.bool_]]] = field(default_factory=dict)
    """Object -> version, and the mask that its client puts together from the answers."""

    @property
    def count(self) -> int:
        """How many answers there are."""
        return sum(map(len, (self.actions, self.changes, self.objects, self.imported, self.classes)))

    def at(self, object_id: str, version: int) -> None:
        """An object was answered to have a version."""
        self.objects[object_id] = max(version, self.objects.get(object_id, 0))


class Actor:
    """A client that goes on where it was when its server is killed."""

    def __init__(self, number: int, seed: int, answered: Answered, fault: Callable[[str, str], None]) -> None:
        self.rng = random.Random(f"{seed} {number}")
        self._number, self._answered, self._fault = number, answered, fault
        self._photo_id = number + 1
        self._object_id = ""
        self._class_ids = [1]
        self._left = 0
        self.imports = number == 0
        """One client imports now and then: it takes seconds, and the others click meanwhile."""
        self._cut: Callable[[Client], None] | None = None
        """What was asked and not answered."""

    def act(self, port: int, stop: threading.Event) -> None:
        """Act until told to stop, or the server is gone."""
        client = Client(port, f"127.0.1.{self._number + 1}")
        try:
            while not stop.is_set():
                if self._cut is None:
                    self._cut = self._next()
                self._cut(client)
                self._cut = None
        except GONE:
            if self._cut is not None and self._cut.__name__ == "imported":  # an import is not sent again by itself
                self._cut = None
        except Refused as error:
            self._cut = None
            if error.status not in (409, 429, 503):
                self._fault("bad answers", f"client {self._number}: {error}")
        finally:
            client.close()

    def _next(self) -> Callable[[Client], None]:
        """The next thing to ask; asked again it is the same."""
        what = self.rng.random()
        if self._left <= 0:
            self._left, self._object_id = ACTIONS_AN_OBJECT, self._uuid()
            return self._create(self._object_id, self.rng.choice(self._class_ids))
        self._left -= 1
        if what < 0.01 and self.imports:
            return self._import(f"import-{self._uuid()[:18]}")
        if what < 0.02:
            return self._add_class(f"class {self._uuid()[:18]}")
        if what < 0.12:
            edit = self.rng.choice(
                [
                    {"class_id": self.rng.choice(self._class_ids)},
                    {"name": self._uuid()[:8]},
                    {"state": self.rng.choice(["open", "done"])},
                ]
            )
            return self._change(self._object_id, edit)
        action_id = self._uuid()
        if what < 0.22:
            return self._do("undo", {"action_id": action_id})
        if what < 0.30:
            return self._do("redo", {"action_id": action_id})
        return self._do("actions", {"action_id": action_id, **self._action()})

    def _action(self) -> dict[str, Any]:
        rng = self.rng
        x, y = rng.uniform(0, WIDTH - 1), rng.uniform(0, HEIGHT - 1)
        kind = rng.random()
        if kind < 0.5:
            return {"kind": "click", "x": x, "y": y, "positive": rng.random() < 0.7, "cfr": rng.randrange(2)}
        if kind < 0.9:
            points = [[x, y], [rng.uniform(0, WIDTH - 1), rng.uniform(0, HEIGHT - 1)]]
            return {"kind": "brush", "points": points, "radius_px": rng.uniform(1, 12), "erase": rng.random() < 0.4}
        if kind < 0.95:
            return {"kind": "clean", "fill_holes_px": rng.randrange(50), "drop_specks_px": rng.randrange(50)}
        return {"kind": "threshold", "value": rng.uniform(0.2, 0.8)}

    def _create(self, object_id: str, class_id: int) -> Callable[[Client], None]:
        def ask(client: Client) -> None:
            client.new(self._photo_id, class_id, object_id)
            self._answered.at(object_id, 1)
            self._answered.masks[object_id] = (1, np.zeros((HEIGHT, WIDTH), bool))

        return ask

    def _do(self, which: str, body: dict[str, Any]) -> Callable[[Client], None]:
        object_id = self._object_id

        def ask(client: Client) -> None:
            found = client.ask("POST", f"/objects/{object_id}/{which}", body)
            version, answered = found["object"]["version"], self._answered
            if version > answered.objects[object_id]:  # else there was nothing to undo or redo
                area = found["object"]["area_px"] if which == "actions" else None
                answered.actions[body["action_id"]] = (object_id, version, area)
            answered.at(object_id, version)
            answered.masks[object_id] = (version, patched(answered.masks[object_id][1], found["patch"]))

        return ask

    def _change(self, object_id: str, edit: dict[str, Any]) -> Callable[[Client], None]:
        def ask(client: Client) -> None:
            version = client.ask("PATCH", f"/objects/{object_id}", edit)["version"]
            if version > self._answered.objects[object_id]:
                self._answered.changes.add((object_id, version))
            self._answered.at(object_id, version)
            self._answered.masks[object_id] = (version, self._answered.masks[object_id][1])

        return ask

    def _add_class(self, name: str) -> Callable[[Client], None]:
        def ask(client: Client) -> None:
            try:
                self._class_ids.append(client.ask("POST", "/classes", {"name": name})["id"])
            except Refused as error:  # it was made before the answer was cut off
                if "there is a class" not in error.text.lower():
                    raise
            self._answered.classes.add(name)

        return ask

    def _import(self, label: str) -> Callable[[Client], None]:
        x, y = self.rng.randrange(8, WIDTH - 40), self.rng.randrange(8, HEIGHT - 40)
        data = _labelme(f"photo{self._photo_id}", label, x, y)

        def imported(client: Client) -> None:
            client.ask("POST", "/import?name=more.zip&format=labelme", data, "application/octet-stream")
            self._answered.imported.add(label)

        return imported

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))


def _labelme(stem: str, label: str, x: int, y: int) -> bytes:
    """A .zip with a LabelMe file of one object."""
    points = [[x, y], [x + 30, y], [x + 30, y + 25], [x, y + 25]]
    shape = {"label": label, "points": points, "shape_type": "polygon", "group_id": None, "flags": {}}
    about = {
        "version": "5.0.1",
        "imagePath": f"{stem}.png",
        "imageData": None,
        "imageWidth": WIDTH,
        "imageHeight": HEIGHT,
        "flags": {},
        "shapes": [shape],
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{stem}.json", json.dumps(about))
    return file.getvalue()


class Siege:
    """One database of annotations, the clients that write to it, and the servers that are killed over it."""

    def __init__(self, nursery: Nursery, entry: Entry, kind: str, url: str | None, seed: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="attack-kills-"))
        make_photos(self.folder, [f"photo{n + 1}.png" for n in range(ACTORS)], WIDTH, HEIGHT)
        self._nursery, self._entry, self._kind, self._url, self._seed = nursery, entry, kind, url, seed
        self._engine = create_engine(url_of(url or self.folder))
        self._log = self.folder / ".server.log"
        self._rng = random.Random(f"kills {kind} {seed}")
        self._rounds, self.rounds_of_new = 0, FRESH
        self._acting: list[threading.Thread] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the annotations: the next server makes its database."""
        self._engine.dispose()
        if self._url:
            with self._engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
        shutil.rmtree(self.folder / ".fewclicks", ignore_errors=True)
        self.answered = Answered()
        self._actors = [Actor(n, self._seed + self._rounds, self.answered, self._fault) for n in range(ACTORS)]

    def close(self) -> None:
        """Remove the folder."""
        self._engine.dispose()
        shutil.rmtree(self.folder, ignore_errors=True)

    def round(self, last: bool = False) -> None:
        """Start, compare, act, kill. `last`: compare every mask, and stop the server well."""
        self._rounds += 1
        fresh = self._rounds < self.rounds_of_new
        if fresh:
            self.begin_anew()
        port, before = free_port(), self.answered.count
        options = ["--no-import", *(["--database", self._url] if self._url else [])]
        pid = self._nursery.start(command(self.folder, port, *options), self._log)
        try:
            if (fresh or self._rng.random() < 0.1) and not last:  # while it starts
                time.sleep(self._rng.uniform(0, 0.4))
            else:
                wait_for(port, {"pid": pid})
                self._compare(port, every_mask=last)
                if not last:
                    self._act(port, before + self._rng.randrange(MOST_ANSWERS))
        except NoServer as error:
            self._fault("failed starts", f"{error}: {self._log.read_text('utf-8', 'replace')[-300:]}")
        finally:
            kill(pid, group=self._rng.random() < 0.3)
        for thread in self._acting:
            thread.join()
        self._acting = []
        self._entry.add(**{"kills": 1, f"kills {self._kind}": 1, "answered": self.answered.count - before})

    def _act(self, port: int, answers: int) -> None:
        """Have the clients act until there are so many answers, and a moment more; they still do when this returns."""
        stop = threading.Event()
        self._acting = [threading.Thread(target=actor.act, args=(port, stop)) for actor in self._actors]
        for thread in self._acting:
            thread.start()
        end = time.monotonic() + MOST_S
        while self.answered.count < answers and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(self._rng.uniform(0, 0.03))

    def _fault(self, count: str, what: str) -> None:
        how = f"make attack ONLY=kills SEED={self._seed}, {self._kind}, round {self._rounds}"
        self._entry.fault(count, what, how)

    def _compare(self, port: int, every_mask: bool) -> None:
        """Everything that was answered with what the database has, while the server runs."""
        if self._url is None:
            self._check_sqlite()
        with self._engine.connect() as connection:
            columns = (ActionRow.uuid, ActionRow.object_id, ActionRow.version, ActionRow.area_px, ActionRow.kind)
            rows = connection.execute(select(*columns)).all()
            objects = connection.execute(select(ObjectRow.id, ObjectRow.photo_id, ObjectRow.version)).all()
            photos = connection.execute(select(PhotoRow.id, PhotoRow.version)).all()
            classes = set(connection.scalars(select(ClassRow.name)))
        self._compare_rows(rows, objects, classes)
        versions = {row.id: row.version for row in objects}
        self._check_counts(rows, objects, {row.id: row.version for row in photos})
        recent = list(self.answered.masks)[-ACTORS:] if not every_mask else list(self.answered.masks)
        client = Client(port, "127.0.1.200")
        for object_id in recent:
            version, mask = self.answered.masks[object_id]
            if versions.get(object_id) == version:
                found = pixels(client.ask("GET", f"/objects/{object_id}/mask"))
                self._entry.counts["masks compared"] = self._entry.counts.get("masks compared", 0) + 1
                if not np.array_equal(found, mask):
                    self._fault("differing", f"the mask of {object_id} is not what the answers gave")
            elif version > 1 and every_mask:
                self._entry.counts["done without an answer"] = self._entry.counts.get("done without an answer", 0) + 1
        client.close()

    def _compare_rows(self, rows: Any, objects: Any, classes: set[str]) -> None:
        there = {row.uuid: (row.object_id, row.version, row.area_px) for row in rows}
        for action_id, (object_id, version, area) in self.answered.actions.items():
            found = there.get(action_id)
            if found is None:
                self._fault("lost", f"the action {action_id} of {object_id}")
            elif found[:2] != (object_id, version) or (area is not None and found[2] != area):
                self._fault("differing", f"the action {action_id}: answered {(object_id, version, area)}, kept {found}")
        changes = {(row.object_id, row.version) for row in rows if row.kind == "change"}
        versions = {row.id: row.version for row in objects}
        lost = [f"the change {change}" for change in self.answered.changes - changes]
        lost += [
            f"the object {key} at version {version}, kept {versions.get(key)}"
            for key, version in self.answered.objects.items()
            if versions.get(key, 0) < version
        ]
        lost += [f"the class '{name}'" for name in (self.answered.classes | self.answered.imported) - classes]
        for what in lost:
            self._fault("lost", what)

    def _check_counts(self, rows: Any, objects: Any, photos: dict[int, int]) -> None:
        """Versions count the lines of the journal: none is missing, none is there twice."""
        lines: dict[str, list[int]] = {}
        for row in rows:
            lines.setdefault(row.object_id, []).append(row.version)
        there = dict.fromkeys(photos, 1)
        for row in objects:
            own = sorted(lines.get(row.id, []))
            there[row.photo_id] += 1 + len(own)
            if own != list(range(2, row.version + 1)):
                self._fault(
                    "done twice", f"the object {row.id} has the version {row.version}, its lines say {own[-5:]}"
                )
        for photo_id, version in photos.items():
            if version < there[photo_id]:
                self._fault("integrity faults", f"photo {photo_id}: version {version}, {there[photo_id]} changes")

    def _check_sqlite(self) -> None:
        with closing(sqlite3.connect(self.folder / PLACE)) as raw:
            found = (
                raw.execute("PRAGMA integrity_check").fetchall() + raw.execute("PRAGMA foreign_key_check").fetchall()
            )
        if found != [("ok",)]:
            self._fault("integrity faults", str(found))


def attack(record: Record, seed: int, until: float, quick: bool = False) -> Entry:
    """Kill until as many kills are counted as are wanted, half of them over each database, or the time is over."""
    settings = {"clients": ACTORS, "photo": f"{WIDTH}x{HEIGHT}", "method": "grow"}
    entry = record.entry("kills", settings, WANTED)
    target = WANTED["kills"][1] / 2
    with Nursery() as nursery, postgres() as url:
        kinds: dict[str, str | None] = {"SQLite": None} | ({"PostgreSQL": url} if url else {})
        sieges = {kind: Siege(nursery, entry, kind, place, seed) for kind, place in kinds.items()}
        try:
            wanted = [kind for kind in sieges if entry.counts.get(f"kills {kind}", 0) < target]
            while wanted and time.monotonic() < until:
                for kind in wanted:
                    sieges[kind].round()
                wanted = [kind for kind in sieges if entry.counts.get(f"kills {kind}", 0) < target]
            for siege in sieges.values():
                siege.round(last=True)
        finally:
            for siege in sieges.values():
                siege.close()
    return entry
