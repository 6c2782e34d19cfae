"""The routes that change something. Each answers after the commit is on disk."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path

from adapters.http import wire
from adapters.http.context import Post
from domain import ids
from domain.actions import ApproveAction, RejectAction
from domain.runtime import Accepted
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken

router = APIRouter()
SpaceRef = Annotated[str, Path(description="The space's name or id", examples=["kickoff"])]


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
async def approve(post: Post, action_id: UUID, body: Annotated[wire.Approval | None, Body()] = None) -> dict[str, Any]:
    """Approve exactly what the action's arguments say; an executor then runs it once."""
    return _answer(await post.execute(ApproveAction(action_id, body.arguments_sha256 if body else None)))


@router.post("/v1/actions/{action_id}/reject", response_model=wire.ActionDecided, tags=["actions"])
async def reject(post: Post, action_id: UUID, body: Annotated[wire.Rejection | None, Body()] = None) -> dict[str, Any]:
    """Reject a proposed action."""
    return _answer(await post.execute(RejectAction(action_id, body.reason if body else "")))
