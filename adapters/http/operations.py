"""The routes for whoever runs the hub: health, and the state of the projections."""

import contextlib
import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Annotated, cast

import msgspec
from fastapi import APIRouter, Header, Query
from msgspec import Struct
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from adapters.http import wire
from adapters.http.context import Caller, Hub, TheHub, find_principal
from adapters.http.problems import ProblemError, problem
from domain.agents import Principal
from domain.refusals import Refusal
from projections.ports import Listed
from projections.topics import TOPICS

Build = Callable[[str, str, int | None], AsyncIterator[bytes]]
"""(task `rebuild` or `verify`, topic, events a second at most) -> JSON lines of progress; the last one is the outcome.
A first one with `refused`, a problem's code, is the only one.
"""
Throttle = Annotated[
    int | None, Query(ge=1, le=10**9, description="Fold no more events a second than so many [default: any number]")
]
_BUSY_SECONDS = 10.0
"""When to ask again, where as much is being built as may be."""


class Operations(Struct):
    """What these routes need, kept in `app.state.operations`."""

    ready: Callable[[], Awaitable[list[str]]]
    """What keeps this process from serving; empty when it can."""
    build: Build
    metrics: Callable[[str], Awaitable[tuple[bytes, str]]]
    """(Accept header) -> what Prometheus reads, and its media type."""
    metrics_token: str | None = None
    """Opens `/metrics` and nothing else."""


def routes(operations: Operations) -> APIRouter:
    """The routes, over the operations that the process offers."""
    router = APIRouter(tags=["operations"])
    _add_health(router, operations)

    @router.get("/v1/projections", response_model=wire.ProjectionsOut)
    async def projections(
        hub: TheHub, caller: Caller, digest: Annotated[bool, Query(description="Hash every entry, too")] = False
    ) -> wire.ProjectionsOut:
        """Every projection: where it is and whether it stopped."""
        head = await hub.log.head()
        serving = await hub.topics.serving(next(iter(TOPICS)))
        if digest:
            _operator(caller)
        listed = [await _projection(hub, one, head, digest) for one in await hub.topics.list()]
        if "operator" not in caller.roles:  # an error may quote an event of another agent
            listed = [one.model_copy(update={"error": one.error and "see the hub's operator"}) for one in listed]
        return wire.ProjectionsOut(head=head, epoch=serving.epoch if serving else "", projections=listed)

    @router.get("/v1/projections/{topic}/verification")
    async def verify(caller: Caller, topic: str, max_events_per_second: Throttle = None) -> Response:
        """Fold the log aside and compare: JSON lines of progress, then the outcome."""
        return await _stream(operations, caller, "verify", topic, max_events_per_second)

    @router.put("/v1/projections/{topic}/rebuild")
    async def rebuild(caller: Caller, topic: str, max_events_per_second: Throttle = None) -> Response:
        """Fold the log anew beside the live entries and let the result take over: JSON lines of progress, then the
        outcome. Doing it twice changes nothing more, and one that was broken off is gone on with.
        """
        return await _stream(operations, caller, "rebuild", topic, max_events_per_second)

    return router


def _add_health(router: APIRouter, operations: Operations) -> None:
    @router.get("/livez", response_model=wire.Health)
    async def livez() -> Response:
        """The process runs."""
        return JSONResponse({"status": "live", "problems": []})

    @router.get("/readyz", response_model=wire.Health)
    async def readyz() -> Response:
        """The hub can serve: Postgres and NATS are there, every projection and the relay keep up."""
        problems = await operations.ready()
        if problems:
            return problem("not_ready", "; ".join(problems), problems=problems)
        return JSONResponse({"status": "ready", "problems": []})

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics(
        hub: TheHub,
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        """What Prometheus reads. Needs a token with the role `operator`, or the one of `STELE_METRICS_TOKEN`."""
        if not _is_metrics_token(operations.metrics_token, authorization or ""):
            _operator(await find_principal(hub, authorization or ""))
        body, media_type = await operations.metrics(accept or "")
        return Response(body, media_type=media_type)


async def _stream(operations: Operations, caller: Principal, task: str, topic: str, rate: int | None) -> Response:
    """Once it has begun; before, whatever keeps it from beginning is a problem."""
    _operator(caller)
    if topic not in TOPICS:
        raise ProblemError("topic_not_found", f"no topic {topic!r}; there are {', '.join(TOPICS)}")
    lines = operations.build(task, topic, rate)
    first = await anext(lines, b"{}")
    begun = msgspec.json.decode(first, type=_First)
    if begun.refused == "overloaded":
        raise Refusal(begun.refused, begun.detail, retry_after_seconds=_BUSY_SECONDS)
    if begun.refused is not None:
        raise ProblemError(begun.refused, begun.detail)
    return StreamingResponse(_after(first, lines), media_type="application/x-ndjson")


class _First(Struct):
    refused: str | None = None
    detail: str = ""


async def _after(first: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(cast(AsyncGenerator[bytes, None], lines)):
        yield first
        async for line in lines:
            yield line


def _is_metrics_token(token: str | None, authorization: str) -> bool:
    scheme, _, sent = authorization.partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(sent.encode(), (token or "").encode())


def _operator(caller: Principal) -> None:
    """Projections are the hub's, of all its agents."""
    if "operator" not in caller.roles:
        raise Refusal("forbidden", "this needs a token with the role `operator`")


async def _projection(hub: Hub, one: Listed, head: int, digest: bool) -> wire.ProjectionOut:
    state = "live" if one.live else "aside" if one.aside else "building"
    return wire.ProjectionOut(
        topic=one.topic,
        version=one.version,
        revision=one.revision,
        state=state,
        position=one.position,
        lag=max(0, head - one.position),
        error=one.error,
        error_position=one.error_position,
        digest=await hub.topics.digest(one.generation) if digest and one.live else None,
    )
