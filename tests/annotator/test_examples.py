"""Example photos are copied only where they are asked for, and only into a folder without photos."""

import os
import tomllib
from pathlib import Path

import pytest

from annotating import make_folder
from fewclicks.annotator.services.examples import PLACE, add_examples, count_examples, find_examples
from fewclicks.annotator.services.photos import PhotoFolder
from fewclicks.errors import InputError


def test_they_go_into_a_folder_of_their_own(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    folder = PhotoFolder(tmp_path)
    assert count_examples(folder) == len(find_examples()) == 5
    names = add_examples(folder)
    assert sorted(names) == sorted(folder.names())
    assert {path.name for path in tmp_path.iterdir()} == {PLACE, "notes.txt"}
    assert "public domain" in (tmp_path / PLACE / "SOURCES.md").read_text()
    assert count_examples(folder) == 0
    with pytest.raises(InputError, match="has photos already"):
        add_examples(folder)


def test_a_folder_with_photos_gets_none(tmp_path):
    folder = PhotoFolder(make_folder(tmp_path / "photos"))
    assert count_examples(folder) == 0
    with pytest.raises(InputError, match="has photos already"):
        add_examples(folder)
    assert PLACE not in os.listdir(tmp_path / "photos")


def test_no_link_leads_them_elsewhere(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "folder" / PLACE).symlink_to(tmp_path / "other")
    with pytest.raises(InputError, match="is a link"):
        add_examples(PhotoFolder(tmp_path / "folder"))
    assert not os.listdir(tmp_path / "other")


def test_what_is_in_the_place_of_their_folder_is_told(tmp_path):
    (tmp_path / PLACE).write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        add_examples(PhotoFolder(tmp_path))


def test_the_wheel_has_them():
    """What the wheel takes from outside of the package is there."""
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert all((root / source).exists() for source in included)
    assert included["examples/images"] == "fewclicks/examples"
