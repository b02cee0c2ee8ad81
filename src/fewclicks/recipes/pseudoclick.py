"""PseudoClick (Liu et al., ECCV 2022): RITM's training, and two maps of errors that are taught by its mistakes."""

from dataclasses import replace

from fewclicks.recipes import ritm
from fewclicks.recipes.compact import on_compact
from fewclicks.training.recipe import Recipe


def pseudoclick() -> Recipe:
    """HRNet18, COCO+LVIS."""
    return replace(ritm.hrnet18_cocolvis(), name="pseudoclick", method="pseudoclick", extra="errors")


def hrnet32_cocolvis() -> Recipe:
    """HRNet32, COCO+LVIS."""
    return replace(
        ritm.hrnet32_cocolvis(), name="pseudoclick_hrnet32_cocolvis", method="pseudoclick", extra="errors"
    )  # fmt: skip


def hrnet18_sbd() -> Recipe:
    """PseudoClick with HRNet18, trained on SBD."""
    return replace(ritm.hrnet18_sbd(), name="pseudoclick_hrnet18_sbd", method="pseudoclick", extra="errors")


def compact() -> Recipe:
    """The same on EfficientNet-Lite0 and this repository's photos, for two cores."""
    return replace(on_compact(pseudoclick()), max_clicks=12, click_gamma=0.6, single_click_prob=0.6)
