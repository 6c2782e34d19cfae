"""The log in memory: a fake for unit tests, held to tests/conformance/log.py like the one in Postgres.

Nothing here is durable, and a process that ends forgets it.
"""

from collections.abc import Collection, Sequence
from datetime import UTC
from uuid import UUID

from msgspec import Struct

from domain.aggregate import Snapshot
from domain.events import NewEvent, Recorded
from domain.limits import STREAM_PAGE_EVENTS_MAX
from domain.ports import Appended, Clock, Conflict, Expectation, KeyReused, Repeated, Transaction, Verdict, WrappedKey
from projections.ports import Scanned


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
        self._snapshots: dict[tuple[UUID, UUID], Snapshot] = {}
        self.keys: dict[tuple[UUID, UUID], WrappedKey] = {}
        """The persons' keys (agent and subject), as the log's transactions make and destroy them."""

    async def append(self, transaction: Transaction) -> Verdict:
        """Raises ValueError, with nothing written, for an event whose version does not continue its stream."""
        transaction.check_versions()
        refused = self._repeated(transaction) or self._conflict(transaction)
        if refused is not None:
            return refused
        recorded = self._recorded(transaction)
        for event in recorded:
            self._versions[transaction.agent_id, event.stream_id] = event.version
        self.keys.update({(transaction.agent_id, key.subject_id): key for key in transaction.new_keys})
        for subject in transaction.destroyed_keys:
            self.keys.pop((transaction.agent_id, subject), None)
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
        implied = [Expectation(stream, version - 1) for stream, version in transaction.first_versions().items()]
        for expected in (*transaction.expectations, *implied):
            actual = self._versions.get((transaction.agent_id, expected.stream_id), 0)
            if actual != expected.version:
                return Conflict(expected.stream_id, expected.version, actual)
        return None

    def _recorded(self, transaction: Transaction) -> list[Recorded]:
        first = len(self._events) + 1
        return [self._record(transaction.agent_id, event, first + n) for n, event in enumerate(transaction.events)]

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
            subjects=event.subjects,
        )

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        found: list[Snapshot | Recorded] = []
        for stream_id, version in wanted:
            snapshot = self._snapshots.get((agent_id, stream_id)) if version == 0 else None
            if snapshot is not None:
                found.append(snapshot)
            after = max(version, 0) if snapshot is None else snapshot.version
            stream = await self.read_streams(agent_id, [stream_id])
            found += [event for event in stream if event.version > after][:STREAM_PAGE_EVENTS_MAX]
        return found

    async def keep_snapshot(self, agent_id: UUID, snapshot: Snapshot) -> None:
        kept = self._snapshots.get((agent_id, snapshot.stream_id))
        if kept is None or kept.version < snapshot.version or kept.fold != snapshot.fold:
            self._snapshots[agent_id, snapshot.stream_id] = snapshot

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        wanted = set(stream_ids)
        found = [event for event in self._events if event.agent_id == agent_id and event.stream_id in wanted]
        return sorted(found, key=lambda event: (event.stream_id, event.version))

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        return [event for event in self._events[max(after, 0) :] if agent_id in (None, event.agent_id)][:limit]

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        page = await self.read(after, limit)
        events = [event for event in page if event.type not in types]
        return Scanned(events, page[-1].position if page else after, len(page))

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        wanted = set(positions)
        return [event for event in self._events if event.agent_id == agent_id and event.position in wanted]

    async def positions_about(self, agent_id: UUID, person_id: UUID, after: int, before: int) -> list[int]:
        mine = [event for event in self._events if event.agent_id == agent_id and person_id in event.subjects]
        return [event.position for event in mine if after < event.position < before]

    async def epoch(self) -> str:
        return "00000000"

    async def previous(self, agent_id: UUID, position: int) -> int:
        before = self._events[: max(position - 1, 0)]
        return max((event.position for event in before if event.agent_id == agent_id), default=0)

    async def kinds(self) -> list[tuple[str, int, int]]:
        first: dict[tuple[str, int], int] = {}
        for event in self._events:
            first.setdefault((event.type, event.schema_version), event.position)
        return [(type_, version, position) for (type_, version), position in first.items()]

    async def head(self) -> int:
        return len(self._events)
