"""What the API takes and gives where photos are annotated beforehand."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from fewclicks.annotator.server.requests import LongText, RequestModel, RowId, Text, Uuid
from fewclicks.annotator.server.schemas import ResponseModel
from fewclicks.annotator.services.preannotating import Job, JobState, Source
from fewclicks.proposals import Everything


class JobIn(RequestModel):
    """Photos to be annotated beforehand, in the background."""

    id: Uuid
    """Made by the client: sent again, nothing is done twice."""
    source: Annotated[str, Field(pattern="^(everything|found)$")] = "everything"
    """`everything`: a grid of clicks; `found`: the masks that lie in the folder or beside it."""
    photos: Annotated[list[RowId], Field(max_length=100_000)] | None = None
    """Null: all that `where` finds and that are not done."""
    where: LongText = ""
    """As of GET /photos/find."""
    class_id: RowId | None = None
    """Of what a grid of clicks finds; null: the first one."""
    model: Text = ""
    """One of the `models` of the folder; empty: the one that answers clicks."""
    points: Annotated[int, Field(ge=1, le=64)] = Everything().points
    """Clicks along the longer side of a photo."""
    stability: Annotated[float, Field(ge=0, le=1)] = Everything().stability
    """Masks that hang more on the threshold are left out."""
    same_iou: Annotated[float, Field(ge=0, le=1)] = Everything().same_iou
    """Masks that overlap more are one."""
    limit: Annotated[int, Field(ge=1, le=1000)] = Everything().limit
    """Proposals on each photo."""

    def how(self) -> Everything:
        """As the library takes it."""
        return Everything(points=self.points, stability=self.stability, same_iou=self.same_iou, limit=self.limit)


class PhotoProblemOut(ResponseModel):
    """A photo that got no proposals."""

    photo_id: int
    name: str
    problem: str


class JobOut(ResponseModel):
    """How far a pre-annotation is."""

    id: str
    source: Source
    model: str
    state: JobState
    """running, done, canceled, failed, or stopped: a server ended in the middle, and it can be resumed."""
    photos: int
    done: int
    """Photos that were looked at."""
    progress: float
    """0 to 1, the photo that is looked at now included."""
    objects: int
    """Proposals."""
    problems: list[PhotoProblemOut]
    notes: list[str]
    person: str
    undone: bool
    """All of it was taken back."""

    @classmethod
    def of(cls, job: Job) -> Self:
        """As the service tells it."""
        count = len(job.photos)
        share = 1.0 if job.state == "done" or not count else (job.done + job.part) / count
        if job.source != "everything" and job.state == "running":
            share = job.part
        problems = [PhotoProblemOut(photo_id=p.photo_id, name=p.name, problem=p.problem) for p in job.problems]
        return cls(
            id=job.id, source=job.source, model=job.model, state=job.state, photos=count, done=job.done,
            progress=round(min(1.0, share), 4), objects=job.objects, problems=problems, notes=list(job.notes),
            person=job.person, undone=job.undone,
        )  # fmt: skip


class TurnedOut(ResponseModel):
    """What taking proposals back, or proposing them again, did."""

    objects: int
    """Those that were changed."""
    kept: int
    """Those that stay because somebody has accepted or corrected them."""
