import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fewclicks

PUBLIC = [
    "CFR",
    "Anchor",
    "CheckpointError",
    "Click",
    "Clicks",
    "Conflict",
    "DatasetError",
    "Denoise",
    "Everything",
    "FewClicksError",
    "Flip",
    "InputError",
    "LocalCorrection",
    "MissingExtra",
    "Predictor",
    "Proposal",
    "Session",
    "State",
    "StoreError",
    "TrainingError",
    "UnknownName",
    "ZoomIn",
    "__version__",
    "allow",
    "load",
    "open",
    "propose",
    "widget",
]


def fresh(code):
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names():
    assert fewclicks.__all__ == PUBLIC
    assert dir(fewclicks) == sorted(PUBLIC)
    assert all(getattr(fewclicks, name) is not None for name in PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        fewclicks.segment  # noqa: B018


def test_every_error_is_public():
    from fewclicks import errors

    assert {name for name in vars(errors) if isinstance(getattr(errors, name), type)} <= set(PUBLIC)


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert fewclicks.__version__ == project["version"]


def test_import_brings_no_heavy_module():
    """Neither the import nor the use of any public name."""
    use = "import fewclicks, sys; [getattr(fewclicks, n) for n in fewclicks.__all__]; "
    assert fresh(use + "print({'torch', 'onnxruntime', 'matplotlib', 'typer'} & set(sys.modules))") == "set()"
    assert fresh("import fewclicks, sys; print({'numpy', 'cv2', 'PIL'} & set(sys.modules))") == "set()"


def test_import_is_quick():
    """Under 0.3 s; the best of three, since other work may hold the machine."""
    code = "import time; t = time.process_time(); import fewclicks; print(time.process_time() - t)"
    assert min(float(fresh(code)) for _ in range(3)) < 0.3
