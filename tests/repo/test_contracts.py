"""What users rely on stays as it is written down: see contracts.py."""

import json

import pytest

from contracts import CONTRACTS, FOLDER

pytestmark = pytest.mark.slow

CLOSE = 0.021
"""How far numbers of the network may differ between processors, which are rounded to hundredths."""


@pytest.mark.parametrize("name", [name for name in CONTRACTS if "default" not in name])
def test_a_contract_is_kept(name):
    assert CONTRACTS[name]() == (FOLDER / name).read_text("utf-8"), f"{name} changed: see tests/contracts.py"


@pytest.mark.parametrize("name", [name for name in CONTRACTS if "default" in name])
def test_a_contract_about_the_network_is_kept(name):
    made, wanted = json.loads(CONTRACTS[name]()), json.loads((FOLDER / name).read_text("utf-8"))
    assert made["settings"] == wanted["settings"]
    assert shape(made) == shape(wanted)
    for dataset, row in wanted["datasets"].items():
        got = made["datasets"][dataset]
        assert got["noc"] == pytest.approx(row["noc"], abs=0.1)
        assert got["iou_at_click"] == pytest.approx(row["iou_at_click"], abs=CLOSE)


def shape(value):
    """The names of a report, without its numbers and without what each object has."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if key != "per_object"}
    return type(value).__name__
