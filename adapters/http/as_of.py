"""`as_of=POSITION`: what was when the log ended there (docs/adr/0012)."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

from adapters.http.context import Hub
from adapters.http.problems import ProblemError
from adapters.http.reading import check_topic
from domain.limits import PROJECTION_VERSION_MAX
from projections.past import NotBuilt, StillBuilding, TooMany, Unavailable
from projections.ports import EntryPage, Serving
from projections.topics import TOPICS

_POSITION = re.compile(r"[0-9]{1,20}")
_BUILDING_SECONDS = 2.0
"""When to ask again for a state that is being built."""


def _position(value: Any) -> Any:
    """Raises ProblemError `invalid_as_of`."""
    if value is not None and (not isinstance(value, str) or _POSITION.fullmatch(value) is None):
        raise ProblemError("invalid_as_of", "as_of is a position of the log: 0, 1, 2 and so on")
    return value


AsOf = Annotated[
    int | None,
    BeforeValidator(_position),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "title": "As Of"}),
    Query(description="As it was when the log ended at this position"),
]


async def check(hub: Hub, as_of: int) -> None:
    """Raises ProblemError `as_of_ahead`."""
    head = await hub.log.head()
    if as_of > head:
        raise ProblemError("as_of_ahead", f"as_of {as_of} is beyond the head of the log, {head}")


async def served(hub: Hub, topic: str, as_of: int) -> Serving:
    """What readers of the topic would have been told then; no generation belongs to it. Its cursors can be gone on with
    now: they have the revision of the live entries (docs/adr/0011), of which this is an earlier state.

    Raises ProblemError `topic_not_found`, `as_of_ahead`.
    """
    check_topic(topic)
    await check(hub, as_of)
    live, version = await hub.topics.serving(topic), TOPICS[topic].version
    if live is not None and live.version % (PROJECTION_VERSION_MAX + 1) == version:
        version = live.version
    return Serving(0, version, as_of, 0, await hub.log.epoch(), as_of)


async def page(
    hub: Hub, topic: str, as_of: int, agent_id: UUID, space: UUID | None, after: int, limit: int
) -> EntryPage:
    """Raises ProblemError `as_of_building`, `overloaded`, `unavailable` or `projection_failed`."""
    try:
        return await hub.past.page(topic, as_of, agent_id, space, after, limit)
    except StillBuilding:
        raise ProblemError(
            "as_of_building",
            f"{topic} as of {as_of} is being built; ask again",
            retry_after_seconds=_BUILDING_SECONDS,
        ) from None
    except TooMany:
        raise ProblemError(
            "overloaded", "too many states of the past are waiting to be built", retry_after_seconds=_BUILDING_SECONDS
        ) from None
    except Unavailable as error:
        raise ProblemError("unavailable", str(error), retry_after_seconds=_BUILDING_SECONDS) from None
    except NotBuilt as error:
        raise ProblemError("projection_failed", f"{topic} as of {as_of} cannot be built: {error}") from None
