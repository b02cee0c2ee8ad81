"""Several workers side by side: order, no loss, one network in a process of its own for each."""

import os
import signal
import threading

import numpy as np
import pytest

import fakes
from fewclicks.annotator.services.lanes import Desk, Lanes
from fewclicks.annotator.services.model_process import ProcessForward, in_process, network_of, one_for_each
from fewclicks.clicks import Click, Clicks
from fewclicks.config import resolve
from fewclicks.errors import FewClicksError, InputError


def test_jobs_of_a_key_keep_their_order_and_keys_their_thread():
    lanes, done, threads = Lanes(3), [], {}

    def work(key, n):
        threads.setdefault(key, set()).add(threading.get_ident())
        done.append((key, n))

    keys = [f"object-{k}" for k in range(12)]
    futures = [lanes.submit(key, lambda key=key, n=n: work(key, n)) for n in range(5) for key in keys]
    futures += [lanes.submit(f"look {key}", lambda key=key: work(key, 9)) for key in keys]
    for future in futures:
        future.result(10)
    lanes.close()
    for key in keys:
        assert [n for other, n in done if other == key and n != 9] == [0, 1, 2, 3, 4]
        assert (key, 9) in done
    assert all(len(idents) == 1 for idents in threads.values())
    assert len(set.union(*threads.values())) == 3


def test_a_slow_lane_holds_up_no_other():
    lanes, gate = Lanes(2), threading.Event()
    lanes.submit("a", gate.wait)
    others = [lanes.submit(f"b{n}", lambda: 1) for n in range(20)]
    finished = sum(_ends(future) for future in others)
    gate.set()
    lanes.close()
    assert 0 < finished < 20


def _ends(future):
    try:
        return future.result(0.2).result
    except TimeoutError:
        return 0


def test_each_lane_has_a_desk_of_its_own():
    lanes, desk, seen = Lanes(2), Desk(), []
    lanes.each("model", lambda: setattr(desk, "predictor", threading.get_ident()))
    for n in range(8):
        lanes.submit(f"k{n}", lambda: seen.append(desk.predictor == threading.get_ident()))
    lanes.close()
    assert seen == [True] * 8
    assert desk.predictor is None


@pytest.mark.slow
def test_a_network_in_a_process_gives_the_same_mask_also_after_it_was_killed():
    resolved = resolve(threads=1)
    here = resolved.build()
    there = one_for_each(resolved, 1, 2)()
    image, clicks = fakes.gradient(120, 160), Clicks((Click(60, 50),))
    wanted = here.step(here.start(image), clicks)
    found = there.step(there.start(image), clicks)
    assert np.allclose(found.prob, wanted.prob, atol=1e-6)
    forward = network_of(there).forward
    os.kill(forward._child.process.pid, signal.SIGKILL)
    again = there.step(there.start(image), clicks)
    forward.close()
    assert np.array_equal(again.prob, found.prob)


def test_what_has_no_network_and_what_dies_is_said():
    with pytest.raises(InputError, match="leave --workers out"):
        in_process(resolve("grow").build(), resolve("grow"), 1)
    broken = ProcessForward(resolve("grow"), 1)
    with pytest.raises(FewClicksError):
        broken(np.zeros((1, 3, 8, 8)), np.zeros((1, 1, 3)), np.zeros((1, 1, 8, 8)))
    broken.close()
