"""The benchmark over several processes counts what one process counts."""

import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from fakes import gradient
from fewclicks.config import resolve
from fewclicks.errors import FewClicksError
from fewclicks.evaluation.benchmark import Job
from fewclicks.evaluation.shards import evaluate_in_processes

TIMES = ("seconds_per_click", "profile", "share_outside_predictor")


@pytest.fixture
def folder(tmp_path):
    """Five photos of one disc each."""
    rows, columns = np.mgrid[:60, :80]
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
    for i in range(5):
        mask = (rows - 20 - 5 * i) ** 2 + (columns - 40) ** 2 < (8 + 2 * i) ** 2
        photo = gradient(60, 80) // 3
        photo[mask] += 80
        PIL.Image.fromarray(photo).save(tmp_path / "set" / "images" / f"{i}.png")
        PIL.Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "set" / "masks" / f"{i}.png")
    return tmp_path / "set"


def bench(folder, *arguments, **environment):
    """A process that runs `fewclicks bench` on the folder and writes its figures to stdout."""
    command = ("-m", "fewclicks", "bench", "folder", "--data-root", str(folder), *arguments, "--json", "-", "--full")
    return subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def figures_of(process):
    """(settings, figures without times) of a finished `bench`."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told = json.loads(out)
    figures = told["datasets"]["set"]
    return told["settings"], {key: value for key, value in figures.items() if key not in TIMES}


@pytest.mark.slow
def test_processes_count_what_one_process_counts(folder):
    small = ("--set", "zoom=64", "--limit", "3")
    one, several = (bench(folder, *small, *how) for how in (("--threads", "1"), ("--processes", "2")))
    (alone, wanted), (together, found) = figures_of(one), figures_of(several)
    assert found == wanted
    assert len(wanted["per_object"]["ious"]) == 3
    assert together == {**alone, "processes": 2}, "one thread each, unless --threads says otherwise"


@pytest.mark.slow
def test_torchrun_counts_what_one_process_counts(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    first, second = (bench(folder, "--method", "grow", **place, RANK=str(rank)) for rank in (0, 1))
    settings, found = figures_of(first)
    assert second.communicate(timeout=60)[0] == "", "rank 0 has the figures"
    assert found == figures_of(bench(folder, "--method", "grow"))[1]
    assert settings["processes"] == 2


def fails(kind):
    """Goes wrong in the process that is asked to prepare."""
    if kind == "bug":
        raise KeyError("surprise")
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize(
    ("kind", "says"),
    [("bug", r"process 1 of 1 failed \(KeyError: 'surprise'\)"), ("dies", r"process 1 of 1 ended with signal 9")],
)
def test_what_goes_wrong_in_a_process_is_told(kind, says):
    with pytest.raises(FewClicksError, match=says):
        evaluate_in_processes(partial(fails, kind), 1)


def test_more_processes_than_objects(folder):
    seen = []
    result = evaluate_in_processes(Job(resolve("grow"), "folder", folder, 2), 3, lambda *one: seen.append(one))
    assert [trace.name for trace in result.traces] == ["0#1", "2#1"]
    assert {(position, trace.name) for position, trace in seen} == {(0, "0#1"), (1, "2#1")}
    assert all(trace.mask is not None for trace in result.traces)


@pytest.mark.slow
def test_an_error_in_a_process_is_one_line(folder):
    process = bench(folder, "--method", "grow", "--processes", "3", "--set", "colour=red")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    last = [line for line in err.splitlines() if line.startswith("fewclicks: ")]
    assert len(last) == 1
    assert "colour" in last[0]
    assert "Traceback" not in err
    assert not list(Path(folder).glob("*.json"))


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    torch = pytest.importorskip("torch")
    from fewclicks.engines.torch import _best_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for rank, device in (("0", "cuda:0"), ("1", "cuda:1"), ("2", "cuda:0")):
        monkeypatch.setenv("LOCAL_RANK", rank)
        assert _best_device() == device
    monkeypatch.delenv("LOCAL_RANK")
    assert _best_device() == "cuda:0"
