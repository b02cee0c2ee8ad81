"""What the API takes and gives where objects go from photo to photo, and where masks are looked at once more."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from fewclicks.annotator.editing.actions import Fitted
from fewclicks.annotator.server.requests import Refined, Uuid
from fewclicks.annotator.server.schemas import ObjectOut, ResponseModel
from fewclicks.annotator.services.taking_over import Taken
from fewclicks.annotator.store.records import ObjectInfo
from fewclicks.propagation import Doubt


class CopiesIn(Refined):
    """Objects of any photos, to be put on this one."""

    action_id: Uuid
    """Made by the client: sent again, nothing is done twice."""
    objects: Annotated[list[Uuid], Field(min_length=1, max_length=1000)]
    follow: bool = False
    """They are moved as the pixels between the two photos have, and fitted to this one; else pasted as they are."""

    def fit(self) -> Fitted:
        """How they are fitted."""
        return Fitted(self.cfr, self.adaptive)


class CopyOut(ResponseModel):
    """What became of one of them."""

    source: str
    object: ObjectOut | None
    """On this photo; null where it was left out."""
    agreement: float | None
    """0 to 1: how far to trust what was followed; null of what was pasted."""
    problem: str
    """Why it was left out, or has to be looked at; else empty."""

    @classmethod
    def of(cls, taken: Taken) -> Self:
        """As the service tells it."""
        found = ObjectOut.of(taken.object) if taken.object else None
        return cls(source=taken.source, object=found, agreement=taken.agreement, problem=taken.problem)


class CopiesOut(ResponseModel):
    """What became of the objects, in the order in which they were asked for."""

    items: list[CopyOut]


class PlaceOut(ResponseModel):
    """A connected part that one more pass would change: a pixel within it, and how large it is."""

    x: int
    y: int
    changed_px: int


class DoubtOut(ResponseModel):
    """What one more pass of the cascade would change of an object."""

    object: str
    version: int
    """That of the object when its mask was looked at."""
    changed_px: int
    share: float
    """Of the pixels that are the object before it or after it."""
    places: list[PlaceOut]

    @classmethod
    def of(cls, info: ObjectInfo, doubt: Doubt) -> Self:
        """As the library tells it."""
        places = [PlaceOut(x=place.x, y=place.y, changed_px=place.changed_px) for place in doubt.places]
        return cls(
            object=info.id,
            version=info.version,
            changed_px=doubt.changed_px,
            share=round(doubt.share, 6),
            places=places,
        )


class DoubtsOut(ResponseModel):
    """The objects of a photo, those first that one more pass would change most."""

    items: list[DoubtOut]
