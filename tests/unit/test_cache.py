"""I1: the aggregate cache and snapshots save reads and change no decision."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.log import MemoryLog
from domain import canonical
from domain.aggregate import Aggregate, Snapshot
from domain.cache import AggregateCache
from domain.events import Event, Personal, Recorded, event
from domain.limits import SNAPSHOT_EVENTS, STREAM_PAGE_EVENTS_MAX
from domain.refusals import Refusal
from domain.runtime import Command, Context, Runtime, Work, handles
from domain.spaces import CreateSpace
from tests.unit.world import AGENT, START, MovableClock, World

TALLY = UUID(int=0x7A11)


@event("stele.tests.v1")
class Counted(Event, frozen=True):
    by: int
    said: Personal = ""


class Count(Command, frozen=True):
    times: int
    of: UUID = TALLY
    expect: int | None = None
    """Refuse unless the sum was this before."""


class Tally(Aggregate):
    total: int = 0
    steps: tuple[int, ...] = ()

    def when(self, event: Event) -> None:
        match event:
            case Counted(by=by):
                self.total += by
                self.steps = (*self.steps[-2:], by)


@handles(Count)
async def count(command: Count, work: Work) -> dict[str, Any]:
    tally = Tally(command.of)
    await work.load(tally)
    if command.expect is not None and tally.total != command.expect:
        raise Refusal("conflict", f"it is {tally.total}")
    for number in range(command.times):
        tally.emit(Counted(number + 1, "secret words"))
    return {"total": tally.total, "version": tally.version}


class ReadingLog(MemoryLog):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__(MovableClock())
        self.loads = 0
        self.read_events = 0

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        self.loads += 1
        found = await super().load(agent_id, wanted)
        self.read_events += sum(isinstance(item, Recorded) for item in found)
        return found

    def drop_snapshots(self) -> None:
        self._snapshots.clear()


@pytest.fixture
def log() -> ReadingLog:
    return ReadingLog()


@pytest.fixture
def world(log: ReadingLog) -> World:
    return World(log)


def another_process(world: World) -> Runtime:
    return Runtime(world.log, world.clock, world.ids, world.vault)


async def test_a_hot_aggregate_is_not_read_again(world: World, log: ReadingLog) -> None:
    for _ in range(5):
        await world.do(Count(1))
    assert log.loads == 1
    assert await world.result(Count(1)) == {"total": 6, "version": 6}


async def test_a_decision_on_a_stale_copy_is_made_again(world: World) -> None:
    """Another process has moved the stream on."""
    await world.do(Count(1))
    other = World(log=world.log)
    await other.do(Count(2))
    assert await world.result(Count(1)) == {"total": 5, "version": 4}


async def test_a_refusal_is_never_the_cache_s(world: World) -> None:
    """A refusal has no version to be held to: it is made on what the log says."""
    await world.do(Count(1))
    other = World(log=world.log)
    await other.do(Count(2))
    assert (await world.result(Count(1, expect=4)))["total"] == 5
    with pytest.raises(Refusal, match="it is 5"):
        await world.do(Count(1, expect=1))


async def test_an_answer_without_events_is_never_the_cache_s(world: World) -> None:
    await world.do(Count(1))
    other = World(log=world.log)
    position = (await other.do(Count(2))).position
    seen = await world.do(Count(0))
    assert (seen.result, seen.position) == ({"total": 4, "version": 3}, position)


async def test_what_failed_is_not_kept(world: World) -> None:
    await world.do(Count(1))
    with pytest.raises(Refusal):
        await world.do(Count(9, expect=77))
    assert await world.result(Count(1)) == {"total": 2, "version": 2}


async def test_agents_do_not_share_what_is_kept(world: World) -> None:
    await world.do(Count(3))
    assert (await world.result(Count(1), agent=UUID(int=0xB)))["version"] == 1


async def test_a_name_that_is_taken_is_refused_though_nobody_has_looked(world: World) -> None:
    """Two processes create the same space; the second one assumed nothing."""
    await world.do(CreateSpace("kickoff"))
    other = World(log=world.log)
    with pytest.raises(Refusal, match="space_exists"):
        await other.do(CreateSpace("kickoff"))


def test_I12_the_cache_keeps_so_many_and_no_more() -> None:
    cache = AggregateCache(3)
    for number in range(5):
        tally = Tally(UUID(int=number))
        tally.version = 1
        cache.keep(AGENT, tally)
    assert [cache.fill(AGENT, Tally(UUID(int=number))) for number in range(5)] == [False, False, True, True, True]


async def test_a_long_stream_begins_at_a_snapshot(world: World, log: ReadingLog) -> None:
    await world.do(Count(SNAPSHOT_EVENTS))
    expected = await world.result(Count(7))
    log.read_events = 0
    accepted = await another_process(world).execute(Count(0), _context())
    assert accepted.result == expected
    assert log.read_events == 7


async def test_I1_without_snapshots_everything_is_as_it_was(world: World, log: ReadingLog) -> None:
    """A stream of several pages, read from its first event."""
    size = 3 * STREAM_PAGE_EVENTS_MAX + 1
    expected = await world.result(Count(size))
    log.drop_snapshots()
    accepted = await another_process(world).execute(Count(0), _context())
    assert (accepted.result, accepted.position) == (expected, size)


async def test_a_snapshot_of_another_fold_is_not_read(
    world: World, log: ReadingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = await world.result(Count(SNAPSHOT_EVENTS + 3))
    monkeypatch.setattr(Tally, "fold_version", 2)
    log.read_events = 0
    assert (await another_process(world).execute(Count(0), _context())).result == expected
    assert log.read_events == SNAPSHOT_EVENTS + 3


async def test_I9_a_snapshot_holds_nothing_personal(world: World, log: ReadingLog) -> None:
    await world.do(Count(SNAPSHOT_EVENTS))
    [snapshot] = [item for item in await log.load(AGENT, [(TALLY, 0)]) if isinstance(item, Snapshot)]
    assert b"secret" not in snapshot.state


@given(st.lists(st.integers(-5, 5), max_size=20), st.lists(st.integers(-5, 5), max_size=20))
def test_a_restored_aggregate_is_the_one_that_was_replayed(before: list[int], after: list[int]) -> None:
    whole, begun, restored = Tally(TALLY), Tally(TALLY), Tally(TALLY)
    for number, by in enumerate((*before, *after), start=1):
        whole.replay(_recorded(number, by))
    for number, by in enumerate(before, start=1):
        begun.replay(_recorded(number, by))
    if before:
        assert restored.restore(begun.snapshot())
    for number, by in enumerate(after, start=len(before) + 1):
        restored.replay(_recorded(number, by))
    assert whole.freeze() | {"snapshotted": 0} == restored.freeze() | {"snapshotted": 0}


def _recorded(version: int, by: int) -> Recorded:
    return Recorded(
        position=version,
        event_id=UUID(int=version),
        agent_id=AGENT,
        stream_id=TALLY,
        version=version,
        type=Counted.type,
        schema_version=1,
        data=canonical.encode(Counted(by)),
        occurred_at=START,
        recorded_at=START,
        actor="",
        causation_id=None,
        correlation_id=TALLY,
        traceparent=None,
    )


def _context() -> Context:
    return Context(AGENT, "another process")
