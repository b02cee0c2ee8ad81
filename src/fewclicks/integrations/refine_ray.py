"""Correct masks on a cluster: Ray Data reads the photos, a pool of actors runs the cascade, the driver writes shards.

photos ── read (tasks) ── Found ── cascade (actors, a session of one thread each) ── parts ── driver ── shards ── OUT

A row is a photo. The driver puts each row into the document that it is of, once: an actor or a machine that is lost
costs the rows that it held, which are computed again. A shard is written when the last of its photos is there; a driver
that is started again does the shards that are not written.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any

from fewclicks.config import ResolvedPredictor
from fewclicks.errors import InputError, MissingExtra, one_line
from fewclicks.formats.matching import Photos
from fewclicks.formats.reading import read_json as read_annotations
from fewclicks.images.reading import read_image
from fewclicks.integrations.mask_sets import (
    CocoDocument,
    LabelmeDocument,
    MaskedPhoto,
    entries_of,
    labelme_files,
)
from fewclicks.integrations.photo_stores import FileStore, Found, Store, Unlisted, store_at
from fewclicks.integrations.refine import (
    Job,
    Refined,
    Rules,
    claim,
    documents,
    join,
    refine_masks,
    unknown_clicks,
    write_shard,
)
from fewclicks.integrations.shards import WHOLE
from fewclicks.types import Image

PHOTOS_A_SHARD = 1000
SHARDS = 1000
"""There are at most so many shards, unless more are asked for."""
BATCH = 4
"""Photos that an actor is given at once."""
STARTS = 4
"""How often a cluster of one machine is started: Ray waits for it half a minute, which a busy machine may not make."""
READER_CPUS = 0.25
"""What a task that reads takes of a core: it mostly waits."""
PHOTOS_A_BLOCK = 8
"""What a task reads: each task costs the driver some milliseconds, which few photos must not pay alone."""
BLOCKS = 200
"""There are at most so many tasks that read, unless there are many actors."""
BLOCKS_AN_ACTOR = 4
"""There are at least so many, so that no actor ends long before the others."""
BLOCK_BYTES = 8 * 2**20
"""Of photos that are handed on together: what is computed again where an actor is lost."""
TOKEN = "~/.ray/auth_token"
"""What `ray start` writes on the machine that it is said on."""
TRIES = 3
"""So often a photo is tried where the actor dies meanwhile; then the photo is taken for the cause."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which machines do it. `address`: of a cluster of Ray ("auto": the one that runs here); None: this machine.

    `actors` None: one for each core but one, which reads.
    """

    address: str | None = None
    actors: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One photo, as an actor needs it; `names`: what its file may be called."""

    name: str
    hw: tuple[Any, Any]
    part: bytes
    rules: Rules
    file: str


@dataclass(slots=True)
class _Work:
    """A shard that is not done: its documents, and what is still to come."""

    job: Job
    documents: list[CocoDocument | LabelmeDocument]
    rows: list[Refined]
    """Of files that cannot be read."""
    done: dict[int, list[Refined]] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)

    def write(self, print_of: str) -> None:
        """Write the shard, of which nothing is to come any more, and let go of it."""
        rows = self.rows + [row for number in sorted(self.done) for row in self.done[number]]
        write_shard(self.job, print_of, rows + unknown_clicks(self.job, rows), self.documents)
        self.documents, self.done = [], {}


@dataclass(frozen=True, slots=True)
class _Photo:
    """A photo that is to be done, and the shard that waits for it."""

    work: _Work
    photo: MaskedPhoto


class _Driver:
    """Puts what comes back into the documents, each photo once, and writes a shard when its last one is there."""

    def __init__(self, works: Sequence[_Work], print_of: str, progress: Callable[[str, int], object]) -> None:
        self.pending: dict[int, _Photo] = {}
        self._print_of = print_of
        self._progress = progress
        for work in works:
            for document in work.documents:
                for photo in document:
                    work.waiting.add(len(self.pending))
                    self.pending[len(self.pending)] = _Photo(work, photo)
            if not work.waiting:
                work.write(print_of)
        for number in [number for number, found in self.pending.items() if found.photo.file is None]:
            self.fail(number, "the photo is not where the photos are")

    def settle(self, number: int, rows: Sequence[Refined], part: Any = None) -> None:
        """Take in what became of a photo; what comes a second time, as it was computed again, is left."""
        found = self.pending.pop(number, None)
        if found is None:
            return
        if part is not None:
            found.photo.exchange(part)
        labels = (entry.label for entry in found.photo.entries)
        found.work.done[number] = [replace(row, label=label) for row, label in zip(rows, labels, strict=True)]
        found.work.waiting.discard(number)
        self._progress(found.photo.name, len(rows))
        if not found.work.waiting:
            found.work.write(self._print_of)

    def fail(self, number: int, problem: str) -> None:
        """Leave the masks of a photo as they are, and say why."""
        photo = self.pending[number].photo
        self.settle(number, [Refined(entry.key, photo.name, problem=problem) for entry in photo.entries])

    def run(self, pool: _Pool, resolved: ResolvedPredictor, store: Store) -> None:
        """Have all photos done."""
        notes: list[str] = []
        for row in pool.rows(resolved, store, self.pending):
            if row["number"] < 0:
                notes.append(row["result"])
                continue
            answer = json.loads(row["result"])
            self.settle(row["number"], [Refined(**each) for each in answer["rows"]], answer["part"])
        why = "it could not be computed" if isinstance(store, FileStore) else "the photo is in no archive"
        for number in list(self.pending):
            self.fail(number, "; ".join([why, *notes[:3]]))


def refine_on_ray(
    resolved: ResolvedPredictor,
    job: Job,
    cluster: Cluster,
    shards: int | None = None,
    progress: Callable[[str, int], object] = lambda name, masks: None,
) -> list[Refined]:
    """Refine a set as `refine.refine` does, byte for byte, by `shards` shards; what became of each mask.

    A job that has a shard of its own is that shard alone. `progress` is told each photo that is done, and its masks.
    MissingExtra without Ray, InputError where the cluster cannot be reached.
    """
    print_of = job.fingerprint()
    done = job.finished(print_of)
    if done is not None:
        return done
    ray = _ray(cluster)
    place = str(job.images)
    store = store_at(place)
    content = read_annotations(job.source) if job.format == "coco" else None
    count = shards or _shards_for(job, content)
    jobs = [job] if job.shard != WHOLE or count == 1 else job.shards(count)
    known = store.known()
    works = [_work(each, print_of, known, content) for each in jobs if each.finished(print_of) is None]
    driver = _Driver(works, print_of, progress)
    if driver.pending:
        with _running(ray, cluster) as pool:
            driver.run(pool, resolved, store)
    if jobs == [job]:
        rows = job.finished(print_of)
        assert rows is not None, "the only shard has just been written"
        return rows
    return join(job, count)


def _ray(cluster: Cluster) -> Any:
    if cluster.address and os.path.isfile(os.path.expanduser(TOKEN)):  # a driver does not say it by itself
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtra("Ray is not installed; run: pip install 'fewclicks[ray]'") from None
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


def _shards_for(job: Job, content: Any) -> int:
    if job.format == "coco":
        images = content.get("images") if isinstance(content, dict) else None
        photos = len(images) if isinstance(images, list) else 0
    else:
        photos = len(labelme_files(job.source)) if job.source.is_dir() else 1
    return min(SHARDS, max(1, ceil(photos / PHOTOS_A_SHARD)))


def _work(job: Job, print_of: str, known: Photos | Unlisted, content: object) -> _Work:
    claim(job, print_of)
    rows: list[Refined] = []
    return _Work(job, list(documents(job, rows, known, content)), rows)


@dataclass(frozen=True, slots=True)
class _Pool:
    """A cluster that is reached, its actors, and its cores."""

    ray: Any
    actors: int
    cpus: float

    def rows(self, resolved: ResolvedPredictor, store: Store, pending: Mapping[int, _Photo]) -> Iterator[Any]:
        """What the cluster answers: the number of a photo, and as JSON its rows and its part where it has changed."""
        data = self.ray.data
        tasks = {number: _task(found) for number, found in pending.items()}
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.max_errored_blocks = -1
        context.target_max_block_size = BLOCK_BYTES
        units = store.units([task.file for task in tasks.values()])
        shared, index = self.ray.put((resolved, tasks)), self.ray.put(_index(tasks))
        tries = self.ray.remote(Tries).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
        blocks = max(BLOCKS_AN_ACTOR * self.actors, min(BLOCKS, ceil(len(tasks) / PHOTOS_A_BLOCK)))
        named = data.from_items([{"unit": unit} for unit in units], override_num_blocks=max(1, min(blocks, len(units))))
        found = named.map_batches(
            read_units, batch_size=1, batch_format="pyarrow", num_cpus=READER_CPUS, fn_args=(store, [index])
        )
        answers = found.map_batches(
            Cascade,
            fn_constructor_args=([shared], tries),
            batch_size=BATCH,
            batch_format="pyarrow",
            compute=data.ActorPoolStrategy(size=self.actors, max_tasks_in_flight_per_actor=2),
            # Actors that take every core leave none to read: nothing is ever computed.
            num_cpus=round(min(1.0, max(0.01, (self.cpus - 2 * READER_CPUS) / self.actors)), 2),
        )
        yield from answers.iter_rows()


def _task(found: _Photo) -> Task:
    photo, job = found.photo, found.work.job
    clicks = {entry.key: job.clicks[entry.key] for entry in photo.entries if entry.key in job.clicks}
    assert photo.file is not None, "what has no file has failed before"
    return Task(
        photo.name, photo.hw, json.dumps(photo.part).encode(), Rules(clicks=clicks, least=job.least, most=job.most),
        photo.file,
    )  # fmt: skip


def _index(tasks: Mapping[int, Task]) -> dict[str, list[int]]:
    """The numbers of the photos that a file is, by its path, and by its name where only one path has that."""
    index: dict[str, list[int]] = defaultdict(list)
    last: dict[str, set[str]] = defaultdict(set)
    for number, task in tasks.items():
        index[task.file].append(number)
        last[task.file.replace("\\", "/").rpartition("/")[2]].add(task.file)
    for name, files in last.items():
        if len(files) == 1 and name not in index:
            index[name] = index[next(iter(files))]
    return dict(index)


def read_units(units: Any, store: Store, index: list[Any]) -> Iterator[Any]:
    """Read what units hold, as a task of Ray: tables of numbers of photos, their files, and what could not be read."""
    import pyarrow
    import ray

    numbers_of = ray.get(index[0])
    for unit in units["unit"].to_pylist():
        for found in store.read(unit):
            numbers = numbers_of.get(found.name) or numbers_of.get(found.name.rpartition("/")[2]) or []
            if found.problem and not found.name:
                numbers = [-1]  # of an archive, not of a photo
            if numbers:
                columns = {
                    "number": pyarrow.array(numbers, pyarrow.int64()),
                    "data": pyarrow.array([found.data] * len(numbers), pyarrow.large_binary()),
                    "problem": pyarrow.array([found.problem] * len(numbers), pyarrow.string()),
                }
                yield pyarrow.table(columns)


class Tries:
    """An actor that outlives the others: how often each photo was begun and not ended."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = defaultdict(int)

    def begin(self, number: int, ended: int | None) -> int:
        """Count a photo that is begun, the one before it being ended."""
        self.end(ended)
        self._begun[number] += 1
        return self._begun[number]

    def end(self, number: int | None) -> None:
        """Forget a photo that did not kill anything."""
        self._begun.pop(-1 if number is None else number, None)


class Cascade:
    """An actor: it loads the model once, and refines the masks of the photos that it is given."""

    def __init__(self, shared: list[Any], tries: Any) -> None:
        import ray

        self._get: Any = ray.get
        self._tries = tries
        self._last: int | None = None
        resolved, self.tasks = ray.get(shared[0])
        self.predictor = resolved.build()

    def __call__(self, photos: Any) -> Any:
        """Answer each photo with its number and, as JSON, what became of its masks."""
        import pyarrow

        answers = [self._answer(row) for row in photos.to_pylist()]
        self._tries.end.remote(self._last)
        columns = {
            "number": pyarrow.array([number for number, _ in answers], pyarrow.int64()),
            "result": pyarrow.array([text for _, text in answers], pyarrow.large_string()),
        }
        return pyarrow.table(columns)

    def _answer(self, row: dict[str, Any]) -> tuple[int, str]:
        number, found = row["number"], Found("", row["data"], row["problem"])
        if number < 0:
            return number, found.problem
        task: Task = self.tasks[number]
        part = json.loads(task.part)
        photo = MaskedPhoto(task.name, task.file, task.hw, entries_of(part, task.name), part)

        def read() -> Image:
            if found.problem:
                raise InputError(found.problem)
            before, self._last = self._last, number
            if self._get(self._tries.begin.remote(number, before)) > TRIES:
                raise InputError(f"the process that computed it died {TRIES} times")
            return read_image(io.BytesIO(found.data))

        rows = [row for row, _ in refine_masks(self.predictor, photo, task.rules, read)]
        changed = part if any(row.taken for row in rows) else None
        return number, json.dumps({"rows": [asdict(row) for row in rows], "part": changed})


@contextmanager
def _running(ray: Any, cluster: Cluster) -> Iterator[_Pool]:
    """Be a driver of a cluster, or of one that lives as long as this."""
    options = {} if cluster.address else {"include_dashboard": False}
    ours = signal.getsignal(signal.SIGTERM)
    for tries_left in reversed(range(1 if cluster.address else STARTS)):
        try:
            ray.init(address=cluster.address or "local", log_to_driver=False, logging_level="error", **options)
            break
        except Exception as error:  # a machine that is too slow for Ray's own clock has it raise just that
            ray.shutdown()
            if not tries_left:
                where = f"at '{cluster.address}' " if cluster.address else ""
                cure = (
                    "start one by `ray start --head`, set RAY_AUTH_MODE=token if it has a token, or leave --address out"
                )
                raise InputError(f"no cluster of Ray {where}can be used ({one_line(error)}); {cure}") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, ours)  # that of Ray prints addresses, and ends with another code
    try:
        cpus = ray.cluster_resources().get("CPU", 1.0)
        yield _Pool(ray, cluster.actors or max(1, int(cpus) - 1), cpus)
    finally:
        ray.shutdown()
