"""Extension by file name: `find("methods", "grow")` is the module `fewclicks.methods.grow`.

A dotted name (`my_lab.my_method`) is imported as it is, so that an extension can live outside the package.
"""

import difflib
import importlib
import pkgutil
from types import ModuleType

from fewclicks.errors import UnknownName


def names(kind: str) -> list[str]:
    """The names of the extensions of a kind ("methods", "datasets", "backbones", "recipes"), sorted."""
    package = importlib.import_module(f"fewclicks.{kind}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def find(kind: str, name: str) -> ModuleType:
    """The module of the extension `name`; UnknownName with the nearest names when there is none."""
    if "." in name:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and name.startswith(error.name):
                raise UnknownName(f"no module named '{name}'; is it on the Python path?") from None
            raise
    known = names(kind)
    file = name.lower().replace("-", "_")
    if file not in known:
        near = difflib.get_close_matches(file, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known)}"
        raise UnknownName(f"no {kind.removesuffix('s')} named '{name}'; {hint}")
    return importlib.import_module(f"fewclicks.{kind}.{file}")
