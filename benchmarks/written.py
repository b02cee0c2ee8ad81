"""The files that the other scripts write: each appears whole or not at all."""

import json
from pathlib import Path
from typing import Any

from fewclicks.images import replace_file


def text(path: Path, content: str) -> None:
    """Write a page."""
    replace_file(path, lambda file: file.write(content.encode()))


def figures(path: Path, found: Any) -> None:
    """Write what was measured as JSON."""
    text(path, json.dumps(found, indent=1) + "\n")
