"""Files wherever fsspec reaches: object stores, web servers, other machines. Its errors, and theirs, become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fewclicks.errors import InputError, MissingExtra, one_line


def open_remote(url: str, extra: str) -> Any:
    """Open a file to be read. `extra`: what to install where fsspec is missing, as for all of this module."""
    return _fsspec(extra).open(url, "rb")


def filesystem_at(url: str, extra: str) -> tuple[Any, str]:
    """Give the file system of fsspec that an address is in, and the path; ImportError where that needs another."""
    system, path = _fsspec(extra).core.url_to_fs(url)
    return system, str(path)


@contextmanager
def reaching(what: str, extra: str, is_done: str = "reached") -> Iterator[None]:
    """Turn the errors of a store into InputError: each store of fsspec has errors of its own."""
    try:
        yield
    except (InputError, MissingExtra):
        raise
    except ImportError as error:
        raise MissingExtra(
            f"what reads '{what}' is not installed ({one_line(error)}); run: pip install 'fewclicks[{extra}]'"
        ) from None
    except Exception as error:
        cure = "check the address and who may read it"
        raise InputError(f"'{what}' cannot be {is_done} ({one_line(error)}); {cure}") from None


def _fsspec(extra: str) -> Any:
    try:
        import fsspec
    except ImportError:
        raise MissingExtra(
            f"photos elsewhere are read by fsspec, which is not installed; run: pip install 'fewclicks[{extra}]'"
        ) from None
    return fsspec
