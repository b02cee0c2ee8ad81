"""The worker's order, and the events that pages hear."""

import asyncio
import threading

import pytest

from fewclicks.annotator.services import events
from fewclicks.annotator.services import worker as worker_module
from fewclicks.annotator.services.events import EventBus
from fewclicks.annotator.services.worker import Busy, Worker
from fewclicks.engines.interruption import current


@pytest.fixture
def held():
    """A worker that does nothing until `release` is called, and the list of what it did."""
    worker, gate, started = Worker(), threading.Event(), threading.Event()
    worker.submit("gate", lambda: (started.set(), gate.wait()))
    started.wait()
    done = []
    yield worker, done, gate.set
    gate.set()
    if worker._thread.is_alive():
        worker.close()


def note(done, name):
    return lambda: done.append(name) or name


def test_jobs_of_a_key_keep_their_order_and_keys_take_turns(held):
    worker, done, release = held
    futures = [
        worker.submit(key, note(done, f"{key}{n}")) for key, n in [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]
    ]
    release()
    assert [future.result().result for future in futures] == ["a1", "a2", "a3", "b1", "b2"]
    assert done == ["a1", "b1", "a2", "b2", "a3"]


def test_askers_take_turns_however_many_objects_they_work_at(held):
    worker, done, release = held
    for n in range(6):
        worker.submit(f"greedy {n % 3}", note(done, f"greedy {n}"), "greedy")
    last = [worker.submit(name, note(done, f"{name} {n}"), name) for n in range(2) for name in ("one", "two")][-1]
    release()
    last.result()
    assert done[:6] == ["greedy 0", "one 0", "two 0", "greedy 1", "one 1", "two 1"]


def test_two_at_one_object_are_answered_in_order(held):
    worker, done, release = held
    for n, asker in enumerate("aaab"):
        job = worker.submit("object", note(done, n), asker)
    release()
    job.result()
    assert done == [0, 1, 2, 3]


def test_turns_are_not_saved_up():
    turns = worker_module.Turns()
    for _ in range(5):
        turns.take("busy")
    assert turns.of("new") == 4
    turns.take("new")
    assert turns.of("new") == turns.of("busy") == 5
    for n in range(worker_module.REMEMBERED + 10):
        turns.take(f"passer-by {n}")
        turns.take("busy")
    assert len(turns._next) < worker_module.REMEMBERED


def test_a_newer_preview_keeps_the_place(held):
    worker, done, release = held
    for name in ("mover", "other", "mover", "mover"):
        last = worker.preview(name, note(done, name))
    end = worker.idle("i", note(done, "idle"))
    release()
    end.result()
    assert last.result().result == "mover"
    assert done == ["mover", "other", "idle"]


def test_previews_wait_and_only_the_newest_counts(held):
    worker, done, release = held
    old, new = (worker.preview("p", note(done, name)) for name in ("old", "new"))
    other = worker.preview("q", note(done, "other"))
    idle = worker.idle("i", note(done, "idle"))
    click = worker.submit("a", note(done, "click"))
    release()
    idle.result()
    assert old.cancelled()
    assert (click.result().result, new.result().result, other.result().result) == ("click", "new", "other")
    assert done == ["click", "new", "other", "idle"]


def test_errors_go_to_who_asked_and_the_worker_lives():
    worker = Worker()
    with pytest.raises(ZeroDivisionError):
        worker.submit("a", lambda: 1 / 0).result()
    timed = worker.submit("a", lambda: 7).result()
    assert timed.result == 7
    assert timed.queue_ms >= 0
    assert timed.work_ms >= 0
    worker.close()


def test_what_was_submitted_is_done_before_the_end(held):
    worker, done, release = held
    for n in range(5):
        worker.submit("a", note(done, n))
    preview = worker.preview("p", note(done, "preview"))
    threading.Timer(0.02, release).start()
    worker.close()
    assert done == [0, 1, 2, 3, 4]
    assert preview.cancelled()
    with pytest.raises(Busy, match="stopping"):
        worker.submit("a", note(done, "late"))


def test_queues_are_bounded_and_what_is_refused_holds_nobody_up(held, monkeypatch):
    worker, done, release = held
    monkeypatch.setattr(worker_module, "QUEUE_LIMIT", 2)
    taken = [worker.submit("a", note(done, 1)), worker.submit("a", note(done, 2))]
    with pytest.raises(Busy, match="more clicks"):
        worker.submit("a", note(done, 3))
    taken.append(worker.submit("b", note(done, 3)))
    monkeypatch.setattr(worker_module, "TOTAL_LIMIT", 3)
    with pytest.raises(Busy, match="more clicks"):
        worker.submit("c", note(done, 4))
    release()
    assert sorted(future.result(10).result for future in taken) == [1, 2, 3]
    assert worker.submit("a", note(done, 5)).result(10).result == 5


async def heard(hub, photo_id, count, then):
    """The first `count` messages of a stream; `then` runs once it has begun."""
    stream, messages = hub.stream(photo_id), []
    async for message in stream:
        messages.append(message)
        if len(messages) == 1:
            then()
        if len(messages) == count:
            break
    await stream.aclose()
    return messages[1:]


def test_events_reach_the_pages_that_show_the_photo():
    hub = EventBus()

    def publish():
        def run():
            hub.publish("object", {"id": "other"}, photo_id=2)
            hub.publish("object", {"id": "own"}, photo_id=1)
            hub.publish("classes", [])

        threading.Thread(target=run).start()

    messages = asyncio.run(heard(hub, 1, 3, publish))
    assert messages == [b'event: object\ndata: {"id":"own"}\n\n', b"event: classes\ndata: []\n\n"]
    hub.publish("object", {}, 1)  # nobody listens any more
    assert not hub._streams


def test_closing_ends_the_streams():
    hub = EventBus()
    assert asyncio.run(heard(hub, 1, 99, hub.close)) == []


def test_a_page_that_lags_is_let_go(monkeypatch):
    monkeypatch.setattr(events, "LAG", 2)
    hub = EventBus()

    async def scenario():
        stream = hub.stream(1)
        await anext(stream)
        for n in range(5):
            hub.publish("object", n, 1)
        await asyncio.sleep(0)
        return [message async for message in stream]

    assert len(asyncio.run(scenario())) < 3


def test_a_silent_stream_has_a_pulse(monkeypatch):
    monkeypatch.setattr(events, "PULSE_S", 0.01)
    assert asyncio.run(heard(EventBus(), 1, 2, lambda: None)) == [b": still here\n\n"]


def test_streams_are_bounded(monkeypatch):
    monkeypatch.setattr(events, "STREAMS", 0)
    with pytest.raises(Busy):
        EventBus().require_room()


@pytest.fixture
def looking():
    """A worker whose preview of "a" runs in steps, as a model does, until it is let go; and how often it began."""
    worker, begun, go = Worker(), [], threading.Event()

    def look():
        begun.append(len(begun))
        while not go.is_set():
            if interruption := current():
                interruption.check()
        return len(begun)

    future = worker.preview("a", look)
    while not begun:
        pass
    yield worker, future, begun, go
    go.set()
    worker.close()


def test_a_preview_that_runs_gives_way_to_what_is_submitted_and_is_begun_anew(looking):
    worker, future, begun, go = looking
    assert worker.submit("b", lambda: "click").result(10).result == "click"
    go.set()
    assert future.result(10).result == len(begun) == 2


def test_a_preview_of_an_object_that_changes_is_cancelled(looking):
    worker, future, begun, _ = looking
    assert worker.submit("a", lambda: "click").result(10).result == "click"
    assert future.cancelled()
    assert begun == [0]


def test_a_preview_of_the_very_click_that_comes_is_done_to_its_end():
    worker, begun, go, ends = Worker(), threading.Event(), threading.Event(), []

    def look():
        begun.set()
        while not go.is_set():
            if interruption := current():
                interruption.check()
        ends.append("preview")

    worker.preview("a", look, of=("click", 3, 4))
    assert begun.wait(10)
    click = worker.submit("a", lambda: ends.append("click"), of=("click", 3, 4))
    go.set()
    click.result(10)
    assert ends == ["preview", "click"]
    worker.close()


def test_a_preview_of_something_else_gives_way(looking):
    worker, future, begun, _ = looking
    assert worker.submit("a", lambda: "click", of=("click", 3, 4)).result(10).result == "click"
    assert future.cancelled()
    assert begun == [0]


def test_a_newer_preview_stops_the_one_that_runs(looking):
    worker, future, _, _ = looking
    assert worker.preview("a", lambda: "newer").result(10).result == "newer"
    assert future.cancelled()


def test_a_job_that_gave_way_often_is_done_to_its_end():
    worker, begun, go = Worker(), threading.Semaphore(0), threading.Event()
    interruptions = []

    def look():
        interruption = current()
        interruptions.append(interruption)
        begun.release()
        while interruption and not go.is_set():
            interruption.check()
        return "done"

    future = worker.idle("a", look)
    for n in range(worker_module.INTERRUPTIONS):
        begun.acquire()
        worker.submit(f"click {n}", lambda: None).result(10)
    assert future.result(10).result == "done"
    assert interruptions[-1] is None
    assert len(interruptions) == worker_module.INTERRUPTIONS + 1
    worker.close()


def test_what_is_the_same_for_all_is_done_once(looking):
    worker, future, begun, go = looking
    others = [worker.preview("a", lambda: "never", shared=True) for _ in range(2)]
    waiting = worker.preview("b", lambda: "once", shared=True)
    assert worker.preview("b", lambda: "twice", shared=True) is waiting
    go.set()
    assert [other is future for other in others] == [True, True]
    assert future.result(10).result == len(begun) == 1
    assert waiting.result(10).result == "once"
    assert worker.preview("b", lambda: "anew", shared=True).result(10).result == "anew"
