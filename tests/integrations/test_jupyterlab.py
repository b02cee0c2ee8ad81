"""The widget in the real JupyterLab, driven in Chromium: click, undo, the mask as an array."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import browsing
import programs
from fewclicks.api import open as open_session

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "images" / "coffee.png"
DOTS = ".jp-OutputArea-output span[style*='border-radius']"
"""The clicks, as the widget draws them."""
CELLS = (
    'import fewclicks\nimport numpy as np\n\nwidget = fewclicks.widget("coffee.png")\nwidget',
    'np.save("clicked.npy", widget.mask)\nnp.save("dots.npy", [dot[:2] for dot in widget.dots])',
    'np.save("undone.npy", widget.mask)',
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab in a folder with a photo and a notebook; (the address of the notebook, the folder)."""
    start = programs.program("jupyter", "jupyter-lab")
    folder, own = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("jupyter")
    browsing.require_chromium()
    shutil.copy(PHOTO, folder)
    cells = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for i, cell in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "click.ipynb").write_text(json.dumps(notebook))
    port = programs.free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "JUPYTER_CONFIG_DIR": str(own / "config"),
                   "JUPYTER_DATA_DIR": str(own / "data"), "IPYTHONDIR": str(own / "ipython")}  # fmt: skip
    command = [
        start,
        "--allow-root",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--IdentityProvider.token=tok",
    ]
    base = f"http://127.0.0.1:{port}"
    with programs.running(command, f"{base}/api", own / "lab.log", env=environment, cwd=folder):
        yield f"{base}/lab/tree/click.ipynb?token=tok", folder


def run_cell(page, number):
    """Run a cell by its keys, and wait until it has a number. Keys that come before the kernel are asked for again."""
    from playwright import sync_api

    prompt = "([n, sign]) => document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')[n].textContent.match(sign)"
    for _ in range(20):
        page.locator(".jp-CodeCell").nth(number).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(sync_api.TimeoutError):
            page.wait_for_function(prompt, arg=[number, "[0-9*]"], timeout=15_000)
            break
    page.wait_for_function(prompt, arg=[number, "[0-9]"])


def wait_for_dots(page, count):
    page.wait_for_function("([dots, n]) => document.querySelectorAll(dots).length == n", arg=[DOTS, count])


@pytest.mark.integration
@pytest.mark.browser
def test_clicks_in_a_notebook_become_an_array(lab):
    address, folder = lab
    session = open_session(PHOTO)
    height, width = session.image.shape[:2]
    with browsing.browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 1100})
        page.set_default_timeout(300_000)
        page.goto(address)
        page.wait_for_selector(".jp-CodeCell .cm-content")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        run_cell(page, 0)
        photo = page.get_by_alt_text("the photo to click on")
        photo.wait_for()
        photo.scroll_into_view_if_needed()
        for clicks, (x, y, button) in enumerate([(290, 130, "left"), (150, 290, "right")], 1):
            rect = photo.bounding_box()
            at = {"x": (x + 0.5) * rect["width"] / width, "y": (y + 0.5) * rect["height"] / height}
            photo.click(position=at, button=button)
            wait_for_dots(page, clicks)
        assert page.locator(".lm-Menu").count() == 0, "the right button is the widget's own here"
        if place := os.environ.get("FEWCLICKS_SHOTS"):
            page.get_by_role("button", name="No", exact=True).click()  # to news
            page.wait_for_timeout(1000)
            page.screenshot(path=Path(place) / "jupyterlab.png")
        run_cell(page, 1)
        page.get_by_role("button", name="Undo", exact=True).click()
        wait_for_dots(page, 1)
        photo.locator("..").focus()
        page.keyboard.press("Control+Shift+Z")
        wait_for_dots(page, 2)
        page.keyboard.press("Control+Z")
        wait_for_dots(page, 1)
        run_cell(page, 2)
        page.close()
    clicked, undone, found = (np.load(folder / f"{name}.npy") for name in ("clicked", "undone", "dots"))
    assert np.abs(found - [[290, 130], [150, 290]]).max() < 1, "a pixel of the screen is less than two of the photo"
    first = session.click(*found[0])
    assert np.array_equal(undone, first)
    assert np.array_equal(clicked, session.click(*found[1], positive=False))
    assert 0 < clicked.sum() < clicked.size
