"""The next batch of the appender: in order, nothing lost, and no two commands that could decide about each other."""

import asyncio
from collections import deque
from collections.abc import Iterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.batch import Waiting, take
from domain.limits import APPEND_BATCH_EVENTS_MAX
from domain.ports import Expectation, Transaction, Verdict
from tests.conformance.log_events import AGENT, OTHER, command, happened

STREAMS = st.sets(st.integers(1, 5).map(lambda n: UUID(int=n)), max_size=3)
TRANSACTIONS = st.builds(
    lambda agent, writes, reads, key: Transaction(
        agent,
        tuple(happened(stream) for stream in sorted(writes)),
        tuple(Expectation(stream, 0) for stream in sorted(reads)),
        key,
    ),
    st.sampled_from([AGENT, OTHER]),
    STREAMS,
    STREAMS,
    st.sampled_from([None, None, None, "k", "l"]),
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Futures belong to a loop; this one never runs."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def queue(loop: asyncio.AbstractEventLoop, transactions: list[Transaction]) -> deque[Waiting]:
    return deque(Waiting(transaction, loop.create_future()) for transaction in transactions)


def batches(waiting: deque[Waiting]) -> list[list[Transaction]]:
    taken = []
    while waiting:
        taken.append([one.transaction for one in take(waiting)])
        assert taken[-1], "every batch takes the first that waits"
    return taken


def writes(transaction: Transaction) -> set[UUID]:
    return {event.stream_id for event in transaction.events}


def touches(transaction: Transaction) -> set[UUID]:
    return writes(transaction) | {expectation.stream_id for expectation in transaction.expectations}


def decide_about_each_other(one: Transaction, other: Transaction) -> bool:
    """One writes what the other touches, or both have the same key."""
    if not writes(one).isdisjoint(touches(other)) or not writes(other).isdisjoint(touches(one)):
        return True
    return one.key is not None and (one.agent_id, one.key) == (other.agent_id, other.key)


@given(transactions=st.lists(TRANSACTIONS, max_size=25))
def test_nothing_is_lost_and_nothing_istaken_twice(
    loop: asyncio.AbstractEventLoop, transactions: list[Transaction]
) -> None:
    taken = [id(transaction) for batch in batches(queue(loop, transactions)) for transaction in batch]
    assert sorted(taken) == sorted(map(id, transactions))


@given(transactions=st.lists(TRANSACTIONS, max_size=25))
def test_no_two_of_a_batch_decide_about_each_other(
    loop: asyncio.AbstractEventLoop, transactions: list[Transaction]
) -> None:
    for batch in batches(queue(loop, transactions)):
        for place, one in enumerate(batch):
            assert not any(decide_about_each_other(one, other) for other in batch[place + 1 :])


@given(transactions=st.lists(TRANSACTIONS, max_size=25))
def test_those_that_decide_about_each_other_keep_their_order(
    loop: asyncio.AbstractEventLoop, transactions: list[Transaction]
) -> None:
    taken = [transaction for batch in batches(queue(loop, transactions)) for transaction in batch]
    place = {id(transaction): n for n, transaction in enumerate(taken)}
    for n, one in enumerate(transactions):
        for other in transactions[n + 1 :]:
            if decide_about_each_other(one, other):
                assert place[id(one)] < place[id(other)]


@given(transactions=st.lists(TRANSACTIONS, max_size=25), abandoned=st.sets(st.integers(0, 24)))
def test_a_command_whose_caller_is_gone_is_nottaken(
    loop: asyncio.AbstractEventLoop, transactions: list[Transaction], abandoned: set[int]
) -> None:
    waiting = queue(loop, transactions)
    for n, one in enumerate(waiting):
        if n in abandoned:
            one.verdict.cancel()
    taken: list[Waiting] = []
    while waiting:
        taken += take(waiting)
    kept = [transaction for n, transaction in enumerate(transactions) if n not in abandoned]
    assert sorted(id(one.transaction) for one in taken) == sorted(map(id, kept))


def test_I12_a_batch_ends_when_it_has_its_events(loop: asyncio.AbstractEventLoop) -> None:
    each = 7
    transactions = [command(*(happened(UUID(int=n * each + i)) for i in range(each))) for n in range(400)]
    sizes = [sum(len(transaction.events) for transaction in batch) for batch in batches(queue(loop, transactions))]
    assert sum(sizes) == 400 * each
    assert max(sizes) < APPEND_BATCH_EVENTS_MAX + each


def test_I12_commands_without_events_fill_a_batch_as_well(loop: asyncio.AbstractEventLoop) -> None:
    waiting = queue(loop, [command() for _ in range(APPEND_BATCH_EVENTS_MAX + 5)])
    assert len(take(waiting)) == APPEND_BATCH_EVENTS_MAX
    assert len(waiting) == 5


def test_I12_a_stream_that_everybody_wants_does_not_have_the_whole_queue_looked_through(
    loop: asyncio.AbstractEventLoop,
) -> None:
    contested = [command(happened(UUID(int=1))) for _ in range(3 * APPEND_BATCH_EVENTS_MAX)]
    waiting = queue(loop, contested)
    last: asyncio.Future[Verdict] = waiting[-1].verdict
    last.cancel()
    assert len(take(waiting)) == 1
    assert waiting[-1].verdict is last, "nobody has looked at it yet"
