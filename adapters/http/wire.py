"""What goes over HTTP, as pydantic models: they make the OpenAPI document and check what comes in."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from domain import limits

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d")


def _written_out(value: object) -> object:
    """Pydantic alone would also take seconds since 1970, as a number or as its digits."""
    if not isinstance(value, str) or _DATE_AND_TIME.match(value) is None:
        raise ValueError("a time is text, as in 2026-01-31T09:30:00Z")
    return value


def _whole_characters(value: str) -> str:
    """JSON can spell half of a surrogate pair, which no UTF-8 can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is not text") from None
    return value


Text = Annotated[str, AfterValidator(_whole_characters)]
Time = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written_out)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewSpace(_In):
    name: Annotated[Text, Field(examples=["kickoff"])]
    title: Text | None = None


class NewChunk(_In):
    """One piece of speech. With an `id` of the sender's it is recorded once, whatever is sent again."""

    speaker: Annotated[Text, Field(examples=["Project Manager"])]
    text: Annotated[Text, Field(examples=["So this is our kick-off meeting."])]
    id: Text | None = None
    started_at: Time | None = None
    ended_at: Time | None = None


class NewChunks(_In):
    """Recorded in this order, all or none."""

    chunks: Annotated[list[NewChunk], Field(min_length=1, max_length=limits.CHUNKS_PER_BATCH_MAX)]


class Approval(_In):
    """`arguments_sha256`: the digest of the arguments that the approver was shown; if it is given, it has to match."""

    arguments_sha256: Sha256 | None = None


class Rejection(_In):
    reason: Annotated[Text, Field(max_length=limits.LABEL_CHARS_MAX)] = ""


class _Durable(BaseModel):
    """The answer to a command that is on disk."""

    position: int
    """A read with `min_position` of this sees the effect."""


class SpaceCreated(_Durable):
    space_id: UUID
    name: str


class ChunkOutcome(BaseModel):
    chunk_id: UUID
    person_id: UUID
    recorded: bool
    """False: it was recorded before."""


class ChunksRecorded(_Durable):
    space_id: UUID
    recorded: int
    chunks: list[ChunkOutcome]


class ActionDecided(_Durable):
    action_id: UUID
    status: str


class PersonErased(_Durable):
    person_id: UUID
    erased: bool


class EntryOut(BaseModel):
    key: str
    position: int
    cursor: str
    value: dict[str, Any] | None
    """None: the entry was deleted."""


class EntriesOut(BaseModel):
    """A page of a topic. Go on with `after=cursor` until `caught_up`."""

    topic: str
    cursor: str
    head: str
    caught_up: bool
    entries: list[EntryOut]


class EventOut(BaseModel):
    """An event of the log with its envelope (docs: the log)."""

    position: int
    event_id: UUID
    agent_id: UUID
    stream_id: UUID
    version: int
    type: str
    schema_version: int
    data: dict[str, Any]
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    causation_id: UUID | None
    correlation_id: UUID
    traceparent: str | None


class LogOut(BaseModel):
    """A page of the agent's events. Go on with `after=position` until `caught_up`."""

    position: int
    head: int
    caught_up: bool
    events: list[EventOut]


class StreamOut(BaseModel):
    """A page of one aggregate's events. Go on with `after` as it stands here until `caught_up`."""

    stream_id: UUID
    version: int
    """The version of the whole stream, now or as of the position that was asked for."""
    after: int
    """The version up to which this page goes."""
    caught_up: bool
    events: list[EventOut]


class ProjectionOut(BaseModel):
    topic: str
    version: int
    revision: int
    """Rebuilds of this version that corrected something."""
    state: str
    """`live`, `building` (it will take over) or `aside`."""
    position: int
    lag: int
    """Events between it and the head of the log."""
    error: str | None
    error_position: int | None
    digest: str | None


class ProjectionsOut(BaseModel):
    head: int
    epoch: str
    projections: list[ProjectionOut]


class Health(BaseModel):
    status: str
    problems: list[str]
