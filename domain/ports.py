"""What the domain needs of the outside world. Adapters implement these; tests/conformance holds each to its promise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Snapshot
from domain.events import NewEvent, Recorded

WHOLE = -1
"""For `Log.load`: a stream from its first event."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, with its zone (UTC)."""


class Ids(Protocol):
    def new(self) -> UUID:
        """A fresh id that sorts by time (UUIDv7, RFC 9562)."""


class Expectation(Struct, frozen=True, gc=False):
    """A stream must be at this version when the transaction gets its positions. Zero: it must not exist."""

    stream_id: UUID
    version: int


class WrappedKey(Struct, frozen=True, gc=False):
    """A person's key as it is kept: encrypted by the master key of that id."""

    subject_id: UUID
    master_key_id: str
    wrapped: bytes


class Transaction(Struct, frozen=True, gc=False):
    """One command's outcome on its way into the log: all of it or nothing, keys that come and go with it included.

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
    new_keys: tuple[WrappedKey, ...] = ()
    destroyed_keys: tuple[UUID, ...] = ()

    def check_versions(self) -> None:
        """Raises ValueError when the events of one stream do not follow each other, or a version is less than 1."""
        versions: dict[UUID, int] = {}
        for event in self.events:
            before = versions.get(event.stream_id)
            if event.version < 1 or (before is not None and event.version != before + 1):
                raise ValueError(f"stream {event.stream_id}: version {event.version} after {before or 0}")
            versions[event.stream_id] = event.version

    def first_versions(self) -> dict[UUID, int]:
        """The version of the first event of each stream that is written: an expectation as well, that the stream is at
        the version before.
        """
        if len(self.events) == 1:  # most have one, and this is asked for every one of a batch
            return {self.events[0].stream_id: self.events[0].version}
        first: dict[UUID, int] = {}
        for event in self.events:
            first.setdefault(event.stream_id, event.version)
        return first


class Appended(Struct, frozen=True, gc=False):
    """Durable. Positions are inclusive; without events both are the head of the log at that moment."""

    first_position: int
    last_position: int


class Conflict(Struct, frozen=True, gc=False):
    """A stream had moved on; nothing was written."""

    stream_id: UUID
    expected: int
    actual: int


class Repeated(Struct, frozen=True, gc=False):
    """The key was used before for the same request; nothing was written. `result` is the first answer."""

    first_position: int
    last_position: int
    result: bytes


class KeyReused(Struct, frozen=True, gc=False):
    """The key was used before for another request; nothing was written."""


Verdict = Appended | Conflict | Repeated | KeyReused


class Log(Protocol):
    """The append-only log, the one authority (invariants I1, I3, I11)."""

    async def append(self, transaction: Transaction) -> Verdict:
        """Returns after the commit is on disk. Raises Refusal `overloaded` or `log_unavailable`, and ValueError, with
        nothing written, for events whose versions do not continue their stream.
        """

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        """What streams say after the versions that are known of them: for each at most STREAM_PAGE_EVENTS_MAX events,
        in their order, streams one after the other. For version 0 it may begin with a snapshot, and the events after
        that. WHOLE instead of a version: from the first event, without a snapshot.
        """

    async def keep_snapshot(self, agent_id: UUID, snapshot: Snapshot) -> None:
        """Keep it for the next `load`, unless there is a newer one. A cache: it may be lost, and raises nothing."""

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        """All events of these streams, ordered by stream and version; a stream that does not exist has none."""

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        """Up to `limit` events with position > `after`, in order; of one agent or, for the hub itself, of all."""

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        """The events of this agent at these positions, in order; positions of others are left out."""

    async def positions_about(self, agent_id: UUID, person_id: UUID, after: int, before: int) -> list[int]:
        """Where, between two positions, the events are whose personal fields are about a person, in order. It looks at
        every event between them.
        """

    async def previous(self, agent_id: UUID, position: int) -> int:
        """The position of the agent's last event before `position`; 0 when there is none."""

    async def epoch(self) -> str:
        """The name of this history, the first part of every cursor: eight hexadecimal digits."""

    async def kinds(self) -> list[tuple[str, int, int]]:
        """Every (type, schema version) that the log holds, with the position of the first of its kind."""

    async def head(self) -> int:
        """The newest position; 0 when the log is empty."""


class KeyStore(Protocol):
    """Where wrapped keys are kept, beside the log and not in it. They come and go with transactions (`Log.append`)."""

    async def find(self, wanted: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, WrappedKey]]:
        """The keys that are there of these (agent, subject)s, each with its agent."""

    async def add(self, agent_id: UUID, key: WrappedKey) -> None:
        """Keep a key that goes with no event, unless the subject has one."""

    async def others(self, master_key_id: str, limit: int) -> list[tuple[UUID, WrappedKey]]:
        """Keys that are wrapped by another master key than this, each with its agent."""

    async def rewrap(self, agent_id: UUID, old: WrappedKey, new: WrappedKey) -> None:
        """Put `new` in the place of `old`, if that is still there: a key that was destroyed meanwhile stays so."""


class Sealed(Struct, frozen=True, gc=False):
    """Events whose personal fields are ciphertext, and the keys that have to be kept with them."""

    events: tuple[NewEvent, ...]
    new_keys: tuple[WrappedKey, ...]


class Vault(Protocol):
    """Seals what is personal, and opens it again as long as the persons' keys are there (invariant I9)."""

    async def seal(self, agent_id: UUID, events: Sequence[NewEvent]) -> Sealed:
        """Seal the personal fields of every event that has subjects, with all their keys together. An event that makes
        a key gets a new one. Raises Refusal `keys_unavailable`, also when a key is gone: whoever decided that its
        person is there has decided on what is past, or the key is lost.
        """

    async def open(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """The same events, payloads in plain text; personal fields that cannot be opened any more say ERASED.
        An event that is broken raises when somebody looks at its payload.
        Raises Refusal `keys_unavailable` when nobody can tell whether they could be.
        """

    def forget(self, agent_id: UUID, subjects: Sequence[UUID]) -> None:
        """These keys are destroyed: do not use what is remembered of them."""

    async def pseudonym(self, agent_id: UUID, name: str) -> UUID:
        """An id that follows from a name, and from which nobody without the agent's key can tell the name."""


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
