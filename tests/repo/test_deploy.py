"""The files in deploy/ do what they say: schedulers are played by setting what they set."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import yaml

import fakes
import programs

DEPLOY = Path(__file__).parents[2] / "deploy"
HW = (60, 80)


@pytest.fixture
def place(tmp_path):
    """A set of five photos, and `fewclicks` on the path."""
    (tmp_path / "photos").mkdir()
    images, rows = [], []
    for i in range(5):
        cv2.imwrite(str(tmp_path / "photos" / f"{i}.png"), fakes.gradient(*HW))
        images.append({"id": i, "file_name": f"{i}.png", "width": HW[1], "height": HW[0]})
        ring = [10, 10, 40, 10, 40, 40, 10, 40]
        rows.append({"id": 9 + i, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": [ring]})
    (tmp_path / "set.json").write_text(json.dumps({"images": images, "annotations": rows, "categories": []}))
    command = tmp_path / "bin" / "fewclicks"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m fewclicks "$@"\n')
    command.chmod(0o755)
    return tmp_path


def run(place, command, **variables):
    environment = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", **variables}
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)


def whole(place, join=None):
    """The result that a single run gives, and that of the shards."""
    plain = ["fewclicks", "refine", "set.json", "--images", "photos", "--method", "grow"]
    run(place, [*plain, "-o", "plain.json"])
    if join:
        run(place, [*plain, "-o", "out.json", "--join", str(join)])
    return (place / "plain.json").read_bytes(), (place / "out.json").read_bytes()


@pytest.mark.slow
def test_slurm_runs_its_script_for_each_task(place):
    for index in ("1", "2", "2"):
        slurm = {"SLURM_ARRAY_TASK_ID": index, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
        ours = {"SET": "set.json", "PHOTOS": "photos", "OUT": "out.json", "FEWCLICKS_OPTIONS": "--method grow"}
        run(place, [str(DEPLOY / "refine-slurm.sh")], **slurm, **ours)
    plain, shards = whole(place, 2)
    assert plain == shards


@pytest.mark.slow
def test_kubernetes_runs_its_command_for_each_index(place):
    job = yaml.safe_load((DEPLOY / "refine-job.yaml").read_text())
    assert job["spec"]["completionMode"] == "Indexed"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert {entry["name"]: entry["value"] for entry in container["env"]}["SHARDS"] == str(job["spec"]["completions"])
    for index in ("0", "1"):
        said = {"JOB_COMPLETION_INDEX": index, "DATA": str(place), "SHARDS": "2", "OPTIONS": "--method grow"}
        run(place, [*container["command"], *container["args"]], **said)
    plain, shards = whole(place, 2)
    assert plain == shards


@pytest.mark.integration
def test_gnu_parallel_does_all_of_it(place):
    programs.installed("parallel", "parallel")
    run(place, [str(DEPLOY / "refine-parallel.sh"), "set.json", "photos", "out.json", "3", "--method", "grow"])
    plain, shards = whole(place)
    assert plain == shards


def proposed(place, join=None):
    """What a single run proposes, and what shards do."""
    plain = ["fewclicks", "annotate", "photos", "--pre", "--method", "grow"]
    run(place, [*plain, "-o", "plain.json"])
    if join:
        run(place, [*plain, "-o", "out.json", "--join", str(join)])
    return (place / "plain.json").read_bytes(), (place / "out.json").read_bytes()


@pytest.mark.slow
def test_slurm_annotates_beforehand(place):
    for index in ("1", "2", "2"):
        slurm = {"SLURM_ARRAY_TASK_ID": index, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
        ours = {"PHOTOS": "photos", "OUT": "out.json", "FEWCLICKS_OPTIONS": "--method grow"}
        run(place, [str(DEPLOY / "pre-slurm.sh")], **slurm, **ours)
    plain, shards = proposed(place, 2)
    assert plain == shards


@pytest.mark.slow
def test_kubernetes_annotates_beforehand(place):
    job = yaml.safe_load((DEPLOY / "pre-job.yaml").read_text())
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert {entry["name"]: entry["value"] for entry in container["env"]}["SHARDS"] == str(job["spec"]["completions"])
    for index in ("0", "1"):
        said = {"JOB_COMPLETION_INDEX": index, "DATA": str(place), "SHARDS": "2", "OPTIONS": "--method grow"}
        run(place, [*container["command"], *container["args"]], **said)
    for file in sorted(place.glob("proposals-*")):
        file.rename(place / file.name.replace("proposals", "out"))
    plain, shards = proposed(place, 2)
    assert plain == shards


@pytest.mark.integration
def test_gnu_parallel_annotates_beforehand(place):
    programs.installed("parallel", "parallel")
    run(place, [str(DEPLOY / "pre-parallel.sh"), "photos", "3", "-o", "out.json", "--method", "grow"])
    plain, shards = proposed(place)
    assert plain == shards


def test_the_annotators_are_told_what_they_understand():
    """Each option in the manifests is one of `fewclicks annotate`; nginx knows the servers of compose."""
    from typer.main import get_command

    from fewclicks.cli import app

    known = {option for item in get_command(app).commands["annotate"].params for option in item.opts}
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    kubernetes = list(yaml.safe_load_all((DEPLOY / "annotate.yaml").read_text()))
    container = kubernetes[0]["spec"]["template"]["spec"]["containers"][0]
    for said in (compose["services"]["annotate-1"]["command"], container["args"]):
        options = {word.partition("=")[0] for word in said if word.startswith("--")}
        assert options <= known
        assert said[0] == "annotate"
    for file in ("nginx.conf", "Caddyfile"):
        assert all(f"{name}:8000" in (DEPLOY / file).read_text() for name in ("annotate-1", "annotate-2"))


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("*.yaml")), ids=lambda file: file.name)
def test_manifests_are_yaml(file):
    assert all(document for document in yaml.safe_load_all(file.read_text()))
