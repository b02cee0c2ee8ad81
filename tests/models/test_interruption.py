"""A forward of ONNX Runtime is stopped from another thread, and nothing of it stays."""

import signal
import threading
import time

import numpy as np
import pytest

from fewclicks.api import load
from fewclicks.clicks import Click, Clicks
from fewclicks.engines.interruption import Interrupted, Interruption, check, current, interruptible, stoppable
from fewclicks.predictor import State


@pytest.fixture(scope="module")
def predictor():
    return load("default", threads=1)


IMAGE = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
CLICKS = Clicks((Click(320, 240),))


def stepped(predictor) -> State:
    return predictor.step(predictor.start(IMAGE), CLICKS)


def test_nothing_is_computed_once_it_is_to_end(predictor):
    interruption = Interruption()
    interruption.request()
    assert interruption.requested
    with interruptible(interruption), pytest.raises(Interrupted):
        stepped(predictor)
    assert current() is None


def test_a_forward_that_runs_is_stopped_and_gives_the_same_afterwards(predictor, monkeypatch):
    usual = stepped(predictor)
    interruption, running = Interruption(), threading.Event()
    stopping = Interruption.stopping

    def told(self, stop):
        running.set()
        return stopping(self, stop)

    monkeypatch.setattr(Interruption, "stopping", told)
    thread = threading.Thread(target=lambda: (running.wait(), interruption.request()))
    thread.start()
    with interruptible(interruption), pytest.raises(Interrupted):
        [stepped(predictor) for _ in range(100)]  # whichever pass it meets
    thread.join()
    assert np.array_equal(stepped(predictor).prob, usual.prob)


def test_who_is_not_stopped_gets_the_same(predictor):
    with interruptible(Interruption()):
        seen = stepped(predictor)
    assert np.array_equal(seen.prob, stepped(predictor).prob)


def test_an_error_stays_an_error_where_nobody_asked_for_the_end():
    interruption = Interruption()
    with pytest.raises(ValueError, match="wrong"), interruption.stopping(lambda: None):
        raise ValueError("wrong")


def test_several_threads_are_stopped_at_once():
    interruption, stopped = Interruption(), []
    with interruption.stopping(lambda: stopped.append("a")), interruption.stopping(lambda: stopped.append("b")):
        with interruption.stopping(lambda: stopped.append("ended before")):
            pass
        interruption.request()
    assert stopped == ["a", "b"]


def test_a_signal_ends_work_in_the_middle():
    seen = []

    def work():
        try:
            signal.raise_signal(signal.SIGINT)
            while True:
                check()
                time.sleep(0.001)
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(KeyboardInterrupt):
        stoppable(work)
    assert seen == [Interrupted]


def test_stoppable_work_gives_what_it_gives():
    assert stoppable(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        stoppable(lambda: 1 // 0)
