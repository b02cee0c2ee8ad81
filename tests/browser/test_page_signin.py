"""Signing in and out in a real browser, and the name that is noted beside what one does."""

import pytest

from annotating import make_folder
from browsing import Screen, require_chromium

require_chromium()

pytestmark = pytest.mark.browser
TOKEN = "a-token-of-sixteen-letters"


@pytest.mark.slow
def test_sign_in_say_a_name_and_sign_out(chromium, tmp_path):
    from serving import running

    root = make_folder(tmp_path / "photos")
    with running(root, "--host-name", "photos.example", FEWCLICKS_TOKEN=TOKEN) as served:
        address = f"{served.client.base_url}/".replace("//", "/").replace(":/", "://", 1)
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        page.fill("#token", "wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text("That is not the token.").wait_for()
        page.fill("#token", TOKEN)
        page.get_by_role("button", name="Sign in").click()
        page.locator("#stage").wait_for()
        screen = Screen(page, address)
        page.locator("#person summary").click()
        page.fill("#person-name", "Jürgen 🦊")
        page.press("#person-name", "Enter")
        screen.click(60, 40, (120, 80))
        screen.saved()
        served.client.headers["Authorization"] = f"Bearer {TOKEN}"
        screen.is_now(lambda: [found["person"] for found in served.api("GET", "/photos/1")["objects"]], ["Jürgen 🦊"])
        (cookie,) = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert TOKEN not in str(cookie)
        page.get_by_role("button", name="Sign out").click()
        page.locator("#token").wait_for()
        page.context.add_cookies([cookie])
        page.goto(address)
        assert page.locator("#token").is_visible(), "the session has ended, whoever has its cookie"
        page.goto(f"{address}?token={TOKEN}")
        page.locator("#stage").wait_for()
        assert "token" not in page.url
        page.go_back()
        assert "token" not in page.url
