"""Events and commands to fill a log with."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

from domain.events import NewEvent, Recorded
from domain.people import PersonRegistered
from domain.ports import Expectation, Log, Transaction, Verdict

AGENT, OTHER = UUID(int=0xA), UUID(int=0xB)
THEN = datetime(2025, 6, 1, 12, 30, 0, 123456, tzinfo=UTC)


def stream(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def happened(stream_id: UUID, version: int = 1, label: str = "Ada", actor: str = "tester") -> NewEvent:
    return NewEvent(
        event_id=uuid4(),
        stream_id=stream_id,
        version=version,
        payload=PersonRegistered(stream_id, label),
        occurred_at=THEN,
        actor=actor,
        causation_id=None,
        correlation_id=UUID(int=7),
        traceparent=None,
    )


def command(
    *events: NewEvent,
    agent: UUID = AGENT,
    guards: dict[UUID, int] | None = None,
    key: str | None = None,
    fingerprint: bytes = b"request",
    result: bytes = b"{}",
) -> Transaction:
    """Events with the expectations that follow from their versions, and guards on streams that are only read."""
    expected = {event.stream_id: event.version - 1 for event in reversed(events)} | (guards or {})
    expectations = tuple(Expectation(stream_id, version) for stream_id, version in expected.items())
    return Transaction(agent, events, expectations, key, fingerprint if key is not None else b"", result)


async def at_once(log: Log, *transactions: Transaction) -> list[Verdict]:
    """Sent concurrently, in this order."""
    return list(await asyncio.gather(*map(log.append, transactions)))


async def everything(log: Log) -> list[Recorded]:
    return await log.read(0, 10_000)


async def read_along(log: Log, writing: asyncio.Future[list[None]]) -> list[int]:
    """Positions as a reader finds them, page after page, until the writers are done and nothing is left."""
    seen: list[int] = []
    while True:
        done = writing.done()
        page = await log.read(len(seen), 50)
        seen += [event.position for event in page]
        assert seen == list(range(1, len(seen) + 1))
        if done and not page:
            await writing
            return seen
        await asyncio.sleep(0)


async def append_several(log: Log, count: int) -> None:
    for _ in range(count):
        await log.append(command(happened(uuid4())))
