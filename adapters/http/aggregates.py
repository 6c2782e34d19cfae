"""The routes that read one aggregate, now or as of a position, with its stream's version as ETag."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query
from msgspec import Raw, Struct
from starlette.responses import Response

from adapters.http import as_of as past
from adapters.http import wire
from adapters.http.as_of import AsOf
from adapters.http.context import Caller, Hub, TheHub
from adapters.http.etags import etag, parse
from adapters.http.events import Event, shown
from adapters.http.problems import ProblemError
from adapters.http.reading import Entry, Limit, MinPosition, json, serving
from domain import ids
from domain.events import Recorded
from domain.limits import STREAM_PAGE_EVENTS_MAX
from domain.ports import WHOLE
from domain.refusals import Refusal
from projections.cursor import Cursor
from projections.past import fold
from projections.ports import Read
from projections.topics import TOPICS

router = APIRouter()
IfNoneMatch = Annotated[
    str | None, Header(description='The ETag of what you have, as in `"7"`: 304 when it is still that')
]
_TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The stream's version", "schema": {"type": "string"}}}},
    304: {"description": "What you have is still that"},
}


class _Question(Struct, frozen=True):
    """What can be asked about every aggregate, and who asks."""

    hub: Hub
    agent_id: UUID
    min_position: int
    as_of: int | None
    if_none_match: str | None


async def _question(
    hub: TheHub,
    caller: Caller,
    min_position: MinPosition = 0,
    as_of: AsOf = None,
    if_none_match: IfNoneMatch = None,
) -> _Question:
    return _Question(hub, caller.agent_id, min_position, as_of, if_none_match)


Asked = Annotated[_Question, Depends(_question)]


@router.get("/v1/actions/{action_id}", response_model=wire.EntryOut, responses=_TAGGED, tags=["actions"])
async def action(asked: Asked, action_id: UUID) -> Response:
    """One action. Its ETag is the version that `If-Match` of a decision about it can name."""
    return await _One(asked, "actions", action_id, "action_not_found", "action").answer()


@router.get("/v1/spaces/{space}", response_model=wire.EntryOut, responses=_TAGGED, tags=["spaces"])
async def space(
    asked: Asked, space: Annotated[str, Path(description="The space's name or id", examples=["kickoff"])]
) -> Response:
    """One space."""
    space_id = ids.space_reference(asked.agent_id, space)
    return await _One(asked, "spaces", space_id, "space_not_found", "space").answer()


@router.get("/v1/people/{person_id}", response_model=wire.EntryOut, responses=_TAGGED, tags=["people"])
async def person(asked: Asked, person_id: UUID) -> Response:
    """One person."""
    return await _One(asked, "people", person_id, "person_not_found", "person").answer()


class _One(Struct, frozen=True):
    """An aggregate as its topic shows it: the entry whose key is the stream's id."""

    asked: _Question
    topic: str
    id: UUID
    missing: str
    noun: str

    async def answer(self) -> Response:
        """Raises Refusal with the code `missing`."""
        asked = self.asked
        known = None if asked.if_none_match is None else parse("If-None-Match", asked.if_none_match)
        if asked.as_of is None:
            epoch, version, read = await self._now(asked.min_position)
        else:
            epoch, version, read = await self._then(asked.as_of)
        if read is None or read.value is None:
            raise Refusal(self.missing, f"no {self.noun} {self.id} in this agent")
        at = await asked.hub.streams.version(asked.agent_id, self.id, read.position)
        if known is not None and (known.any or at in known.strong | known.weak):
            return Response(status_code=304, headers={"ETag": etag(at)})
        entry = Entry(read.key, read.position, str(Cursor(epoch, version, read.position)), Raw(read.value))
        return json(entry, {"ETag": etag(at)})

    async def _now(self, min_position: int) -> tuple[str, int, Read | None]:
        served = await serving(self.asked.hub, self.topic, min_position)
        read = await self.asked.hub.topics.one(served.generation, self.asked.agent_id, str(self.id))
        return served.epoch, served.version, read

    async def _then(self, as_of: int) -> tuple[str, int, Read | None]:
        """An aggregate is its stream's events up to there: no state of the whole topic is needed."""
        served = await past.served(self.asked.hub, self.topic, as_of)
        projection, entry = TOPICS[self.topic], None
        async for events in self._events(as_of):
            entry = fold(projection, str(self.id), entry, events)
        read = None if entry is None else Read(entry.key, entry.space_id, entry.position, entry.value)
        return served.epoch, served.version, read

    async def _events(self, as_of: int) -> AsyncIterator[Sequence[Recorded]]:
        """The stream's events up to a position, page by page, opened."""
        known = WHOLE
        while True:
            page = await self.asked.hub.log.load(self.asked.agent_id, [(self.id, known)])
            events = [event for event in page if isinstance(event, Recorded) and event.position <= as_of]
            yield await self.asked.hub.vault.open(events)
            if len(events) < STREAM_PAGE_EVENTS_MAX:
                return
            known = events[-1].version


class _Stream(Struct, frozen=True):
    stream_id: UUID
    version: int
    after: int
    caught_up: bool
    events: list[Event]


@router.get("/v1/streams/{stream_id}", response_model=wire.StreamOut, responses=_TAGGED, tags=["log"])
async def stream(
    hub: TheHub,
    caller: Caller,
    stream_id: UUID,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="A version: only what came after it")] = 0,
    limit: Limit = 500,
    as_of: AsOf = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A page of one aggregate's events, in the order of their versions; the stream's version is the ETag."""
    known = None if if_none_match is None else parse("If-None-Match", if_none_match)
    head = await hub.log.head()
    if as_of is not None:
        await past.check(hub, as_of)
    until = head if as_of is None else as_of
    version = await hub.streams.version(caller.agent_id, stream_id, until)
    if version == 0:
        raise ProblemError("stream_not_found", f"no stream {stream_id} in this agent")
    if known is not None and (known.any or version in known.strong | known.weak):
        return Response(status_code=304, headers={"ETag": etag(version)})
    positions = await hub.streams.positions(caller.agent_id, stream_id, after, limit, until)
    events = await shown(hub, await hub.log.read_positions(caller.agent_id, positions))
    reached = events[-1].version if events else max(after, version)
    return json(_Stream(stream_id, version, reached, reached >= version, events), {"ETag": etag(version)})
