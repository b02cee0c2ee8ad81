"""What was annotated, in figures."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, median

from fastapi import APIRouter

from fewclicks.annotator.server.routes.common import AnnotatorDep
from fewclicks.annotator.server.schemas import ResponseModel
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.store.statistics import Tally

router = APIRouter(route_class=CheckedRoute, tags=["folder"], prefix="/statistics")

MOST_CLICKS = 20
AREA_BINS = 7


class TallyOut(ResponseModel):
    """Some objects in figures."""

    name: str
    """Of the class or the person; empty for all, or for nobody."""
    objects: int
    """Without proposals."""
    proposals: int
    """Made beforehand, and neither accepted nor corrected yet."""
    photos: int
    """On so many photos."""
    area_px: float
    """The median."""
    clicks: float
    """The mean for an object: clicks, strokes of clicks and boxes that count."""
    seconds: float
    """The mean for an object: between its actions, pauses of more than a minute as a minute."""
    histogram: list[int]
    """How many objects took 0, 1, ... 20 or more clicks."""
    areas: list[int]
    """How many objects have less than 10, 100, ... 1,000,000 pixels, or more."""


class StatisticsOut(ResponseModel):
    """What was annotated in the folder."""

    all: TallyOut
    classes: list[TallyOut]
    """In their order, also those without objects."""
    people: list[TallyOut]
    """By who worked on each object last."""


@router.get("")
def statistics(given: AnnotatorDep) -> StatisticsOut:
    """Objects, areas, clicks and seconds per object: of all, of each class, of each person."""
    every, classes, people = Tally(), defaultdict[int, Tally](Tally), defaultdict[str, Tally](Tally)
    for one in given.store.statistics.objects():
        for tally in (every, classes[one.class_id], people[one.person]):
            tally.count(one)
    return StatisticsOut(
        all=_out("", every),
        classes=[_out(info.name, classes[info.id]) for info in given.store.classes()],
        people=[_out(name, people[name]) for name in sorted(people)],
    )


def _out(name: str, tally: Tally) -> TallyOut:
    histogram, areas = [0] * (MOST_CLICKS + 1), [0] * AREA_BINS
    for clicks in tally.clicks:
        histogram[min(clicks, MOST_CLICKS)] += 1
    for area in tally.areas_px:
        areas[min(AREA_BINS - 1, len(str(area)) - 1)] += 1
    some = tally.objects > 0
    return TallyOut(
        name=name,
        objects=tally.objects,
        proposals=tally.proposals,
        photos=len(tally.photos),
        area_px=median(tally.areas_px) if some else 0,
        clicks=round(fmean(tally.clicks), 2) if some else 0,
        seconds=round(fmean(tally.seconds), 1) if some else 0,
        histogram=histogram,
        areas=areas,
    )
