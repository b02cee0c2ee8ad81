"""Comments on photos."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from fewclicks.annotator.server.requests import UUID
from fewclicks.annotator.server.roles import RoleDep, require
from fewclicks.annotator.server.routes.common import AnnotatorDep, Person, PhotoId
from fewclicks.annotator.server.team import CommentChange, CommentIn, CommentOut
from fewclicks.annotator.server.values import CheckedRoute
from fewclicks.annotator.services.annotator import Annotator
from fewclicks.annotator.store.comments import NewComment

router = APIRouter(route_class=CheckedRoute, tags=["comments"])

CommentId = Annotated[str, Path(pattern=UUID, description="A UUID, made by the client.")]


@router.get("/photos/{photo_id}/comments")
def comments(
    given: AnnotatorDep,
    photo_id: PhotoId,
    deleted: Annotated[bool, Query(description="Those too that were deleted.")] = False,
) -> list[CommentOut]:
    """The comments on a photo, oldest first."""
    given.store.photo(photo_id)
    return [CommentOut.of(found) for found in given.store.comments.of_photo(photo_id, deleted)]


@router.put("/comments/{comment_id}")
def write_comment(given: AnnotatorDep, person: Person, comment_id: CommentId, new: CommentIn) -> CommentOut:
    """Comment on a photo, a place on it, or an object. Sent twice it is written once."""
    asked = NewComment(photo_id=new.photo_id, text=new.text, x=new.x, y=new.y, object_id=new.object_id)
    made = given.store.comments.write(comment_id, asked, person)
    _tell(given, made.photo_id)
    return CommentOut.of(made)


@router.patch("/comments/{comment_id}")
def change_comment(
    given: AnnotatorDep, person: Person, role: RoleDep, comment_id: CommentId, edit: CommentChange
) -> CommentOut:
    """Resolve a comment or open it again; say one's own in other words, delete it, or bring it back."""
    known = given.store.comments.comment(comment_id)
    if known.person != person and (edit.text is not None or edit.deleted is not None):
        require(role, "reviewer", "change or delete the comment of somebody else")
    made = given.store.comments.change(comment_id, edit.text, edit.resolved, edit.deleted, person)
    _tell(given, made.photo_id)
    return CommentOut.of(made)


def _tell(given: Annotator, photo_id: int) -> None:
    given.team.comments(photo_id)
    given.news.photo(photo_id)
