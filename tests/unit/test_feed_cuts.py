"""However large the entries of a page are, a socket is handed frames of a bounded size, in order, losing none."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.log import MemoryLog
from adapters.memory.topics import MemoryTopics
from adapters.sync import messages
from adapters.sync.feed import Feed, _cuts
from adapters.sync.heads import Heads
from adapters.sync.messages import Batch, ServerMessage, Subscribe
from domain.limits import SOCKET_QUEUE_BYTES_MAX
from projections.cursor import parse
from projections.ports import Read
from projections.projection import Entry
from tests.unit.world import AGENT, MovableClock

LARGEST_ID = 2**53 - 1


class _CaughtUp(Exception):
    pass


class _Heads(Heads):
    async def moved_past(self, topic: str, generation: int, position: int) -> None:
        raise _CaughtUp


async def frames(sizes: list[int], positions: list[int] | None = None) -> list[Batch]:
    """What a client is sent of a topic whose values have these sizes, in bytes."""
    store, clock = MemoryEntryStore(shelf := Shelf()), MovableClock()
    first = 10**17
    places = positions or list(range(1, len(sizes) + 1))
    entries = [
        Entry(AGENT, str(UUID(int=n)), None, first + place, b'"' + b"x" * (size - 2) + b'"')
        for n, (size, place) in enumerate(zip(sizes, places, strict=True))
    ]
    await store.save(await store.open("transcripts", 1), entries, first + max(places, default=0))
    sent: list[ServerMessage] = []

    async def send(message: ServerMessage) -> None:
        sent.append(message)

    topics = MemoryTopics(shelf, MemoryLog(clock))
    subscribe = Subscribe(LARGEST_ID, "transcripts")
    with pytest.raises(_CaughtUp):
        await Feed(subscribe, AGENT, None, topics, _Heads(topics), asyncio.Lock(), send).run()
    return [message for message in sent if isinstance(message, Batch)]


@given(st.lists(st.integers(2, 2 * SOCKET_QUEUE_BYTES_MAX), max_size=30))
def test_cuts_go_up_to_the_end_and_leave_no_frame_empty(sizes: list[int]) -> None:
    entries = tuple(Read(str(n), None, n, b"x" * size) for n, size in enumerate(sizes, start=1))
    cuts = _cuts(entries)
    assert cuts[-1] == len(entries)
    assert cuts == sorted(set(cuts))
    assert 0 not in cuts or not entries


def test_an_empty_page_is_one_empty_frame() -> None:
    assert _cuts(()) == [0]


HALF, THIRD, HUNDREDTH = (SOCKET_QUEUE_BYTES_MAX // parts for parts in (2, 3, 100))


@pytest.mark.parametrize(
    "sizes",
    [
        [100] * 100,
        [10_000] * 100,
        *([HALF - spare] * 3 for spare in range(0, 400, 10)),
        *([THIRD - spare] * 4 for spare in range(0, 400, 10)),
        *([HUNDREDTH - spare] * 100 for spare in range(0, 400, 10)),
        [2] * 99 + [SOCKET_QUEUE_BYTES_MAX - 300],
    ],
    ids=lambda sizes: f"{len(sizes)} of {sizes[-1]}",
)
async def test_I12_no_frame_is_larger_than_the_bound(sizes: list[int]) -> None:
    sent = await frames(sizes)
    assert sum(len(batch.entries) for batch in sent) == len(sizes)
    for batch in sent:
        assert len(batch.entries) == 1 or len(messages.encode(batch)) <= SOCKET_QUEUE_BYTES_MAX


async def test_an_entry_that_is_larger_than_the_bound_goes_alone() -> None:
    sent = await frames([100, SOCKET_QUEUE_BYTES_MAX * 2, 100])
    assert [len(batch.entries) for batch in sent] == [1, 1, 1]


async def test_a_frame_is_filled_before_the_next_is_begun() -> None:
    assert [len(batch.entries) for batch in await frames([THIRD - 400] * 7)] == [3, 3, 1]


async def test_I5_a_frame_that_ends_within_an_event_resumes_before_that_event() -> None:
    sent = await frames([HALF - 400] * 5, positions=[1, 2, 2, 2, 3])
    assert [[entry.position - 10**17 for entry in batch.entries] for batch in sent] == [[1, 2], [2, 2], [3]]
    assert [parse(batch.cursor).position - 10**17 for batch in sent] == [1, 2, 3]
    for batch in sent:
        assert batch.cursor == batch.entries[-1].cursor


async def test_only_the_last_frame_says_that_the_client_has_caught_up() -> None:
    assert [batch.caught_up for batch in await frames([HALF - 400] * 5)] == [False, False, True]
