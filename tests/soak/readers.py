"""The readers of the soak: every way that Stele offers, each with an eye on what it is shown."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

import psycopg
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from psycopg_pool import PoolTimeout

from adapters.nats import cloudevents
from adapters.nats.connect import POSITION_HEADER, PREVIOUS_HEADER, STREAM, Client, NatsError
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics
from adapters.postgres.wakeup import Bell, Listener
from domain.events import Recorded
from projections.ports import EntryPage, GenerationGone
from tests.soak.marks import AGENTS
from tests.soak.topic import TOPIC
from tests.soak.watch import Seen, Watch, mark

Read = Callable[[int, int], Awaitable[Sequence[Seen]]]
"""(after, limit): what comes after a position, in order."""
_PAGES = (50, 500, 5_000)
_PAUSE_SECONDS_MAX = 0.02
_AGAIN_SECONDS = 0.1
_FETCH_MESSAGES = 500
_ONCE = b'{"times":1}'


async def follow(read: Read, watch: Watch, chance: random.Random, bell: Bell | None = None) -> None:
    """Read what comes after the last position, again and again, until cancelled. What is passed is never looked at
    again. Without a bell the reader polls without end; with one it waits for the hint, or for the slow poll.
    """
    while True:
        try:
            events = await read(watch.position, chance.choice(_PAGES))
        except (psycopg.OperationalError, PoolTimeout):
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        watch.take(events)
        if events:
            continue
        if bell is not None:
            await bell.wait()
        else:
            await asyncio.sleep(chance.random() * _PAUSE_SECONDS_MAX)


async def paging(conninfo: str, watch: Watch, chance: random.Random) -> None:
    """Pages by position, polled."""
    async with _log(conninfo) as log:
        await follow(_pages(log), watch, chance)


async def hint(conninfo: str, watch: Watch, chance: random.Random) -> None:
    """Pages by position, when the bell rings and at the slow poll."""
    bell = Bell()
    listening = asyncio.create_task(Listener(conninfo, ("stele_log",), lambda _: bell.ring()).run())
    try:
        async with _log(conninfo) as log:
            await follow(_pages(log), watch, chance, bell)
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


@contextlib.asynccontextmanager
async def _log(conninfo: str) -> AsyncIterator[PostgresLog]:
    async with pool(conninfo, "soak reader", 1) as reading:
        yield PostgresLog(reading)


def _pages(log: PostgresLog) -> Read:
    async def read(after: int, limit: int) -> Sequence[Seen]:
        return [(event.position, mark(event.event_id.int)) for event in await log.read(after, limit)]

    return read


async def topic(conninfo: str, watch: Watch, chance: random.Random) -> None:
    """The entries that the projector made of the events, of both agents, in the order of their positions."""
    async with pool(conninfo, "soak topic", 2) as reading:
        topics = PostgresTopics(reading)

        async def read(after: int, limit: int) -> Sequence[Seen]:
            serving = await topics.serving(TOPIC)
            if serving is None:
                return []
            try:
                pages = [await topics.page(serving.generation, agent, None, after, limit) for agent in AGENTS]
            except GenerationGone:
                return []
            return merge(pages)

        await follow(read, watch, chance)


def merge(pages: Sequence[EntryPage]) -> list[Seen]:
    """What pages of several agents show up to where all of them are complete. Raises ValueError for an event that was
    folded more than once.
    """
    up_to = min(page.entries[-1].position if page.full else page.checkpoint for page in pages)
    found = []
    for page in pages:
        for entry in page.entries:
            if entry.position > up_to:
                break
            if entry.value != _ONCE:
                raise ValueError(f"the entry at position {entry.position} is {entry.value!r}")
            found.append((entry.position, mark(UUID(entry.key).int)))
    return sorted(found)


async def relay(client: Client, watch: Watch) -> None:
    """The stream in JetStream, message by message, with what its headers say of the message before."""
    sequence, newest = 0, dict.fromkeys(AGENTS, 0)
    while True:
        try:
            subscription = await _subscribe(client.jetstream(), sequence + 1)
            while True:
                for message in await _fetch(subscription):
                    event = cloudevents.decode(message.data)
                    _check_headers(message.headers or {}, event, newest)
                    newest[event.agent_id] = event.position
                    watch.take([(event.position, mark(event.event_id.int))])
                    sequence = message.metadata.sequence.stream
        except NotFoundError:  # the relay has not made the stream yet
            await asyncio.sleep(_AGAIN_SECONDS)
        except NatsError:
            await asyncio.sleep(_AGAIN_SECONDS)


async def _subscribe(jetstream: JetStreamContext, start: int) -> JetStreamContext.PullSubscription:
    config = ConsumerConfig(
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=start, ack_policy=AckPolicy.NONE
    )
    return await jetstream.pull_subscribe("stele.*.events.>", stream=STREAM, config=config)


async def _fetch(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await subscription.fetch(_FETCH_MESSAGES, timeout=1.0)
    except TimeoutError:
        return []


def _check_headers(headers: dict[str, str], event: Recorded, newest: dict[UUID, int]) -> None:
    """Raises ValueError when a subscriber would take a message for lost that was not, or would not see a loss."""
    told = headers[POSITION_HEADER], headers[PREVIOUS_HEADER]
    if told != (str(event.position), str(newest[event.agent_id])):
        raise ValueError(f"position {event.position} says {told} after {newest[event.agent_id]}")
