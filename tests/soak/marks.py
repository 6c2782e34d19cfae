"""What the writers of the soak write: events of the product, whose `actor` tells which command they belong to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from msgspec import Struct

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from domain import ids
from domain.runtime import Command, Context, Runtime, Work, handles
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken, TranscriptChunk, TranscriptChunkRecorded
from tests.keys import vault
from workers.parts import SystemClock, TimeOrderedIds

AGENTS = (UUID(int=0x50AC1), UUID(int=0x50AC2))
SPACE = "soak"
SPEAKERS = tuple(f"Speaker {n}" for n in range(4))
_ACTOR = "soak"
_READ_CONNECTIONS = 4


class Mark(Command, frozen=True):
    """Emit `size` events, in turns, to streams that other writers want as well and to streams that are new."""

    shared: tuple[UUID, ...]
    new: int
    size: int


@handles(Mark)
async def _mark(command: Mark, work: Work) -> dict[str, Any]:
    space, person = ids.space_id(work.agent_id, SPACE), UUID(int=1)
    shared = [TranscriptChunk(stream) for stream in command.shared]
    new = tuple(TranscriptChunk(work.new_id()) for _ in range(command.new))
    await work.load(*shared, new=new)
    chunks = [*shared, *new]
    for n in range(command.size):
        chunk = chunks[n % len(chunks)]
        chunk.emit(
            TranscriptChunkRecorded(
                chunk_id=chunk.id, space_id=space, person_id=person, speaker=SPEAKERS[0], text=f"{work.actor} {n}"
            )
        )
    return {}


class Name(Struct, frozen=True):
    """Which command of which writer, and how many events it has to have: the actor of each of its events."""

    writer: str
    number: int
    size: int

    def __str__(self) -> str:
        return f"{_ACTOR}:{self.writer}:{self.number}:{self.size}"

    @staticmethod
    def of(actor: str) -> "Name | None":
        """None for the events that were there before the writers came."""
        parts = actor.split(":")
        return Name(parts[1], int(parts[2]), int(parts[3])) if parts[0] == _ACTOR else None


@asynccontextmanager
async def runtime(conninfo: str, name: str) -> AsyncIterator[Runtime]:
    """A runtime as `workers/serve.py` puts it together. Raises psycopg.Error when Postgres is not there."""
    async with Appender(conninfo) as appender, pool(conninfo, name, _READ_CONNECTIONS) as reading:
        yield Runtime(PostgresLog(reading, appender), SystemClock(), TimeOrderedIds(), vault(reading))


async def set_up(conninfo: str) -> None:
    """Each agent's space and its speakers, so that a command has exactly as many events as chunks."""
    async with runtime(conninfo, "soak") as own:
        for agent in AGENTS:
            await own.execute(CreateSpace(SPACE), Context(agent, "setup"))
            said = tuple(Spoken(speaker, "Hello.") for speaker in SPEAKERS)
            await own.execute(RecordTranscript(ids.space_id(agent, SPACE), said), Context(agent, "setup"))
