"""Two servers behind nginx with PostgreSQL and an S3-like store, one of which dies in the middle: nothing is lost."""

import sys
from pathlib import Path

import pytest

import programs


@pytest.mark.integration
def test_a_server_dies_and_every_click_that_was_answered_is_kept(monkeypatch):
    programs.program("s3", "moto_server")
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import many_annotators

    sys.modules.pop("many_annotators")
    if many_annotators.NGINX is None:
        pytest.skip("nginx is not installed; on Debian and Ubuntu: apt install nginx")
    found = many_annotators.measure(8, 4, 1.0, "grow", 1, kill=True)
    assert found["errors"] == []
    assert (found["clicks"], found["lost"]) == (32, 0)
    assert 0 < found["clicks_after_the_kill"] < 32, "those that were underway were said again, by nginx or by the page"
    assert len(found["clicks_of_each_server"]) == 2
