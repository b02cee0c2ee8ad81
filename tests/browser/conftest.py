"""What the tests of the page share: Chromium, and photos that are opened in a tab of a new profile."""

import pytest

from browsing import Screen, browser


@pytest.fixture(scope="package")
def started():
    """Chromium, started once for all files."""
    with browser() as found:
        yield found


@pytest.fixture
def chromium(started):
    """Chromium without any page of another test."""
    yield started
    for context in started.contexts:
        context.close()


@pytest.fixture
def opened(chromium, served):
    """Opens a photo of the test file's own server; at the end nothing may have gone wrong in any of its tabs."""
    screens = []

    def open_photo(photo, **look):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **look})
        screens.append(Screen(context.new_page(), served.address, photo))
        return screens[-1]

    yield open_photo
    for screen in screens:
        screen.page.context.close()
        assert not screen.wrong
