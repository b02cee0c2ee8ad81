"""The page: what is there is named, small, and as the Content-Security-Policy wants it. No browser is needed."""

import re
from pathlib import Path

import pytest

from fewclicks.annotator.server.app import page

STATIC = Path(__file__).parents[2] / "src" / "fewclicks" / "annotator" / "web"
MODULES = sorted((STATIC / "js").rglob("*.js"))
LANGUAGES = STATIC / "js" / "languages"
"""Tables of texts, a line each: as long as they are."""
START = re.compile(r"( {2})?(export )?(async )?(function |[\w*]+\(.*\) \{$)")


def test_all_modules_are_fetched_at_once():
    """The server names them, so that the browser does not find one after another."""
    named = re.findall(r'"(js/[\w/-]+\.js)"', page())
    assert sorted(named) == sorted(
        {file.relative_to(STATIC).as_posix() for file in MODULES} - {"js/types.js", "js/docs.js"}
    )


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_files_and_functions_keep_their_budgets(file):
    lines = file.read_text().splitlines()
    assert file.parent == LANGUAGES or (len(lines) <= 500 and max(map(len, lines)) <= 200)
    for start, line in enumerate(lines):
        if START.match(line):
            end = lines.index(line[: len(line) - len(line.lstrip())] + "}", start)
            assert end - start <= 41, line


@pytest.mark.parametrize("file", sorted(STATIC.rglob("*.html")), ids=lambda file: str(file.relative_to(STATIC)))
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(file):
    text = file.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://(?!www\.w3\.org/)", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_no_module_makes_code_from_text():
    for file in MODULES:
        assert not re.search(
            r"\beval\(|new Function\(|innerHTML|document\.write|https?://(?!www\.w3\.org/)", file.read_text()
        )


def test_every_icon_is_there():
    defined = set(re.findall(r'id="icon-([\w-]+)"', (STATIC / "index.html").read_text()))
    asked = re.findall(r'(?:icon|button)\((?:"[\w-]+", )?"([a-z-]+)"', "".join(file.read_text() for file in MODULES))
    assert asked
    assert set(asked) - {"button"} <= defined
