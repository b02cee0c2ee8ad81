"""Photos that are found by what is in them and said of them: `class:car objects:>3 for:Ann -tag:night dog`.

    word                       in the name, the tags, the note, or the name of who is to do it
    class:car                  with an object of that class; by:Ann  on which she did something
    for:Ann, tag:night         hers to do; of that tag; for:nobody
    is:returned                of that state; objects:0, objects:>3, objects:<=2  with so many objects
    comments:>0                with so many comments that are not resolved

All must be true; a minus in front of one turns it round. Names with spaces are put in quotes.
"""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Callable, Iterable

from fewclicks.annotator.store.objects import Store
from fewclicks.annotator.store.photos import STATES
from fewclicks.annotator.store.records import PhotoInfo
from fewclicks.errors import InputError

NUMBER = re.compile(r"(<=|>=|<|>|=)?(\d{1,9})")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}
KEYS = ("class", "by", "for", "tag", "is", "objects", "comments")
WORDS = {"new": "untouched", "sent": "returned"}

Wanted = Callable[[PhotoInfo], bool]


def find(store: Store, photos: Iterable[PhotoInfo], query: str) -> list[int]:
    """The ids of the photos for which all of the query is true. InputError for what it cannot mean."""
    try:
        lexer = shlex.shlex(query, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.quotes, lexer.commenters, lexer.escape = True, '"', "", ""
        words = list(lexer)
    except ValueError:
        raise InputError('a quote is not closed; write names with spaces as class:"traffic light"') from None
    wanted = [_turned(store, word) for word in words]
    return [info.id for info in photos if all(one(info) for one in wanted)]


def _turned(store: Store, word: str) -> Wanted:
    if len(word) > 1 and word[0] == "-":
        inner = _one(store, word[1:])
        return lambda info: not inner(info)
    return _one(store, word)


def _one(store: Store, word: str) -> Wanted:
    key, colon, value = word.partition(":")
    key = key.casefold()
    if not colon or key not in KEYS:
        text = word.casefold()
        return lambda info: text in "\n".join((info.name, *info.tags, info.note, info.assignee)).casefold()
    folded = value.casefold()
    match key:
        case "class":
            return _of_class(store, folded)
        case "by":
            people = store.statistics.people_by_photo()
            return lambda info: any(name.casefold() == folded for name in people.get(info.id, ()))
        case "for":
            who = "" if folded == "nobody" else folded
            return lambda info: info.assignee.casefold() == who
        case "tag":
            return lambda info: any(tag.casefold() == folded for tag in info.tags)
        case "is":
            state = WORDS.get(folded, folded)
            if state not in STATES:
                raise InputError(f"a photo is {', '.join(STATES)}; nothing is '{value:.40}'")
            return lambda info: info.state == state
        case "objects":
            return _numbered(value, lambda info: info.objects)
        case _:
            return _numbered(value, lambda info: info.comments)


def _of_class(store: Store, name: str) -> Wanted:
    ids = {one.id for one in store.classes() if one.name.casefold() == name}
    if not ids:
        names = ", ".join(one.name for one in store.classes()[:20])
        raise InputError(f"no class is named '{name:.60}'; there are: {names}")
    counts = store.statistics.classes_by_photo()
    return lambda info: any(counts[info.id][one] for one in ids) if info.id in counts else False


def _numbered(value: str, number: Callable[[PhotoInfo], int]) -> Wanted:
    found = NUMBER.fullmatch(value)
    if found is None:
        raise InputError(f"a number is written as 3, >3 or <=3, got '{value:.40}'")
    compare, bound = COMPARE[found[1] or "="], int(found[2])
    return lambda info: bool(compare(number(info), bound))
