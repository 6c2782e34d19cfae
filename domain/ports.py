"""What the domain needs of the outside world. Adapters implement these; tests/conformance holds each to its promise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from domain.events import NewEvent, Recorded


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, with its zone (UTC)."""


class Ids(Protocol):
    def new(self) -> UUID:
        """A fresh id that sorts by time (UUIDv7, RFC 9562)."""


class Expectation(Struct, frozen=True):
    """A stream must be at this version when the transaction gets its positions. Zero: it must not exist."""

    stream_id: UUID
    version: int


class Transaction(Struct, frozen=True):
    """One command's outcome on its way into the log: all of it or nothing.

    With an idempotency `key`, the outcome (`result`, canonical JSON) is kept beside the events in the same commit.
    A refusal that carries a key is kept as well: no events, `result` tells the refusal.
    """

    agent_id: UUID
    events: tuple[NewEvent, ...]
    expectations: tuple[Expectation, ...]
    key: str | None = None
    fingerprint: bytes = b""
    """SHA-256 of the request that the key stands for."""
    result: bytes = b""


class Appended(Struct, frozen=True):
    """Durable. Positions are inclusive; without events both are the head of the log at that moment."""

    first_position: int
    last_position: int


class Conflict(Struct, frozen=True):
    """A stream had moved on; nothing was written."""

    stream_id: UUID
    expected: int
    actual: int


class Repeated(Struct, frozen=True):
    """The key was used before for the same request; nothing was written. `result` is the first answer."""

    first_position: int
    last_position: int
    result: bytes


class KeyReused(Struct, frozen=True):
    """The key was used before for another request; nothing was written."""


Verdict = Appended | Conflict | Repeated | KeyReused


class Log(Protocol):
    """The append-only log, the one authority (invariants I1, I3, I11)."""

    async def append(self, transaction: Transaction) -> Verdict:
        """Returns after the commit is on disk. Raises Refusal `overloaded` or `log_unavailable`."""

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        """All events of these streams, ordered by stream and version; a stream that does not exist has none."""

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        """Up to `limit` events with position > `after`, in order; of one agent or, for the hub itself, of all."""

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        """The events of this agent at these positions, in order; positions of others are left out."""

    async def previous(self, agent_id: UUID, position: int) -> int:
        """The position of the agent's last event before `position`; 0 when there is none."""

    async def epoch(self) -> str:
        """The name of this history, the first part of every cursor: eight hexadecimal digits."""

    async def head(self) -> int:
        """The newest position; 0 when the log is empty."""


class Utterance(Struct, frozen=True):
    """What a planner sees: one final transcript chunk."""

    agent_id: UUID
    space_id: UUID
    position: int
    person_id: UUID
    speaker: str
    text: str
    occurred_at: datetime


class Proposal(Struct, frozen=True):
    """An action that a planner would like to see done. It is never executed as such (invariant I7)."""

    tool: str
    title: str
    arguments: dict[str, object]
    rationale: str
    rests_on: tuple[int, ...]
    """Positions of the transcript chunks that the proposal rests on."""


class Planner(Protocol):
    async def plan(self, utterance: Utterance) -> list[Proposal]:
        """Proposals that rest on this utterance; none is the usual answer."""


class ToolFailed(Exception):
    """A tool says that it did not do its work. `code` is stable; `detail` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Tool(Protocol):
    name: str

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        """Do it and return what came of it. `effect_id` is the same at every attempt at the same effect.
        Raises ToolFailed, or anything else, which counts as `tool_error`.
        """
