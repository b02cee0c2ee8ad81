"""A shortcut that is one file, as CONTRIBUTING.md tells newcomers to write it down."""

import re
import shutil
from pathlib import Path

import pytest

from annotating import make_folder
from browsing import Server, require_chromium
from fewclicks.annotator.server import app

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
((NAME, CODE),) = re.findall(r"web/(js/shortcuts/\w+\.js)`\n.*?```js\n(.*?)```", PAGE, re.DOTALL)
SERVED = """
import sys
from pathlib import Path
from fewclicks.annotator.server import app
app.STATIC = Path(sys.argv.pop(1))
from fewclicks.cli import main
main()
"""


@pytest.fixture
def web(tmp_path):
    """The page's files, and the newcomer's among them."""
    shutil.copytree(app.STATIC, tmp_path / "web")
    (tmp_path / "web" / NAME).parent.mkdir(exist_ok=True)
    (tmp_path / "web" / NAME).write_text(CODE, "utf-8")
    return tmp_path / "web"


def test_the_page_is_told_of_it(web, monkeypatch):
    assert (NAME in app.page()) == (app.STATIC / NAME).exists()
    monkeypatch.setattr(app, "STATIC", web)
    assert f'href="{NAME}"' in app.page()


@pytest.mark.slow
@pytest.mark.browser
def test_its_key_works_is_listed_and_can_be_changed(chromium, web, tmp_path):
    require_chromium()
    from browsing import Screen

    (web / "js" / "shortcuts" / "bad.js").write_text(CODE.replace("Shift+I", "Ctrl+Z"))
    server = Server(make_folder(tmp_path / "photos", ["a.png"]), program=("-c", SERVED, str(web)))
    try:
        context = chromium.new_context(locale="de-AT")
        screen = Screen(context.new_page(), server.address)
        screen.key("Shift+I")
        screen.page.locator("#hint", has_text="120 x 80").wait_for()
        screen.key("?")
        screen.page.locator("#sheet dd", has_text="Sagen, wie groß das Foto ist").wait_for()
        screen.page.locator(".keys[data-id=size]").click()
        screen.key("Alt+q")
        screen.key("Escape")
        screen.page.reload()
        screen.opened()
        screen.key("Alt+q")
        screen.page.locator("#hint", has_text="120 x 80").wait_for()
        said = [text for text in screen.wrong if "bad.js is left out" in text and "undo" in text]
        assert said == screen.wrong != [], "a file that is wrong costs nothing else"
    finally:
        server.kill()
