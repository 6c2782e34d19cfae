"""An event as it is published: CloudEvents 1.0, JSON, structured mode.

Extension attributes, as the specification asks, have lower-case names without separators. `data` is the exact canonical
JSON of the log.
"""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from domain.events import Recorded


class CloudEvent(Struct, frozen=True):
    id: UUID
    source: str
    """`/agents/<agent id>`; together with `id` it names the event."""
    type: str
    subject: UUID
    """The stream."""
    time: datetime
    position: int
    streamversion: int
    schemaversion: int
    recordedtime: datetime
    actor: str
    correlationid: UUID
    data: Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    causationid: UUID | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    subjects: str | UnsetType = UNSET
    """The persons whose keys seal the personal fields, separated by commas."""


_decoder = msgspec.json.Decoder(CloudEvent)
_SOURCE = "/agents/"


def encode(event: Recorded) -> bytes:
    """The published form of a recorded event."""
    cloud = CloudEvent(
        id=event.event_id,
        source=f"{_SOURCE}{event.agent_id}",
        type=event.type,
        subject=event.stream_id,
        time=event.occurred_at,
        position=event.position,
        streamversion=event.version,
        schemaversion=event.schema_version,
        recordedtime=event.recorded_at,
        actor=event.actor,
        correlationid=event.correlation_id,
        data=Raw(event.data),
        causationid=UNSET if event.causation_id is None else event.causation_id,
        traceparent=UNSET if event.traceparent is None else event.traceparent,
        subjects=",".join(map(str, event.subjects)) if event.subjects else UNSET,
    )
    return msgspec.json.encode(cloud)


def decode(message: bytes) -> Recorded:
    """The recorded event in a message. Raises msgspec.ValidationError for anything else."""
    cloud = _decoder.decode(message)
    return Recorded(
        position=cloud.position,
        event_id=cloud.id,
        agent_id=UUID(cloud.source.removeprefix(_SOURCE)),
        stream_id=cloud.subject,
        version=cloud.streamversion,
        type=cloud.type,
        schema_version=cloud.schemaversion,
        data=bytes(cloud.data),
        occurred_at=cloud.time,
        recorded_at=cloud.recordedtime,
        actor=cloud.actor,
        causation_id=cloud.causationid or None,
        correlation_id=cloud.correlationid,
        traceparent=cloud.traceparent or None,
        subjects=tuple(map(UUID, (cloud.subjects or "").split(","))) if cloud.subjects else (),
    )
