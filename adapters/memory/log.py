"""The log in memory: a fake for unit tests, held to tests/conformance/log.py like the one in Postgres.

Nothing here is durable, and a process that ends forgets it.
"""

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID

from msgspec import Struct

from domain.events import NewEvent, Recorded
from domain.ports import Appended, Clock, Conflict, KeyReused, Repeated, Transaction, Verdict


class _Kept(Struct, frozen=True):
    """What a command that carried a key was answered."""

    fingerprint: bytes
    answer: Repeated


class MemoryLog:
    """Implements domain.ports.Log. An append is one step of the event loop, so no other task can come in between."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: list[Recorded] = []
        self._versions: dict[tuple[UUID, UUID], int] = {}
        self._kept: dict[tuple[UUID, str], _Kept] = {}

    async def append(self, transaction: Transaction) -> Verdict:
        """Raises ValueError, with nothing written, for an event whose version does not continue its stream."""
        refused = self._repeated(transaction) or self._conflict(transaction)
        if refused is not None:
            return refused
        recorded = self._recorded(transaction)
        for event in recorded:
            self._versions[transaction.agent_id, event.stream_id] = event.version
        self._events += recorded
        last = len(self._events)
        appended = Appended(recorded[0].position if recorded else last, last)
        if transaction.key is not None:
            answer = Repeated(appended.first_position, appended.last_position, transaction.result)
            self._kept[transaction.agent_id, transaction.key] = _Kept(transaction.fingerprint, answer)
        return appended

    def _repeated(self, transaction: Transaction) -> Repeated | KeyReused | None:
        kept = self._kept.get((transaction.agent_id, transaction.key)) if transaction.key is not None else None
        if kept is None:
            return None
        return kept.answer if kept.fingerprint == transaction.fingerprint else KeyReused()

    def _conflict(self, transaction: Transaction) -> Conflict | None:
        for expected in transaction.expectations:
            actual = self._versions.get((transaction.agent_id, expected.stream_id), 0)
            if actual != expected.version:
                return Conflict(expected.stream_id, expected.version, actual)
        return None

    def _recorded(self, transaction: Transaction) -> list[Recorded]:
        recorded: list[Recorded] = []
        versions: dict[UUID, int] = {}
        for event in transaction.events:
            before = versions.get(event.stream_id, self._versions.get((transaction.agent_id, event.stream_id), 0))
            if event.version != before + 1:
                raise ValueError(f"stream {event.stream_id} is at version {before}, the event has {event.version}")
            versions[event.stream_id] = event.version
            recorded.append(self._record(transaction.agent_id, event, len(self._events) + len(recorded) + 1))
        return recorded

    def _record(self, agent_id: UUID, event: NewEvent, position: int) -> Recorded:
        return Recorded(
            position=position,
            event_id=event.event_id,
            agent_id=agent_id,
            stream_id=event.stream_id,
            version=event.version,
            type=event.payload.type,
            schema_version=event.payload.schema_version,
            data=event.data,
            occurred_at=event.occurred_at.astimezone(UTC),
            recorded_at=self._clock.now(),
            actor=event.actor,
            causation_id=event.causation_id,
            correlation_id=event.correlation_id,
            traceparent=event.traceparent,
        )

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        wanted = set(stream_ids)
        found = [event for event in self._events if event.agent_id == agent_id and event.stream_id in wanted]
        return sorted(found, key=lambda event: (event.stream_id, event.version))

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        return [event for event in self._events[max(after, 0) :] if agent_id in (None, event.agent_id)][:limit]

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        wanted = set(positions)
        return [event for event in self._events if event.agent_id == agent_id and event.position in wanted]

    async def epoch(self) -> str:
        return "00000000"

    async def previous(self, agent_id: UUID, position: int) -> int:
        before = self._events[: max(position - 1, 0)]
        return max((event.position for event in before if event.agent_id == agent_id), default=0)

    async def head(self) -> int:
        return len(self._events)
