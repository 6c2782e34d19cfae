"""The runtime decides on what it has read, again if that has changed, and answers the same command the same way."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.log import MemoryLog
from domain.aggregate import Aggregate
from domain.events import Event, NewEvent
from domain.limits import CONFLICT_RETRIES_MAX
from domain.people import PersonRegistered
from domain.ports import Transaction, Verdict
from domain.refusals import Refusal
from domain.runtime import HANDLERS, Accepted, Cause, Command, Work, handles
from tests.unit.world import AGENT, OTHER, START, MovableClock, World

LIST, OTHER_LIST = UUID(int=1), UUID(int=2)


class GuestList(Aggregate):
    """Names in the order in which they were invited, each once, as many as there are seats."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.names: list[str] = []

    def add(self, name: str, seats: int) -> None:
        if len(self.names) >= seats:
            raise Refusal("forbidden", "no seat is left")
        if name not in self.names:
            self.emit(PersonRegistered(self.id, name))

    def when(self, event: Event) -> None:
        assert isinstance(event, PersonRegistered)
        self.names.append(event.label)


class Invite(Command, frozen=True):
    """`unless` is a list that has to be empty."""

    names: tuple[str, ...]
    id: UUID = LIST
    seats: int = 3
    unless: UUID = UUID(int=99)


INVITE: type[Command] = Invite


async def invite(command: Invite, work: Work) -> dict[str, Any]:
    guests, other = GuestList(command.id), GuestList(command.unless)
    await work.load(guests, other)
    if other.exists:
        raise Refusal("forbidden", "the other list is not empty")
    for name in command.names:
        guests.add(name, command.seats)
    return {"list": guests.id, "names": guests.names}


class OvertakenLog(MemoryLog):
    """Before each append, somebody else has just invited the next of `others`: a list and a name."""

    def __init__(self) -> None:
        super().__init__(MovableClock())
        self.others: list[tuple[UUID, str]] = []

    async def append(self, transaction: Transaction) -> Verdict:
        if self.others:
            id, name = self.others.pop(0)
            version = len(await self.read_streams(AGENT, [id])) + 1
            new = NewEvent(UUID(int=version), id, version, PersonRegistered(id, name), START, "", None, LIST, None)
            await super().append(Transaction(AGENT, (new,), ()))
        return await super().append(transaction)


@pytest.fixture(autouse=True)
def _handler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HANDLERS, INVITE, invite)


@pytest.fixture
def log() -> OvertakenLog:
    return OvertakenLog()


@pytest.fixture
def world(log: OvertakenLog) -> World:
    return World(log)


async def names(world: World) -> list[str]:
    return [event.label for event in await world.payloads() if isinstance(event, PersonRegistered)]


# --- deciding -----------------------------------------------------------------------------------


async def test_a_command_becomes_events_and_an_answer_in_json(world: World) -> None:
    accepted = await world.do(Invite(("Ada", "Grace")))
    assert accepted == Accepted(2, {"list": str(LIST), "names": ["Ada", "Grace"]}, repeated=False)
    assert await world.payloads() == [PersonRegistered(LIST, "Ada"), PersonRegistered(LIST, "Grace")]


async def test_a_refused_command_writes_nothing_even_of_what_it_had_emitted(world: World) -> None:
    with pytest.raises(Refusal, match="no seat is left"):
        await world.do(Invite(("Ada", "Grace", "Mary", "Hedy")))
    assert await world.events() == []


async def test_a_command_that_changes_nothing_is_accepted_where_its_aggregate_is(world: World) -> None:
    await world.do(Invite(("Ada",)))
    await world.do(Invite(("Mary",), id=OTHER_LIST))
    assert await world.do(Invite(("Ada",))) == Accepted(1, {"list": str(LIST), "names": ["Ada"]})
    assert await world.log.head() == 2


async def test_an_overtaken_command_is_decided_again_on_what_is_there_now(world: World, log: OvertakenLog) -> None:
    log.others = [(LIST, "Grace"), (LIST, "Mary")]
    accepted = await world.do(Invite(("Ada",)))
    assert (accepted.position, accepted.result["names"]) == (3, ["Grace", "Mary", "Ada"])
    assert [event.version for event in await world.events()] == [1, 2, 3]


async def test_an_overtaken_command_may_be_refused_the_second_time(world: World, log: OvertakenLog) -> None:
    log.others = [(LIST, "Grace")]
    with pytest.raises(Refusal, match="no seat is left"):
        await world.do(Invite(("Ada",), seats=1))
    assert await names(world) == ["Grace"]


async def test_a_decision_falls_when_something_that_it_only_read_has_changed(world: World, log: OvertakenLog) -> None:
    log.others = [(OTHER_LIST, "Grace")]
    with pytest.raises(Refusal, match="the other list is not empty"):
        await world.do(Invite(("Ada",), unless=OTHER_LIST))
    assert await names(world) == ["Grace"]


async def test_I12_after_so_many_conflicts_a_command_is_refused(world: World, log: OvertakenLog) -> None:
    log.others = [(LIST, "Grace")] * 100
    with pytest.raises(Refusal, match=f"{CONFLICT_RETRIES_MAX} times in a row") as refused:
        await world.do(Invite(("Ada",), seats=1_000), key="k")
    assert (refused.value.code, refused.value.retry_after_seconds) == ("conflict", 1.0)
    assert await names(world) == ["Grace"] * CONFLICT_RETRIES_MAX
    log.others = []
    assert not (await world.do(Invite(("Ada",), seats=1_000), key="k")).repeated, "it may be sent again"


# --- the same command again ---------------------------------------------------------------------


async def test_I6_the_same_key_gets_the_same_answer_and_happens_once(world: World) -> None:
    first = await world.do(Invite(("Ada",)), key="k")
    await world.do(Invite(("Grace",)))
    assert await world.do(Invite(("Ada",)), key="k") == Accepted(first.position, first.result, repeated=True)
    assert await names(world) == ["Ada", "Grace"]


async def test_I6_a_command_that_changed_nothing_is_remembered_with_its_key(world: World) -> None:
    await world.do(Invite(("Ada",)))
    first = await world.do(Invite(("Ada",)), key="k")
    await world.do(Invite(("Grace",)))
    assert await world.do(Invite(("Ada",)), key="k") == Accepted(1, first.result, repeated=True)
    assert first.result["names"] == ["Ada"]


async def test_I6_a_refusal_with_a_key_is_repeated_even_when_it_would_be_accepted_now(world: World) -> None:
    with pytest.raises(Refusal) as first:
        await world.do(Invite(("Ada",), seats=0), key="k")
    with pytest.raises(Refusal) as again:
        await world.do(Invite(("Ada",), seats=3), key="k")
    assert (again.value.code, again.value.detail) == (first.value.code, first.value.detail)
    assert await world.events() == []


async def test_I6_an_acceptance_with_a_key_is_repeated_even_when_it_would_be_refused_now(world: World) -> None:
    first = await world.do(Invite(("Ada",)), key="k")
    assert await world.do(Invite(("Grace",), seats=0), key="k") == Accepted(1, first.result, repeated=True)


async def test_a_refusal_without_a_key_is_not_remembered(world: World) -> None:
    with pytest.raises(Refusal):
        await world.do(Invite(("Ada",), seats=0))
    assert (await world.do(Invite(("Ada",)))).position == 1


@pytest.mark.parametrize("seats", [0, 3], ids=["refused", "accepted"])
async def test_a_key_that_stands_for_another_request_is_refused(world: World, seats: int) -> None:
    await world.do(Invite(("Ada",)), key="k", fingerprint=b"one")
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await world.do(Invite(("Grace",), seats=seats), key="k", fingerprint=b"two")
    assert await names(world) == ["Ada"]


async def test_I10_a_key_is_remembered_for_its_agent_alone(world: World) -> None:
    await world.do(Invite(("Ada",)), key="k")
    theirs = await world.do(Invite(("Grace",)), agent=OTHER, key="k")
    assert (theirs.repeated, theirs.result["names"]) == (False, ["Grace"])


# --- the envelope -------------------------------------------------------------------------------


async def test_an_event_without_a_cause_begins_a_correlation_of_its_own(world: World) -> None:
    await world.do(Invite(("Ada",)))
    await world.do(Invite(("Grace",), id=OTHER_LIST))
    first, second = await world.events()
    assert (first.causation_id, first.correlation_id) == (None, first.event_id)
    assert (second.causation_id, second.correlation_id) == (None, second.event_id)


async def test_an_event_is_caused_by_the_newest_of_its_stream(world: World) -> None:
    await world.do(Invite(("Ada", "Grace")))
    await world.do(Invite(("Mary",)))
    first, second, third = await world.events()
    assert [second.causation_id, third.causation_id] == [first.event_id, second.event_id]
    assert {second.correlation_id, third.correlation_id} == {first.event_id}


async def test_the_cause_that_a_command_names_goes_before_that_of_the_stream(world: World) -> None:
    await world.do(Invite(("Ada",)))
    cause = Cause(UUID(int=77), UUID(int=78))
    await world.do(Invite(("Grace", "Mary")), cause=cause)
    for event in (await world.events())[1:]:
        assert (event.causation_id, event.correlation_id) == (cause.event_id, cause.correlation_id)


async def test_an_event_tells_who_when_and_in_which_trace(world: World) -> None:
    world.clock.move(60)
    await world.do(Invite(("Ada",)), actor="worker:planner", traceparent="00-trace-span-01", agent=OTHER)
    [event] = await world.events()
    assert (event.agent_id, event.actor, event.traceparent) == (OTHER, "worker:planner", "00-trace-span-01")
    assert event.occurred_at == START + timedelta(seconds=60)


# --- what a handler must not do -----------------------------------------------------------------


async def test_an_aggregate_is_loaded_once_in_a_unit_of_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def twice(command: Invite, work: Work) -> dict[str, Any]:
        await work.load(GuestList(LIST))
        await work.load(GuestList(LIST))
        return {}

    monkeypatch.setitem(HANDLERS, INVITE, twice)
    with pytest.raises(RuntimeError, match="loaded once"):
        await world.do(Invite(()))


async def test_an_aggregate_that_was_not_loaded_emits_nothing() -> None:
    with pytest.raises(RuntimeError, match="was not loaded by a unit of work"):
        GuestList(LIST).add("Ada", seats=1)


async def test_a_stream_with_a_gap_is_not_folded(world: World) -> None:
    await world.do(Invite(("Ada", "Grace")))
    _, second = await world.events()
    with pytest.raises(ValueError, match=r"at version 0 was given .* version 2"):
        GuestList(LIST).replay(second)
    with pytest.raises(ValueError, match="was given"):
        GuestList(OTHER_LIST).replay(second)


async def test_a_command_has_one_handler() -> None:
    with pytest.raises(ValueError, match="Invite has two handlers"):
        handles(Invite)(invite)
