"""Topic `transcripts`: every chunk that was said, once, in the order of the log; until its speaker is erased."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from domain.events import Recorded
from domain.transcripts import TranscriptChunkRecorded
from projections.projection import Projection, Value, nothing, text


class TranscriptEntry(Value, frozen=True):
    chunk_id: UUID
    space_id: UUID
    person_id: UUID
    speaker: str
    text: str
    occurred_at: datetime
    source_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


def key(event: Recorded) -> Iterable[str]:
    payload = event.payload
    return (text(payload.chunk_id),) if isinstance(payload, TranscriptChunkRecorded) else ()


def fold(entry: TranscriptEntry | None, event: Recorded) -> TranscriptEntry | None:
    match event.payload:
        case TranscriptChunkRecorded() as said:
            return TranscriptEntry(
                chunk_id=said.chunk_id,
                space_id=said.space_id,
                person_id=said.person_id,
                speaker=said.speaker,
                text=said.text,
                occurred_at=event.occurred_at,
                source_id=said.source_id,
                started_at=said.started_at,
                ended_at=said.ended_at,
            )
    return entry


TRANSCRIPTS = Projection(
    topic="transcripts",
    version=1,
    reads=[TranscriptChunkRecorded],
    value=TranscriptEntry,
    key=key,
    fold=fold,
    forget=nothing,
)
