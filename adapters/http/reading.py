"""What the routes that read have in common: their parameters, and how they wait and answer."""

import time
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Query
from msgspec import Raw, Struct
from starlette.responses import Response

from adapters.http.context import Hub
from adapters.http.problems import ProblemError
from domain.limits import MIN_POSITION_WAIT_SECONDS_MAX, PAGE_ENTRIES_MAX
from domain.spaces import find_space
from projections.ports import Serving
from projections.topics import TOPICS

InSpace = Annotated[str | None, Query(description="Only entries of this space: its name or id")]
After = Annotated[str | None, Query(description="A cursor: only what changed after it")]
Limit = Annotated[int, Query(ge=1, le=PAGE_ENTRIES_MAX)]
MinPosition = Annotated[
    int, Query(ge=0, le=2**62, description="Wait until the topic has seen this position (read your writes)")
]


class Entry(Struct, frozen=True):
    key: str
    position: int
    cursor: str
    value: Raw


def check_topic(topic: str) -> None:
    """Raises ProblemError `topic_not_found`."""
    if topic not in TOPICS:
        raise ProblemError("topic_not_found", f"no topic {topic!r}; there are {', '.join(TOPICS)}")


async def serving(hub: Hub, topic: str, min_position: int) -> Serving:
    """What readers see of a topic, as soon as it has seen `min_position`.

    Raises ProblemError `projection_behind` when that takes too long, `invalid_request` for a position beyond the log.
    """
    check_topic(topic)
    deadline = time.monotonic() + MIN_POSITION_WAIT_SECONDS_MAX
    while True:
        found = await hub.topics.serving(topic)
        if found is not None and found.position >= min_position:
            return found
        if found is not None and min_position > found.log_head:
            raise ProblemError(
                "invalid_request", f"min_position {min_position} is beyond the head of the log, {found.log_head}"
            )
        left = deadline - time.monotonic()
        if left <= 0:
            at = found.position if found is not None else 0
            raise ProblemError(
                "projection_behind", f"{topic} is at position {at}, not yet at {min_position}", retry_after_seconds=1.0
            )
        await hub.moved(topic, found, left)


async def space_id(hub: Hub, agent_id: UUID, reference: str | None) -> UUID | None:
    """Raises Refusal `space_not_found`."""
    return None if reference is None else await find_space(hub.log, agent_id, reference)


def json(value: Struct, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), headers=headers, media_type="application/json")
