"""The routes that read topics and the log. Values go out as the bytes that the entries hold."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query
from msgspec import Raw, Struct
from starlette.responses import Response

from adapters.http import as_of as past
from adapters.http import wire
from adapters.http.as_of import AsOf
from adapters.http.context import Caller, Hub, TheHub
from adapters.http.events import Event, shown
from adapters.http.problems import ProblemError
from adapters.http.reading import After, Entry, InSpace, Limit, MinPosition, json, serving, space_id
from domain.actions import Status
from projections import cursor as cursors
from projections.ports import EntryPage, GenerationGone, Read, Serving

router = APIRouter()
_NULL = Raw(b"null")


class _Entries(Struct, frozen=True):
    topic: str
    cursor: str
    head: str
    caught_up: bool
    entries: list[Entry]


@router.get("/v1/topics/{topic}/entries", response_model=wire.EntriesOut, tags=["topics"])
async def entries(
    hub: TheHub,
    caller: Caller,
    topic: str,
    space: InSpace = None,
    after: After = None,
    limit: Limit = 500,
    min_position: MinPosition = 0,
    as_of: AsOf = None,
) -> Response:
    """A page of a topic: everything, or what changed after a cursor, tombstones included; now or as of a position."""
    asked = _Asked(hub, caller.agent_id, topic, space, after, limit, as_of)
    return await asked.answer(min_position, lambda read, start: read.value is not None or start > 0)


@router.get("/v1/actions", response_model=wire.EntriesOut, tags=["actions"])
async def actions(
    hub: TheHub,
    caller: Caller,
    status: Status | None = None,
    space: InSpace = None,
    after: After = None,
    limit: Limit = 500,
    min_position: MinPosition = 0,
    as_of: AsOf = None,
) -> Response:
    """Actions, of one status if you like; filtered page by page, so a page may be short before `caught_up`."""
    asked = _Asked(hub, caller.agent_id, "actions", space, after, limit, as_of)
    return await asked.answer(
        min_position, lambda read, _: read.value is not None and status in (None, _status(read.value))
    )


class _Status(Struct):
    status: Status


def _status(value: bytes) -> Status:
    return msgspec.json.decode(value, type=_Status).status


class _Asked(Struct, frozen=True):
    """A page that somebody asks for; `as_of` None: as it is now."""

    hub: Hub
    agent_id: UUID
    topic: str
    space: str | None
    after: str | None
    limit: int
    as_of: int | None

    async def answer(self, min_position: int, wanted: Callable[[Read, int], bool]) -> Response:
        """`wanted(entry, start)` chooses what of the page is shown."""
        if self.as_of is None:
            served = await serving(self.hub, self.topic, min_position)
        else:
            served = await past.served(self.hub, self.topic, self.as_of)
        start = _start(served, self.after)
        page = await self._page(served, await space_id(self.hub, self.agent_id, self.space), start)
        return _answer(self.topic, served, page, start, lambda read: wanted(read, start))

    async def _page(self, served: Serving, space: UUID | None, start: int) -> EntryPage:
        if self.as_of is not None:
            return await past.page(self.hub, self.topic, self.as_of, self.agent_id, space, start, self.limit)
        try:
            return await self.hub.topics.page(served.generation, self.agent_id, space, start, self.limit)
        except GenerationGone as error:
            raise ProblemError("unavailable", "the topic was rebuilt just now; ask again") from error


class _Log(Struct, frozen=True):
    position: int
    head: int
    caught_up: bool
    events: list[Event]


@router.get("/v1/log", response_model=wire.LogOut, tags=["log"])
async def log(
    hub: TheHub,
    caller: Caller,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Limit = 500,
    as_of: AsOf = None,
) -> Response:
    """A page of the agent's events, in the order of the log. Positions of other agents are not shown."""
    if as_of is not None:
        await past.check(hub, as_of)
    head = await hub.log.head() if as_of is None else as_of
    if after > head:
        raise ProblemError("must_refetch", f"position {after} is beyond the head of the log, {head}", reason="ahead")
    events = [e for e in await hub.log.read(after, limit, caller.agent_id) if e.position <= head]
    caught_up = len(events) < limit
    position = max(head, after) if caught_up else events[-1].position
    return json(_Log(position, head, caught_up, await shown(hub, events)))


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


def _answer(topic: str, serving: Serving, page: EntryPage, start: int, wanted: Callable[[Read], bool]) -> Response:
    def cursor(position: int) -> str:
        return str(cursors.Cursor(serving.epoch, serving.version, position))

    resume = cursors.resume_positions([read.position for read in page.entries])
    out = [
        Entry(read.key, read.position, cursor(position), _NULL if read.value is None else Raw(read.value))
        for read, position in zip(page.entries, resume, strict=True)
        if wanted(read)
    ]
    reached = page.entries[-1].position if page.full else max(start, page.checkpoint)
    return json(_Entries(topic, cursor(reached), cursor(page.checkpoint), not page.full, out))
