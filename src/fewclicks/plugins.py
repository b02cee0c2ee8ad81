"""Extensions by name: `find("methods", "grow")` is the module `fewclicks.methods.grow`. It alone decides what is run.

A name is looked up among the files of the package and the installed entry points of the group `fewclicks.KIND`. Nothing
else is imported because of a name that stands in data: a request, the config.json of a checkpoint, a session, a recipe,
the metadata of a model, a database.

A dotted name (`my_lab.my_method`) is a module outside the package, which only the user may name: as an argument of a
command or of `fewclicks.load`, which say `trusted=True`, by `fewclicks --allow MODULE`, or by `fewclicks.allow`. From
then on data may name it too, in this process and in those that it starts. It is looked for where Python looks, and then
in the current folder. A part of one is written MODULE:NAME (`my_lab.losses:focal`): a robot, a loss, a metric.
"""

import ast
import difflib
import importlib
import inspect
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from fewclicks.errors import InputError, UnknownName

KINDS = {"methods": "method", "datasets": "dataset", "models": "backbone", "recipes": "recipe", "formats": "format"}
"""Folders of the package that hold extensions, and what one of them is called."""

DEFINES = {"methods": "build", "datasets": "open", "models": "build", "formats": "write"}
"""What a file must define to be an extension; the other files of the folder are its helpers. In recipes/ all are."""

ALLOWED = "FEWCLICKS_ALLOW"
"""The environment variable that names, with commas, the modules that data may name: processes inherit it."""

ALLOWED_FROM = "FEWCLICKS_ALLOW_FROM"
"""And that of the folder in which they were found, where that is the one the user was in."""

DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+", re.ASCII)
PLAIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*", re.ASCII)
"""A module by one name too: what stands before a colon is no name of ours."""
SHOWN = 80
"""Characters of a name that an error repeats."""


def names(kind: str) -> list[str]:
    """List the extensions of a kind ("methods", "datasets", "models", "recipes", "formats"), sorted."""
    return sorted({*_files(kind), *_installed(kind)})


def find(kind: str, name: str, *, trusted: bool = False) -> ModuleType:
    """Import the module of the extension `name`.

    `trusted` says that `name` is the user's own word, not data: then a dotted name is imported as it is, and allowed
    from then on. UnknownName with the nearest names where there is no such extension.
    """
    if not isinstance(name, str) or not name.isascii():
        raise _unknown(kind, name)
    if trusted and DOTTED.fullmatch(name):
        return _defining(own_module(name), kind)
    file = file_name(name)
    if file in _files(kind):
        return importlib.import_module(f"fewclicks.{kind}.{file}")
    installed = _installed(kind)
    if file in installed:
        return importlib.import_module(installed[file].module)
    if name in allowed() or name in {point.module for point in installed.values()}:
        return _defining(_imported(name, os.environ.get(ALLOWED_FROM, "")), kind)
    raise _unknown(kind, name)


def _defining(module: ModuleType, kind: str) -> ModuleType:
    """Return a module of the user's own that defines what its kind must define; UnknownName for another."""
    wanted = DEFINES.get(kind)
    if wanted and not callable(getattr(module, wanted, None)):
        raise UnknownName(f"'{module.__name__}' is no {KINDS[kind]}: it defines no function '{wanted}'; write one")
    return module


def check(kind: str, name: object) -> str:
    """Return a name that stands in data if `find` would import it; UnknownName otherwise. Nothing is imported."""
    if isinstance(name, str) and name.isascii():
        file = file_name(name)
        if file in _files(kind) or name in allowed():  # what is installed takes long to look through
            return name
        installed = _installed(kind)
        if file in installed or name in {point.module for point in installed.values()}:
            return name
    raise _unknown(kind, name)


def own_module(name: str) -> ModuleType:
    """Import a module by the user's own words, and allow it from then on. UnknownName if there is none."""
    allow(name)
    return sys.modules[name]


def own_part(name: str, part: str, takes: Sequence[str] = ()) -> Any:
    """Import MODULE:NAME, or `part` of a MODULE named alone, by the user's own words; its module is allowed then.

    UnknownName if there is no such module, or nothing of that name in it; InputError for what cannot be called with
    the arguments that it must take.
    """
    let_part(name)
    place, _, inner = name.partition(":")
    try:
        found = getattr(sys.modules[place], inner or part)
    except AttributeError:
        raise UnknownName(f"'{place}' has no '{inner or part}'; name a function of it: {place}:NAME") from None
    if not callable(found):
        raise InputError(f"the {part} {name} is no function, but {found!r:.40}; name a function of {place}")
    try:
        signature = inspect.signature(found)
    except ValueError:  # of C, and tells nothing
        return found
    try:
        _ = takes and signature.bind(*takes)
    except TypeError:
        raise InputError(f"the {part} {name} must take ({', '.join(takes)}), and takes {signature}") from None
    return found


def let_part(name: str) -> None:
    """Import the module of MODULE:NAME by the user's own words, and allow it."""
    _let(name.partition(":")[0], PLAIN)


def is_own(name: str) -> bool:
    """Tell whether a name is that of a part outside the package: a dotted one, or one with a colon."""
    return "." in name or ":" in name


def check_own(name: str) -> str:
    """Return MODULE or MODULE:NAME that stands in data if the user has allowed the module; UnknownName otherwise."""
    place = name.partition(":")[0]
    if place not in allowed():
        raise UnknownName(
            f"'{_shown(name)}' is code outside of fewclicks, which data may not have run; if you know it, allow it: "
            f"fewclicks --allow {_shown(place)} ..., or in Python fewclicks.allow('{_shown(place)}')"
        )
    return name


def allow(*modules: str) -> None:
    """Let data name these modules, each by its dotted name: `fewclicks.allow("my_lab.net")`. They are imported at once.

    A module may also allow itself, so that whoever imports it can use it: `fewclicks.allow(__name__)`. UnknownName for
    a module that does not exist.
    """
    for name in modules:
        _let(name, DOTTED)


def _let(name: str, kind: re.Pattern[str]) -> None:
    """Import a module, whose name must be of a kind, and allow it."""
    if not (isinstance(name, str) and kind.fullmatch(name)):
        raise UnknownName(f"'{_shown(name)}' is no dotted name of a module; write it as my_lab.net")
    try:
        module = _imported(name, os.getcwd())
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise UnknownName(
                f"no module named '{name}'; is it on the Python path, or under the current folder?"
            ) from None
        raise InputError(f"the module '{name}' needs '{error.name}', which is not there; install it") from error
    except Exception as error:
        raise InputError(f"the module '{name}' cannot be imported: {_reason(error, name)}; mend it") from error
    os.environ[ALLOWED] = ",".join(sorted(allowed() | {name}))
    if Path(getattr(module, "__file__", None) or "/").is_relative_to(Path.cwd()):
        os.environ.setdefault(ALLOWED_FROM, os.getcwd())


def _imported(name: str, folder: str) -> ModuleType:
    """Import a module from where Python looks, and then from a folder. What it imports now is looked for there too."""
    if not folder or folder in sys.path:
        return importlib.import_module(name)
    sys.path.append(folder)  # last: nothing there stands for a module that is installed
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def blame(error: BaseException) -> str:
    """Tell what went wrong in which line of a module that the user has allowed; "" where none of theirs had a part."""
    for name in sorted(allowed()):
        if told := _reason(error, name, anywhere=False):
            return told
    return ""


def _reason(error: BaseException, name: str, anywhere: bool = True) -> str:
    """The error in a line, with the last place in the package of a module where it passed."""
    top = name.partition(".")[0]
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] == top != "fewclicks":
            place = f"{frame.f_globals['__name__']}, line {line}: "
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{Path(error.filename).name}, line {error.lineno}: "
    text = str(error).partition("\n")[0]
    return f"{place}{type(error).__name__}{f': {text}' if text else ''}" if place or anywhere else ""


def allowed() -> set[str]:
    """The modules outside the package that the user has named in this process, or in the environment."""
    return set(filter(None, (name.strip() for name in os.environ.get(ALLOWED, "").split(","))))


def file_name(name: str) -> str:
    """Return the name of an extension's file: "default-0.1" is default_0_1. A module keeps its dots."""
    name = name.lower()
    return (name if DOTTED.fullmatch(name) else name.replace(".", "_")).replace("-", "_")


def _files(kind: str) -> list[str]:
    """The extensions that are files of the package."""
    if kind not in KINDS:
        raise LookupError(f"no kind of extension is called {kind!r}; there are: {', '.join(KINDS)}")
    return list(_extensions(kind))


@cache
def _extensions(kind: str) -> tuple[str, ...]:
    """The files of a folder that define what its kind must define. They are read, not run: they may need an extra."""
    package = importlib.import_module(f"fewclicks.{kind}")
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        spec = module.module_finder.find_spec(module.name, None)
        assert spec is not None
        source = getattr(spec.loader, "get_source", lambda _: None)(module.name) or ""
        if kind not in DEFINES or DEFINES[kind] in _defined(source, DEFINES[kind]):
            found.append(module.name)
    return tuple(found)


def _defined(source: str, name: str) -> set[str]:
    """The functions that a file defines, or {`name`} where it assigns it; what cannot hold `name` is not parsed."""
    if not re.search(rf"^(def {name}|{name} *=)", source, re.MULTILINE):
        return set()
    body = ast.parse(source).body
    assigned = (target for node in body if isinstance(node, ast.Assign) for target in node.targets)
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return functions | {target.id for target in assigned if isinstance(target, ast.Name)}


def _installed(kind: str) -> dict[str, EntryPoint]:
    """The entry points of a kind, by name. Those that lie in the current folder are not installed, only found there."""
    here = Path.cwd().resolve()
    found = {}
    for point in entry_points(group=f"fewclicks.{kind}"):
        place = point.dist.locate_file("") if point.dist else None
        if place is not None and Path(os.fspath(place)).resolve() != here and point.module:  # type: ignore[call-overload]
            found[file_name(point.name)] = point
    return found


def _unknown(kind: str, name: object) -> UnknownName:
    known = names(kind)
    what = f"no {KINDS[kind]} named '{_shown(name)}'"
    if isinstance(name, str) and len(name) <= SHOWN and DOTTED.fullmatch(name):
        return UnknownName(
            f"{what}; there are: {', '.join(known)}. If it is a module of your own, allow it: "
            f"fewclicks --allow {name} ..., or in Python fewclicks.allow('{name}')"
        )
    file = file_name(name) if isinstance(name, str) else ""
    near = difflib.get_close_matches(file[:SHOWN], known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
    return UnknownName(f"{what}; {hint}")


def _shown(name: object) -> str:
    """A name for an error: short, and nothing in it that a terminal would obey."""
    text = name if isinstance(name, str) else f"({type(name).__name__})"
    plain = "".join(letter if letter.isprintable() else "?" for letter in text[:SHOWN])
    return plain + ("..." if len(text) > SHOWN else "")
