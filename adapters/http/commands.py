"""The routes that change something. Each answers after the commit is on disk."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Path

from adapters.http import wire
from adapters.http.context import Post
from adapters.http.etags import expected
from domain import ids
from domain.actions import ApproveAction, RejectAction
from domain.people import ErasePerson
from domain.runtime import Accepted
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken

router = APIRouter()
SpaceRef = Annotated[str, Path(description="The space's name or id", examples=["kickoff"])]
IfMatch = Annotated[
    str | None,
    Header(description='The ETag of what was read, as in `"7"`: nothing happens when it is not that any more; or `*`'),
]


def _answer(accepted: Accepted) -> dict[str, Any]:
    return {"position": accepted.position, **accepted.result}


@router.post("/v1/spaces", status_code=201, response_model=wire.SpaceCreated, tags=["spaces"])
async def create_space(post: Post, body: wire.NewSpace) -> dict[str, Any]:
    """Create a space."""
    return _answer(await post.execute(CreateSpace(body.name, body.title)))


@router.post("/v1/spaces/{space}/transcript", status_code=201, response_model=wire.ChunksRecorded, tags=["transcripts"])
async def record_chunk(post: Post, space: SpaceRef, body: wire.NewChunk) -> dict[str, Any]:
    """Record one chunk of a transcript. A speaker is met at first sight and becomes a person."""
    return await _record(post, space, [body])


@router.post(
    "/v1/spaces/{space}/transcript/batch", status_code=201, response_model=wire.ChunksRecorded, tags=["transcripts"]
)
async def record_chunks(post: Post, space: SpaceRef, body: wire.NewChunks) -> dict[str, Any]:
    """Record chunks in this order, all or none."""
    return await _record(post, space, body.chunks)


async def _record(post: Post, space: str, chunks: list[wire.NewChunk]) -> dict[str, Any]:
    spoken = tuple(Spoken(**dict(chunk)) for chunk in chunks)
    return _answer(await post.execute(RecordTranscript(ids.space_reference(post.agent_id, space), spoken)))


@router.post("/v1/actions/{action_id}/approve", response_model=wire.ActionDecided, tags=["actions"])
async def approve(
    post: Post,
    action_id: UUID,
    body: Annotated[wire.Approval | None, Body()] = None,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Approve exactly what the action's arguments say; an executor then runs it once."""
    command = ApproveAction(action_id, body.arguments_sha256 if body else None)
    return _answer(await post.execute(command, expected(action_id, if_match)))


@router.post("/v1/actions/{action_id}/reject", response_model=wire.ActionDecided, tags=["actions"])
async def reject(
    post: Post,
    action_id: UUID,
    body: Annotated[wire.Rejection | None, Body()] = None,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Reject a proposed action."""
    command = RejectAction(action_id, body.reason if body else "")
    return _answer(await post.execute(command, expected(action_id, if_match)))


@router.post("/v1/people/{person_id}/erase", response_model=wire.PersonErased, tags=["people"])
async def erase_person(post: Post, person_id: UUID, if_match: IfMatch = None) -> dict[str, Any]:
    """Erase a person: the key that opens the name and the words is destroyed. Nobody can undo it. Whoever speaks under
    the same name afterwards is somebody new.
    """
    return _answer(await post.execute(ErasePerson(person_id), expected(person_id, if_match)))
