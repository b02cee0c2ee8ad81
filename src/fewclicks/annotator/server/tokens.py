"""Tokens of one's own: strong enough, and each with the person who has it."""

from __future__ import annotations

import os
from pathlib import Path

from fewclicks.annotator.server.signin import as_person
from fewclicks.errors import InputError

SHORTEST, FEWEST_LETTERS = 16, 6
MAKE_ONE = "make one by: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
FILE_BYTES = 2**20


def require_strong(token: str, where: str) -> None:
    """Raise InputError for a token that can be guessed, or that no header can carry."""
    good = token.isascii() and token.isprintable() and not set(token) & set(' "&#%+;,')
    if len(token) < SHORTEST or len(set(token)) < FEWEST_LETTERS or not good:
        raise InputError(f"{where} is too weak a token; use {SHORTEST} or more letters and digits ({MAKE_ONE})")


def read_people(file: Path) -> dict[str, str]:
    """Read who has which token: a line for each, the name, a space, the token. Lines that begin with # say nothing.

    Raises InputError for a file that others may read, and for lines that are not like that.
    """
    try:
        with open(file, "rb") as opened:
            mode, data = file.stat().st_mode, opened.read(FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"the tokens in '{file}' cannot be read ({error.strerror}); name a file by --tokens") from None
    except UnicodeDecodeError:
        raise InputError(
            f"'{file}' is no text in UTF-8; write a line for each person: the name, a space, the token"
        ) from None
    if len(data) > FILE_BYTES:
        raise InputError(f"'{file}' is too long for a list of people; it may have {FILE_BYTES // 2**20} MiB")
    if mode & 0o077 and os.name == "posix":
        raise InputError(f"others may read the tokens in '{file}'; take that from them by: chmod 600 {file}")
    people: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, token = line.strip().rpartition(" ")
        where = f"line {number} of '{file}'"
        name = as_person(name)
        if not name:
            raise InputError(f"{where} is no name, space and token; {MAKE_ONE}")
        require_strong(token, f"that in {where}")
        if name in people or token in people.values():
            raise InputError(f"{where} has a name or a token that stands above already; give each person their own")
        people[name] = token
    if not people:
        raise InputError(f"there is nobody in '{file}'; write a line for each person: the name, a space, the token")
    return people
