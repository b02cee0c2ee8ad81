"""What the services publish, as the API tells it in events."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from fewclicks.annotator.server.preannotations import JobOut
from fewclicks.annotator.server.schemas import ClassOut, ObjectOut, OwnPasses, PhotoOut
from fewclicks.annotator.services.model import Passes
from fewclicks.annotator.services.news import PhotoView
from fewclicks.annotator.services.preannotating import Job
from fewclicks.annotator.store.records import ClassInfo, ObjectInfo


def told(data: Any) -> Any:
    """Make of a record what JSON can hold, as the answers of the API have it."""
    if isinstance(data, list):
        return [told(one) for one in data]
    model = _model_of(data)
    return data if model is None else model.model_dump(mode="json")


def _model_of(record: Any) -> BaseModel | None:
    match record:
        case ObjectInfo():
            return ObjectOut.of(record)
        case PhotoView():
            return PhotoOut.of(record)
        case ClassInfo():
            return ClassOut.of(record)
        case Passes():
            return OwnPasses.of(record)
        case Job():
            return JobOut.of(record)
    return None
