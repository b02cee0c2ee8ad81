"""Photos that are annotated beforehand, in the background: what is found are proposals, which people accept or correct.

start ──▶ photo by photo ──▶ proposals (objects that are open, made by "preannotation ID") ──▶ Enter, or a click
             │ a photo that fails is named, and costs the others nothing
             └ each is noted in the journal: after a server was stopped the rest can be done
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from fewclicks.annotator.editing.actions import Replaced
from fewclicks.annotator.editing.history import Entry
from fewclicks.annotator.editing.mask_codec import EncodedMask
from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.gallery import Gallery
from fewclicks.annotator.services.import_export import import_found, import_from
from fewclicks.annotator.services.importing import ImportOptions
from fewclicks.annotator.services.jobs import hidden
from fewclicks.annotator.services.model_process import close_process
from fewclicks.annotator.services.news import News
from fewclicks.annotator.services.objects import Objects
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.annotator.services.worker import Busy
from fewclicks.annotator.store.objects import NewObject
from fewclicks.annotator.store.records import PROPOSED, Event, PhotoInfo
from fewclicks.engines.interruption import interruptible
from fewclicks.errors import FewClicksError, InputError, UnknownName
from fewclicks.predictor import Predictor, State
from fewclicks.prompts import mask_iou
from fewclicks.proposals import Everything, Proposal, proposing

Result = TypeVar("Result")
JobState: TypeAlias = Literal["running", "done", "canceled", "stopped", "failed"]
Source: TypeAlias = Literal["everything", "found", "file"]

log = logging.getLogger(__name__)

KIND = "preannotation"
"""Of its lines in the journal."""
SAME_IOU = 0.5
"""What overlaps an object that is there more is not proposed."""
MAX_PROBLEMS = 200
"""Photos that are named with what was wrong; of the others there is a count."""


@dataclass(frozen=True, slots=True)
class PhotoProblem:
    """A photo that got no proposals, and why."""

    photo_id: int
    name: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be annotated beforehand, and how far that is. `photos` are ids, in order."""

    id: str
    source: Source
    photos: tuple[int, ...]
    class_id: int = 1
    model: str = ""
    """A name of `Model.others`; "" for the one that answers clicks."""
    upload: str = ""
    """What the user calls the file of masks."""
    how: Everything = field(default_factory=Everything)
    person: str = ""
    state: JobState = "running"
    done: int = 0
    """Photos that were looked at."""
    part: float = 0.0
    """Of the photo that is looked at now, 0 to 1."""
    objects: int = 0
    """Proposals that were made."""
    problems: tuple[PhotoProblem, ...] = ()
    notes: tuple[str, ...] = ()
    undone: bool = False


class _Canceled(Exception):
    """The job is to end."""


class Preannotator:
    """Annotates photos beforehand, one job after another. Threads may share it. `closing`: the server is to end."""

    def __init__(
        self,
        folder: PhotoFolder,
        gallery: Gallery,
        objects: Objects,
        news: News,
        hub: EventBus,
        closing: threading.Event,
    ) -> None:
        self._folder, self._gallery, self._objects, self._news, self._hub = folder, gallery, objects, news, hub
        self._store, self._closing = objects.store, closing
        self._lock = threading.Lock()
        self._job: Job | None = None
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, job: Job, file: AbstractContextManager[Path] | None = None, format_name: str | None = None) -> Job:
        """Begin in the background. `file`: of masks, let go at the end. Busy if another one runs.

        One that is known by its id goes on, or is as it was: sent twice, nothing is done twice.
        """
        with self._lock:
            known = self._job if self._job and self._job.id == job.id else self._recalled(job.id)
            if known is not None:
                return known
            return self._begin(job, file or nullcontext(Path()), format_name, told=False)

    def resume(self, job_id: str) -> Job:
        """Do the photos that a job has not come to. InputError for masks of a file: that has to be sent again."""
        with self._lock:
            job = self.job(job_id)
            if job.state in ("running", "done"):
                return job
            if job.source == "file":
                raise InputError("the file of masks is not kept; send it again: what is there already is not doubled")
            return self._begin(replace(job, state="running", part=0.0), nullcontext(Path()), None, told=True)

    def cancel(self, job_id: str) -> Job:
        """End a job soon. What it has proposed stays, until it is undone."""
        job = self.job(job_id)
        if job.state == "running":
            self._cancel.set()
        return job

    def turn(self, job_id: str, redo: bool, person: str = "", photo_id: int | None = None) -> tuple[int, int]:
        """Take back what a job has proposed, on one photo or on all; `redo`: propose it again.

        What somebody has accepted or corrected stays. Returns how many objects were changed, and how many stay.
        """
        job = self.job(job_id)
        if job.state == "running":
            raise Busy("it is still under way; cancel it first")
        changed, kept, photos = self._store.turn_proposals(job_id, person, redo, photo_id)
        if photo_id is None:
            self._note(None, {"job": job_id, "what": "redone" if redo else "undone"}, person)
            with self._lock:
                if self._job is not None and self._job.id == job_id:
                    self._job = replace(self._job, undone=not redo)
        for one in photos:
            self._news.photo(one)
            self._news.objects(one)
        self._tell(self.job(job_id))
        return changed, kept

    def job(self, job_id: str) -> Job:
        """How a job is. UnknownName if there is none of that id."""
        if self._job is not None and self._job.id == job_id:
            return self._job
        found = self._recalled(job_id)
        if found is None:
            raise UnknownName(f"no pre-annotation has the id {job_id}; look at the list of them")
        return found

    def jobs(self) -> list[Job]:
        """The latest ones, the newest first."""
        begun = [str(e.payload["job"]) for e in self._lines() if e.payload.get("what") == "begun"]
        return [self.job(job_id) for job_id in dict.fromkeys(reversed(begun[-20:]))]

    def close(self) -> None:
        """Stop what is under way; it can be resumed."""
        self._cancel.set()
        if self._thread is not None:
            self._thread.join()

    # Within

    def _begin(self, job: Job, file: AbstractContextManager[Path], format_name: str | None, told: bool) -> Job:
        if self._job is not None and self._job.state == "running":
            raise Busy("photos are being pre-annotated already; wait until that is done, or cancel it")
        if job.model and job.model not in self._objects.model.others:
            known = ", ".join(self._objects.model.others) or "none; name some with fewclicks annotate --model"
            raise UnknownName(f"no model is named '{job.model:.80}'; there are: {known}")
        if not told:
            about = {"source": job.source, "photos": list(job.photos), "class_id": job.class_id, "model": job.model}
            how = {name: getattr(job.how, name) for name in ("points", "stability", "same_iou", "limit")}
            self._note(None, {"job": job.id, "what": "begun", **about, "how": how}, job.person)
        stack = ExitStack()
        path = stack.enter_context(file)  # here, so that whoever brought it knows that it is held
        self._job, self._cancel = job, threading.Event()
        work = self._proposed if job.source == "everything" else self._imported

        def run() -> None:
            with stack:
                self._run(lambda: work(path, format_name))

        self._thread = threading.Thread(target=run, name="fewclicks-preannotation", daemon=True)
        self._thread.start()
        return job

    def _run(self, work: Callable[[], None]) -> None:
        state: JobState = "done"
        try:
            work()
        except _Canceled:
            state = "stopped" if self._closing.is_set() else "canceled"
        except FewClicksError as error:
            state = "failed"
            self._change(notes=(*self._now.notes, str(error)))
        except Exception:
            log.exception("the pre-annotation failed")
            state = "failed"
            self._change(notes=(*self._now.notes, "something went wrong here; the server's log says what"))
        if state != "stopped":
            ended = {"job": self._now.id, "what": "ended", "state": state, "notes": list(self._now.notes)}
            self._note(None, ended, self._now.person)
        self._change(state=state, part=0.0)

    @property
    def _now(self) -> Job:
        assert self._job is not None
        return self._job

    def _change(self, **news: Any) -> None:
        with self._lock:
            self._job = replace(self._now, **news)
        self._tell(self._now)

    def _tell(self, job: Job) -> None:
        self._hub.publish(KIND, job)

    def _check(self) -> None:
        if self._cancel.is_set() or self._closing.is_set():
            raise _Canceled

    def _proposed(self, path: Path, format_name: str | None) -> None:
        """Propose everything, photo by photo."""
        job = self._now
        over = self._photos_of(job.id)
        with ExitStack() as stack:
            ask = self._asked(job, stack)
            for photo_id in job.photos:
                if photo_id in over:
                    continue
                self._check()
                try:
                    info = self._open_photo(photo_id)
                    added, problem = self._on_photo(job, info, ask), ""
                except FewClicksError as error:
                    added, problem = 0, str(error)
                self._photo_over(photo_id, added, problem)

    def _open_photo(self, photo_id: int) -> PhotoInfo:
        info = self._store.photo(photo_id)
        if info.state == "accepted":
            raise InputError("it was accepted; send it back to have it annotated")
        self._gallery.picture(photo_id)
        return self._store.photo(photo_id)

    def _on_photo(self, job: Job, info: PhotoInfo, ask: _Ask) -> int:
        store = self._store
        found = list(enumerate(ask(info.id), 1))
        for _, there in store.masks(info.id):
            found = _others(found, there)
        rows = []
        for number, one in found:
            mask = EncodedMask.pack(one.mask)
            entry = Entry(Replaced(mask), mask, changed_px=(mask.area_px,))
            new_id = str(uuid.uuid5(uuid.UUID(job.id), f"{info.id} {number}"))
            rows.append(NewObject(id=new_id, class_id=job.class_id, entry=entry, state="open"))
        self._check()
        count = store.add_objects(info.id, rows, job.person, PROPOSED + job.id) if rows else 0
        self._news.objects(info.id)
        return count

    def _asked(self, job: Job, stack: ExitStack) -> _Ask:
        """What proposes objects for a photo: steps in the worker between the clicks, or a model of its own here, until
        the stack ends.
        """
        if job.model:
            predictor, _ = self._objects.model.others[job.model]()
            stack.callback(close_process, predictor)
            return lambda photo_id: self._all(
                proposing(self._gallery.picture(photo_id).image, predictor, job.how), lambda work: work()
            )

        def ask(photo_id: int) -> list[Proposal]:
            def begin() -> Iterator[tuple[int, int]]:
                start: State = self._objects.start_of(photo_id)
                own: Predictor = self._objects.predictor()
                return proposing(start.image, own, job.how, start)

            return self._all(self._in_worker(begin), self._in_worker)

        return ask

    def _all(self, steps: Any, run: Callable[[Callable[[], Any]], Any]) -> list[Proposal]:
        """Go through the steps of a photo, each by `run`."""

        def step() -> Any:
            try:
                return next(steps)
            except StopIteration as end:  # no future may hold one
                return _End(end.value)

        while not isinstance(at := run(step), _End):
            self._check()
            self._change(part=at[0] / at[1])
        return at.found

    def _in_worker(self, work: Callable[[], Result]) -> Result:
        """Do it in the worker, after the clicks that wait, to its end: a step that was begun cannot be begun anew."""

        def step() -> Result:
            with interruptible(None):
                return work()

        while True:
            self._check()
            future = self._objects.worker.idle(f"preannotation {self._now.id}", step)
            try:
                return future.result().result
            except CancelledError:
                continue

    def _imported(self, path: Path, format_name: str | None) -> None:
        """Take masks of other tools in as proposals."""
        job = self._now
        names = frozenset(self._store.photo(photo_id).name for photo_id in job.photos)
        options = ImportOptions(id=job.id, person=job.person, only=names, proposals=True)

        def seen(done: int, total: int) -> None:
            self._check()
            self._change(part=done / max(1, total))

        if job.source == "found":
            taken = import_found(self._folder, self._store, seen, job.person, options)
        else:
            try:
                taken = import_from(self._folder, self._store, path, format_name, seen, job.person, options)
            except InputError as error:
                raise InputError(_as_sent(str(error), path, job)) from None
            taken = replace(taken, notes=tuple(_as_sent(note, path, job) for note in taken.notes))
        self._news.classes()
        known = {info.name: info.id for info in self._store.photos()}
        for one in taken.per_photo:
            if one.objects:
                self._news.photo(known[one.file])
                self._news.objects(known[one.file])
        self._change(objects=taken.objects, done=len(job.photos), notes=taken.notes)

    def _photo_over(self, photo_id: int, added: int, problem: str) -> None:
        job, name = self._now, self._store.photo(photo_id).name
        self._note(photo_id, {"job": job.id, "objects": added, "problem": problem}, job.person)
        self._news.photo(photo_id)
        problems = (*job.problems, PhotoProblem(photo_id, name, problem)) if problem else job.problems
        self._change(done=job.done + 1, part=0.0, objects=job.objects + added, problems=problems[:MAX_PROBLEMS])

    def _note(self, photo_id: int | None, payload: dict[str, Any], person: str) -> None:
        self._store.events.note(photo_id, KIND, payload, person)

    def _lines(self) -> list[Event]:
        return self._store.events.of_kind(KIND, of_photos=False)

    def _photos_of(self, job_id: str) -> dict[int, Event]:
        """Photo id -> the line that says that the job is over with it."""
        lines = self._store.events.of_kind(KIND, of_photos=True)
        return {e.photo_id: e for e in lines if e.photo_id is not None and e.payload.get("job") == job_id}

    def _recalled(self, job_id: str) -> Job | None:
        """A job as the journal knows it; one that nobody has ended was stopped."""
        job: Job | None = None
        for event in self._lines():
            said = event.payload
            if said.get("job") != job_id:
                continue
            if said.get("what") == "begun":
                how = Everything(**said["how"])
                job = Job(
                    id=job_id, source=said["source"], photos=tuple(said["photos"]), class_id=said["class_id"],
                    model=said["model"], how=how, person=event.person, state="stopped",
                )  # fmt: skip
            elif job is not None and said.get("what") == "ended":
                job = replace(job, state=said["state"], notes=tuple(said["notes"]))
            elif job is not None:
                job = replace(job, undone=said.get("what") == "undone")
        if job is None:
            return None
        if job.source != "everything":
            count = self._store.count_proposed(job_id)
            return replace(job, objects=count, done=len(job.photos) if job.state == "done" else 0)
        over = self._photos_of(job_id)
        names = {info.id: info.name for info in self._store.photos()}
        problems = [
            PhotoProblem(photo_id, names.get(photo_id, "?"), str(event.payload["problem"]))
            for photo_id, event in over.items()
            if event.payload["problem"]
        ]
        objects = sum(int(event.payload["objects"]) for event in over.values())
        return replace(job, done=len(over), objects=objects, problems=tuple(problems[:MAX_PROBLEMS]))


def _as_sent(text: str, path: Path, job: Job) -> str:
    """What was said of a file, by the name that the user gave it."""
    named = text.replace(str(path), job.upload or path.name)
    return hidden(named, [path.parent]).replace(f"'{path.name}'", f"'{job.upload or path.name}'")


@dataclass(frozen=True, slots=True)
class _End:
    found: list[Proposal]


_Ask: TypeAlias = Callable[[int], Sequence[Proposal]]


def _others(found: list[tuple[int, Proposal]], there: EncodedMask) -> list[tuple[int, Proposal]]:
    """The numbered proposals that are not an object which is there."""
    box = there.box
    if box is None or not any(box.intersection(one.box) for _, one in found):
        return found
    mask = there.mask()
    return [(number, one) for number, one in found if mask_iou(one.mask, mask) <= SAME_IOU]
