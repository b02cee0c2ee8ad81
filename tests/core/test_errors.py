"""How messages are put: what an error says in one line, and counted nouns."""

import pytest

from fewclicks.errors import counted, one_line, sentence


@pytest.mark.parametrize(
    ("told", "count", "noun", "verb"),
    [
        ("0 photos", 0, "photo", ""),
        ("1 photo", 1, "photo", ""),
        ("2,000 new objects", 2000, "new object", ""),
        ("2 classes", 2, "class", ""),
        ("3 boxes", 3, "box", ""),
        ("2 micro-batches", 2, "micro-batch", ""),
        ("2 categories", 2, "category", ""),
        ("2 keys", 2, "key", ""),
        ("1 mask has", 1, "mask", "has"),
        ("2 masks have", 2, "mask", "has"),
        ("2 objects are", 2, "object", "is"),
        ("1 pixel differs", 1, "pixel", "differs"),
        ("2 pixels differ", 2, "pixel", "differs"),
    ],
)
def test_nouns_are_counted(told, count, noun, verb):
    assert counted(count, noun, verb) == told


def test_an_error_is_told_in_one_line():
    assert one_line(ValueError("a\n  tree\tof\nlines")) == "a tree of lines"
    assert one_line(ValueError()) == "ValueError"
    assert one_line(KeyError("name")) == "it lacks 'name'"
    assert one_line(ValueError("x" * 300)) == "x" * 200
    assert len(one_line(ValueError("x" * 300), None)) == 300
    assert one_line(OSError("half a letter: \udc80")) == "half a letter: ?"
    assert one_line("  two\nlines ", 5) == "two l"
    assert one_line("") == ""
    assert sentence("the\n'Photo' is gone") == "The 'Photo' is gone"
