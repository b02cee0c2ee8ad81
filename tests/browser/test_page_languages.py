"""The words of the page: one file a language, with the same texts, and none outside of them."""

import json
import re
from pathlib import Path

import pytest

from annotating import make_folder
from browsing import Server, require_chromium, shot
from fewclicks.annotator.server.routes.files import formats

STATIC = Path(__file__).parents[2] / "src" / "fewclicks" / "annotator" / "web"
MADE = r"(n|does|group|kind|state|pre|photos|tool|you\.as|tour|key|format|loses|option|choice)\."
"""Texts whose names are put together."""
SAID = """() => {
    const all = new Set();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode())
        if (!walk.currentNode.parentElement.closest('noscript, script')) all.add(walk.currentNode.data.trim());
    for (const one of document.querySelectorAll('*'))
        for (const name of ['title', 'aria-label', 'placeholder', 'aria-valuetext', 'alt'])
            all.add(one.getAttribute(name)?.trim() ?? '');
    return [...all].filter((text) => /[a-z]{2}/i.test(text));
}"""
ENGLISH = (
    r"\b(the|of|and|is|are|to|on|that|what|its|which|not|with|photo|click|mask|object|objects|next|show|"
    r"selected|delete|all|find|other|before|after|save|saved|undo|key|class|people|view|you)\b"
)


def texts(code):
    """The table of a language: its lines are JSON."""
    lines = (STATIC / "js" / "languages" / f"{code}.js").read_text().split("= {\n")[1].rsplit(",\n};", 1)[0]
    return json.loads("{" + lines + "}")


def forms(text):
    return [text] if isinstance(text, str) else [text["one"], text["other"]]


def test_the_languages_have_the_same_texts():
    english, german = texts("en"), texts("de")
    assert list(english) == list(german)
    for key, text in english.items():
        assert isinstance(text, str) == isinstance(german[key], str), key
        places = [set(re.findall(r"\{[\w:]+\}", one)) for one in (forms(text)[-1], *forms(german[key]))]
        assert all(place == places[0] for place in places) or key == "review.sayFirst", key
        assert all(one.strip() for one in (*forms(text), *forms(german[key]))), key
    assert {key.removesuffix("Touch") for key in english} <= set(english), "texts for fingers are those of others"
    files = [file for file in (STATIC / "js").rglob("*.js") if file.parent.name != "languages"]
    source = "".join(file.read_text() for file in (*files, STATIC / "index.html"))
    assert not [key for key in english if f'"{key.removesuffix("Touch")}"' not in source and not re.match(MADE, key)]


def test_each_language_is_one_that_can_be_chosen():
    chosen = set(re.findall(r"(\w+): \{ name: \"", (STATIC / "js" / "language.js").read_text()))
    assert chosen == {file.stem for file in (STATIC / "js" / "languages").glob("*.js")}


def test_what_the_server_says_of_formats_is_known():
    """The page has the same words for it, in each language; of a format that it does not know, the server's."""
    english = texts("en")
    known = [one for one in formats() if f"format.{one.name}" in english]
    assert len(known) >= len([key for key in english if key.startswith("format.")]) > 5
    for one in known:
        assert english[f"format.{one.name}"] == one.title
        loses = " ".join(one.loses)
        if not any(option.name in loses for option in one.options):  # the page calls options by their titles
            assert english[f"loses.{one.name}"] == loses
        assert not re.search("[_=]", english[f"loses.{one.name}"])
        for option in one.options:
            assert english[f"option.{option.name}"] == option.title
            for choice in option.choices or ():
                assert re.fullmatch(r"[^\W_]+( \w+)*|[\d/]*", english.get(f"choice.{choice}", choice))


require_chromium()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    server = Server(make_folder(tmp_path_factory.mktemp("languages") / "ordner", ["1.png", "2.png"]))
    server.send("PATCH", "/classes/1", json.dumps({"name": "Ding"}).encode())
    yield server
    server.kill()


@pytest.mark.browser
def test_all_of_the_page_is_in_the_language_of_the_browser(opened, served):
    screen = opened(1, locale="de-AT")
    page = screen.page
    assert page.evaluate("document.documentElement.lang") == "de"
    screen.click(60, 40, (120, 80))
    page.locator("#saved").filter(has_text=re.compile("^Gespeichert$")).wait_for()
    said = set(page.evaluate(SAID))
    for opener, dialog in (
        ("#help", "#sheet"),
        ("#export", "#export-dialog"),
        ("#import", "#import-dialog"),
        ("#preannotate", "#preannotate-dialog"),
        ("#statistics", "#statistics-dialog table"),
        ("#assign", "#people-dialog"),
        ("[aria-label='Die Klassen bearbeiten']", ".class-row input.class-key"),
        ("[aria-label^='Group'], [aria-label^='Gruppe']", "#class-dialog[open]"),
    ):
        page.locator(opener).first.click()
        page.locator(dialog).first.wait_for()
        said |= set(page.evaluate(SAID))
        if opener == "#help":
            shot(screen, "keys-german")
        if "label" not in opener or "Group" in opener:
            page.keyboard.press("Escape")
    shot(screen, "german")
    newcomers = [one for one in formats() if f"format.{one.name}" not in texts("en")]  # told in the server's words
    words = [text for one in newcomers for text in (one.title, *one.loses)]
    said = {text for text in said if not any(word in text for word in words)}
    english = {key: text for key, text in texts("en").items() if text != texts("de")[key]}
    patterns = [re.sub(r"\\\{[\w:]+\\\}", ".+", re.escape(one)) for text in english.values() for one in forms(text)]
    any_english = re.compile("|".join(one for one in patterns if re.search("[a-z]{2}", one.replace(".+", ""))))
    assert not sorted(text for text in said if any_english.fullmatch(text))
    queries = re.compile(r"\b(class|by|for|tag|is|objects|comments):\S*")
    assert not [text for text in said if re.search(ENGLISH, queries.sub("", text))]


@pytest.mark.browser
def test_the_language_that_is_chosen_stays(opened, served):
    screen = opened(2)
    page = screen.page
    assert page.locator("#finish").inner_text() == "Finish"
    page.locator("#view summary").click()
    page.locator("#setting-language").select_option("de")
    page.locator("#finish", has_text="Fertig").wait_for()
    assert page.locator("#undo").get_attribute("title").endswith("in diesem Tab wurde nichts getan")
    page.reload()
    page.locator("#finish", has_text="Fertig").wait_for()
    page.locator("#view summary").click()
    page.locator("#setting-language").select_option("auto")
    page.locator("#finish", has_text="Finish").wait_for()
