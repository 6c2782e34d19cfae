"""The routes that read. Values go out as the bytes that the entries hold."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from msgspec import Raw, Struct
from starlette.responses import Response

from adapters.http import wire
from adapters.http.context import Caller, Hub, TheHub
from adapters.http.problems import ProblemError
from domain.actions import Status
from domain.events import Recorded
from domain.limits import MIN_POSITION_WAIT_SECONDS_MAX, PAGE_ENTRIES_MAX
from domain.refusals import Refusal
from domain.spaces import find_space
from projections import cursor as cursors
from projections.ports import EntryPage, GenerationGone, Read, Serving
from projections.topics import TOPICS

router = APIRouter()
_NULL = Raw(b"null")

InSpace = Annotated[str | None, Query(description="Only entries of this space: its name or id")]
After = Annotated[str | None, Query(description="A cursor: only what changed after it")]
Limit = Annotated[int, Query(ge=1, le=PAGE_ENTRIES_MAX)]
MinPosition = Annotated[
    int, Query(ge=0, le=2**62, description="Wait until the topic has seen this position (read your writes)")
]


class _Entry(Struct, frozen=True):
    key: str
    position: int
    cursor: str
    value: Raw


class _Entries(Struct, frozen=True):
    topic: str
    cursor: str
    head: str
    caught_up: bool
    entries: list[_Entry]


@router.get("/v1/topics/{topic}/entries", response_model=wire.EntriesOut, tags=["topics"])
async def entries(
    hub: TheHub,
    caller: Caller,
    topic: str,
    space: InSpace = None,
    after: After = None,
    limit: Limit = 500,
    min_position: MinPosition = 0,
) -> Response:
    """A page of a topic: everything, or what changed after a cursor, tombstones included."""
    serving = await _serving(hub, topic, min_position)
    start = _start(serving, after)
    space_uuid = await _space(hub, caller.agent_id, space)
    page = await _page(hub, serving, caller.agent_id, space_uuid, start, limit)
    return _answer(topic, serving, page, start, lambda read: read.value is not None or start > 0)


@router.get("/v1/actions", response_model=wire.EntriesOut, tags=["actions"])
async def actions(
    hub: TheHub,
    caller: Caller,
    status: Status | None = None,
    space: InSpace = None,
    after: After = None,
    limit: Limit = 500,
    min_position: MinPosition = 0,
) -> Response:
    """Actions, of one status if you like; filtered page by page, so a page may be short before `caught_up`."""
    serving = await _serving(hub, "actions", min_position)
    space_uuid = await _space(hub, caller.agent_id, space)
    start = _start(serving, after)
    page = await _page(hub, serving, caller.agent_id, space_uuid, start, limit)
    return _answer(
        "actions", serving, page, start, lambda read: read.value is not None and status in (None, _status(read.value))
    )


@router.get("/v1/actions/{action_id}", response_model=wire.EntryOut, tags=["actions"])
async def action(hub: TheHub, caller: Caller, action_id: UUID, min_position: MinPosition = 0) -> Response:
    """One action."""
    serving = await _serving(hub, "actions", min_position)
    read = await hub.topics.one(serving.generation, caller.agent_id, str(action_id))
    if read is None or read.value is None:
        raise Refusal("action_not_found", f"no action {action_id} in this agent")
    cursor = cursors.Cursor(serving.epoch, serving.version, read.position)
    return _json(_Entry(read.key, read.position, str(cursor), Raw(read.value)))


class _Status(Struct):
    status: Status


def _status(value: bytes) -> Status:
    return msgspec.json.decode(value, type=_Status).status


class _Event(Struct, frozen=True):
    position: int
    event_id: UUID
    agent_id: UUID
    stream_id: UUID
    version: int
    type: str
    schema_version: int
    data: Raw
    occurred_at: str
    recorded_at: str
    actor: str
    causation_id: UUID | None
    correlation_id: UUID
    traceparent: str | None


class _Log(Struct, frozen=True):
    position: int
    head: int
    caught_up: bool
    events: list[_Event]


@router.get("/v1/log", response_model=wire.LogOut, tags=["log"])
async def log(
    hub: TheHub, caller: Caller, after: Annotated[int, Query(ge=0, le=2**62)] = 0, limit: Limit = 500
) -> Response:
    """A page of the agent's events, in the order of the log. Positions of other agents are not shown."""
    head = await hub.log.head()
    if after > head:
        raise ProblemError("must_refetch", f"position {after} is beyond the head of the log, {head}", reason="ahead")
    events = [e for e in await hub.log.read(after, limit, caller.agent_id) if e.position <= head]
    caught_up = len(events) < limit
    position = max(head, after) if caught_up else events[-1].position
    return _json(_Log(position, head, caught_up, [_event(event) for event in events]))


def _event(event: Recorded) -> _Event:
    return _Event(
        position=event.position,
        event_id=event.event_id,
        agent_id=event.agent_id,
        stream_id=event.stream_id,
        version=event.version,
        type=event.type,
        schema_version=event.schema_version,
        data=Raw(event.data),
        occurred_at=event.occurred_at.isoformat(),
        recorded_at=event.recorded_at.isoformat(),
        actor=event.actor,
        causation_id=event.causation_id,
        correlation_id=event.correlation_id,
        traceparent=event.traceparent,
    )


async def _serving(hub: Hub, topic: str, min_position: int) -> Serving:
    if topic not in TOPICS:
        raise ProblemError("topic_not_found", f"no topic {topic!r}; there are {', '.join(TOPICS)}")
    deadline = time.monotonic() + MIN_POSITION_WAIT_SECONDS_MAX
    while True:
        serving = await hub.topics.serving(topic)
        if serving is not None and serving.position >= min_position:
            return serving
        if serving is not None and min_position > serving.log_head:
            raise ProblemError(
                "invalid_request", f"min_position {min_position} is beyond the head of the log, {serving.log_head}"
            )
        if time.monotonic() > deadline:
            at = serving.position if serving is not None else 0
            raise ProblemError("projection_behind", f"{topic} is at position {at}, not yet at {min_position}")
        await asyncio.sleep(0.01)


def _start(serving: Serving, after: str | None) -> int:
    """The position to read from. Raises ProblemError `invalid_cursor` or `must_refetch`."""
    if after is None:
        return 0
    try:
        cursor = cursors.parse(after)
    except ValueError as error:
        raise ProblemError("invalid_cursor", str(error)) from error
    reason = cursors.refetch_reason(
        cursor, epoch=serving.epoch, version=serving.version, floor=serving.floor, log_head=serving.log_head
    )
    if reason is not None:
        raise ProblemError(
            "must_refetch",
            "this cursor cannot be continued; drop what you have of this topic and read it from the start",
            reason=reason,
        )
    return cursor.position


async def _space(hub: Hub, agent_id: UUID, reference: str | None) -> UUID | None:
    return None if reference is None else await find_space(hub.log, agent_id, reference)


async def _page(hub: Hub, serving: Serving, agent_id: UUID, space: UUID | None, after: int, limit: int) -> EntryPage:
    try:
        return await hub.topics.page(serving.generation, agent_id, space, after, limit)
    except GenerationGone as error:
        raise ProblemError("unavailable", "the topic was rebuilt just now; ask again") from error


def _answer(topic: str, serving: Serving, page: EntryPage, start: int, wanted: Callable[[Read], bool]) -> Response:
    def cursor(position: int) -> str:
        return str(cursors.Cursor(serving.epoch, serving.version, position))

    resume = cursors.resume_positions([read.position for read in page.entries])
    out = [
        _Entry(read.key, read.position, cursor(position), _NULL if read.value is None else Raw(read.value))
        for read, position in zip(page.entries, resume, strict=True)
        if wanted(read)
    ]
    reached = page.entries[-1].position if page.full else max(start, page.checkpoint)
    return _json(_Entries(topic, cursor(reached), cursor(page.checkpoint), not page.full, out))


def _json(value: Struct) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
