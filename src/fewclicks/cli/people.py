"""`fewclicks people`: who may sign in to the annotator of a folder, and as what."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from fewclicks.cli import options
from fewclicks.cli.annotate import DatabaseUrl, store_of

if TYPE_CHECKING:
    from fewclicks.annotator.services.people import Directory, Invited

people = typer.Typer(
    no_args_is_help=True, help="Let people in to the annotator of a folder: names, roles, links, passwords."
)

FolderPath = Annotated[str, typer.Argument(metavar="FOLDER", help="The photos that are annotated.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the journal calls them.")]
WithPassword = Annotated[
    bool, typer.Option("--password", help="Ask for a password for them, or read it from a pipe: one line.")
]


@people.command("list")
def list_people(folder: FolderPath, database: DatabaseUrl = None) -> None:
    """Print who may sign in, with their roles."""
    with _opened(folder, database) as directory:
        for member in directory.members:
            ways = [*(["link"] if member.link else []), *(["password"] if member.password else [])]
            print(f"{member.name}: {member.role}, {' and '.join(ways) if member.active else 'may not sign in'}")
        if not directory.members:
            print("Nobody yet; add somebody by: fewclicks people add FOLDER NAME")


@people.command()
def add(
    folder: FolderPath,
    name: Name,
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="annotator, reviewer or admin.")] = "annotator",
    password: WithPassword = False,
    database: DatabaseUrl = None,
) -> None:
    """Let somebody in, and print the token of their link, or with --password ask for their password."""
    with _opened(folder, database) as directory:
        _tell(directory.add(name, role, _asked() if password else None, link=not password))


@people.command()
def change(
    folder: FolderPath,
    name: Name,
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE", help="annotator, reviewer or admin.")] = None,
    password: WithPassword = False,
    link: Annotated[bool, typer.Option("--link", help="Make a new link; the old one ends.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Let somebody in again who was removed.")] = False,
    database: DatabaseUrl = None,
) -> None:
    """Give somebody another role, password or link."""
    with _opened(folder, database) as directory:
        member_id = _id_of(directory, name)
        secret = _asked() if password else None
        _tell(directory.change(member_id, role, secret, link or None, back or None))


@people.command()
def remove(folder: FolderPath, name: Name, database: DatabaseUrl = None) -> None:
    """Let somebody in no more; what they did stays."""
    with _opened(folder, database) as directory:
        _tell(directory.change(_id_of(directory, name), active=False))


@contextmanager
def _opened(folder: str, database: str | None) -> Iterator[Directory]:
    """Give the people of a folder's database."""
    options.require_extra("annotate", "sqlalchemy")
    from fewclicks.annotator.services.people import Directory
    from fewclicks.annotator.services.remote_photos import photos_at

    with store_of(photos_at(folder), database) as store:
        yield Directory(store.people)


def _id_of(directory: Directory, name: str) -> str:
    from fewclicks.errors import UnknownName

    for member in directory.members:
        if member.name.casefold() == name.casefold():
            return member.id
    known = ", ".join(member.name for member in directory.members) or "nobody"
    raise UnknownName(f"nobody is named '{name}'; there are: {known}")


def _asked() -> str:
    """The password: typed twice, or a line of what is piped in."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")


def _tell(made: Invited) -> None:
    member = made.member
    print(f"{member.name}: {member.role}" if member.active else f"{member.name} may not sign in any more")
    if made.token:
        print(f"Open the address of the annotator with ?token={made.token}")
