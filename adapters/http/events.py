"""Events as they are shown: with their envelope, and in plain text as long as what is personal can be opened."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Raw, Struct

from adapters.http.context import Hub
from domain import canonical
from domain.events import Recorded


class Event(Struct, frozen=True):
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


async def shown(hub: Hub, events: Sequence[Recorded]) -> list[Event]:
    """The stored bytes, but of an event that is sealed what this release reads in it.

    Raises Refusal `keys_unavailable`.
    """
    sealed = [event for event in events if event.subjects]
    opened = {event.position: event for event in (await hub.vault.open(sealed) if sealed else ())}
    return [_event(event, opened.get(event.position)) for event in events]


def _event(event: Recorded, opened: Recorded | None) -> Event:
    return Event(
        position=event.position,
        event_id=event.event_id,
        agent_id=event.agent_id,
        stream_id=event.stream_id,
        version=event.version,
        type=event.type if opened is None else opened.payload.type,
        schema_version=event.schema_version if opened is None else opened.payload.schema_version,
        data=Raw(event.data if opened is None else canonical.encode(opened.payload)),
        occurred_at=event.occurred_at.isoformat(),
        recorded_at=event.recorded_at.isoformat(),
        actor=event.actor,
        causation_id=event.causation_id,
        correlation_id=event.correlation_id,
        traceparent=event.traceparent,
    )
