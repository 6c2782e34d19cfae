"""Transcripts: what was said, chunk by chunk. A chunk is its own aggregate: recorded once, whatever is sent again."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from domain import canonical, ids
from domain.aggregate import Aggregate
from domain.events import Event, Personal, event
from domain.limits import CHUNKS_PER_BATCH_MAX, LABEL_CHARS_MAX, SOURCE_ID_CHARS_MAX, TEXT_CHARS_MAX
from domain.people import Person, find_people
from domain.refusals import Refusal
from domain.runtime import Command, Work, handles
from domain.spaces import Space

_PACKAGE = "stele.transcripts.v1"


@event(_PACKAGE)
class TranscriptChunkRecorded(Event, frozen=True):
    """`speaker` is the person's label at that moment. `source_id` is the sender's own id of the chunk."""

    chunk_id: UUID
    space_id: UUID
    person_id: UUID
    speaker: Personal
    text: Personal
    source_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class Spoken(Struct, frozen=True):
    """A chunk as its sender tells it."""

    speaker: str
    text: str
    id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class RecordTranscript(Command, frozen=True):
    """Record chunks in this order, all or none. Those that are recorded already stay as they are."""

    space_id: UUID
    chunks: tuple[Spoken, ...]


class TranscriptChunk(Aggregate):
    cached = False
    said: tuple[UUID, str] | None = None
    """Who, and the SHA-256 of the words."""

    def record(self, space_id: UUID, person: Person, spoken: Spoken) -> bool:
        """Record what was said; False when it is recorded already.

        Raises Refusal `chunk_differs` when the same id came before with other words or another speaker.
        """
        if self.said is not None:
            if self.said != _said(person.id, spoken.text):
                raise Refusal(
                    "chunk_differs",
                    f"chunk {spoken.id!r} is there with other words or another speaker; "
                    "history is not rewritten: send a new id",
                )
            return False
        self.emit(
            TranscriptChunkRecorded(
                chunk_id=self.id,
                space_id=space_id,
                person_id=person.id,
                speaker=ids.normal_label(spoken.speaker),
                text=spoken.text,
                source_id=spoken.id,
                started_at=_utc(spoken.started_at),
                ended_at=_utc(spoken.ended_at),
            ),
            occurred_at=spoken.started_at,
            about=(person.id,) if person.sealed else (),
        )
        return True

    def when(self, event: Event) -> None:
        match event:
            case TranscriptChunkRecorded(person_id=person_id, text=text):
                self.said = _said(person_id, text)


def _said(person_id: UUID, text: str) -> tuple[UUID, str]:
    return person_id, canonical.sha256_hex(text.encode())


@handles(RecordTranscript)
async def record_transcript(command: RecordTranscript, work: Work) -> dict[str, Any]:
    if not command.chunks:
        raise Refusal("batch_empty", "at least one chunk is needed")
    if len(command.chunks) > CHUNKS_PER_BATCH_MAX:
        raise Refusal("batch_too_large", f"{len(command.chunks)} chunks; at most {CHUNKS_PER_BATCH_MAX} at once")
    for index, spoken in enumerate(command.chunks):
        _check(spoken, f"chunk {index}: " if len(command.chunks) > 1 else "")
    space = Space(command.space_id)
    chunks: dict[UUID, TranscriptChunk] = {}
    parts: list[tuple[TranscriptChunk, str, Spoken]] = []
    for spoken in command.chunks:
        id = ids.chunk_id(space.id, spoken.id) if spoken.id is not None else work.new_id()
        parts.append((chunks.setdefault(id, TranscriptChunk(id)), ids.normal_label(spoken.speaker), spoken))
    if space.id in chunks:
        space.require()  # it is something else
    await work.load(space, new=tuple(chunks.values()))
    space.require()
    people, erased = await find_people(work, {label for _, label, _ in parts})
    answer = []
    for chunk, label, spoken in parts:
        person = people[label]
        if chunk.said is None:
            person.meet(label)
        of_erased = chunk.said is not None and chunk.said[0] in erased
        recorded = not of_erased and chunk.record(space.id, person, spoken)
        answer.append({"chunk_id": chunk.id, "person_id": person.id, "recorded": recorded})
    return {"space_id": space.id, "recorded": sum(part["recorded"] for part in answer), "chunks": answer}


def _utc(time: datetime | None) -> datetime | None:
    """One spelling for one instant."""
    return None if time is None else time.astimezone(UTC)


def _check(spoken: Spoken, where: str) -> None:
    if "\0" in spoken.text or "\0" in spoken.speaker or "\0" in (spoken.id or ""):
        raise Refusal("invalid_command", f"{where}a NUL character is not text")
    if not spoken.text.strip():
        raise Refusal("text_empty", f"{where}the text is empty")
    if len(spoken.text) > TEXT_CHARS_MAX:
        raise Refusal("text_too_long", f"{where}{len(spoken.text)} characters; at most {TEXT_CHARS_MAX}")
    if not 1 <= len(ids.normal_label(spoken.speaker)) <= LABEL_CHARS_MAX:
        raise Refusal("invalid_name", f"{where}a speaker's label has 1 to {LABEL_CHARS_MAX} characters")
    if spoken.id is not None and not 1 <= len(spoken.id) <= SOURCE_ID_CHARS_MAX:
        raise Refusal("invalid_name", f"{where}a chunk's id has 1 to {SOURCE_ID_CHARS_MAX} characters")
    for time in (spoken.started_at, spoken.ended_at):
        if time is not None and (time.tzinfo is None or not 1970 <= time.year <= 9998):
            raise Refusal(
                "invalid_command",
                f"{where}a time has its zone and lies between 1970 and 9998, as in 2026-01-31T09:30:00Z",
            )
    if spoken.started_at and spoken.ended_at and spoken.ended_at < spoken.started_at:
        raise Refusal("times_reversed", f"{where}ended_at is before started_at")
