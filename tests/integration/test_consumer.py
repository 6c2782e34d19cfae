"""A worker's place in the stream: every event at least once, a bad one set aside, a slow one in nobody's way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from adapters.nats import cloudevents, consumer
from adapters.nats.connect import STREAM, connect, event_subject
from adapters.nats.consumer import Consumer, Handler, Redeliver
from adapters.nats.relay import Relay
from domain import canonical, events
from domain.events import Recorded
from domain.transcripts import TranscriptChunkRecorded
from tests.integration.stack import AGENT, Stack, running, wipe

SPOKEN = TranscriptChunkRecorded.type
_SAID = canonical.encode(TranscriptChunkRecorded(AGENT, AGENT, AGENT, "Ada", "From the future."))


@pytest.fixture
async def stack(database: str, nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    monkeypatch.setattr(consumer, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(consumer, "_FETCH_SECONDS", 1.0)
    async with running(database, nats_url, serving=False) as found:
        yield found


async def _publish(stack: Stack, *texts: str) -> None:
    await stack.say(*texts)
    relay = Relay(stack.log, stack.client)
    position = await relay.position()
    while (reached := await relay.step(position)) != position:
        position = reached


@asynccontextmanager
async def _consuming(stack: Stack, handler: Handler, name: str = "test") -> AsyncIterator[None]:
    async def opened(event: Recorded) -> None:
        await stack.vault.open([event])
        await handler(event)

    task = asyncio.create_task(Consumer(stack.client, name, [SPOKEN], opened).run())
    try:
        yield
    finally:
        while not task.done():  # nats-py can lose a cancellation (asyncio.wait_for before Python 3.12)
            task.cancel()
            await asyncio.wait([task], timeout=1.0)


async def _until(seen: Counter[str], expected: dict[str, int]) -> None:
    async with asyncio.timeout(10):
        while seen != expected:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert seen == expected


async def _nothing_left(stack: Stack) -> None:
    """Everything was acknowledged, which JetStream hears a moment later."""
    async with asyncio.timeout(5):
        while True:
            info = await stack.client.jetstream().consumer_info(STREAM, "test")
            if (info.num_ack_pending, info.num_pending) == (0, 0):
                return
            await asyncio.sleep(0.01)


def _text(event: Recorded) -> str:
    assert isinstance(event.payload, TranscriptChunkRecorded)
    return event.payload.text


async def test_every_event_is_handled_and_after_a_restart_only_what_is_new(stack: Stack) -> None:
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[_text(event)] += 1

    await _publish(stack, *(f"{n}" for n in range(40)))
    async with _consuming(stack, handle):
        await _until(seen, {f"{n}": 1 for n in range(40)})
    await _publish(stack, "new")
    async with _consuming(stack, handle):
        await _until(seen, {f"{n}": 1 for n in range(40)} | {"new": 1})


async def test_a_handler_that_fails_gets_the_event_again_until_it_is_set_aside(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "DELIVERIES_MAX", 4)
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[_text(event)] += 1
        if _text(event) == "poison" or (_text(event) == "late" and seen["late"] < 3):
            raise RuntimeError("cannot")

    await _publish(stack, "one", "poison", "late", "two")
    async with _consuming(stack, handle):
        await _until(seen, {"one": 1, "poison": 4, "late": 3, "two": 1})


async def test_an_event_waits_for_a_runtime_that_is_away_however_long(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nobody answers is not the event's fault: an outage must not use up its deliveries."""
    monkeypatch.setattr(consumer, "DELIVERIES_MAX", 3)
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[_text(event)] += 1
        if seen["patient"] < 6:
            raise TimeoutError
        if seen["patient"] < 9:
            raise Redeliver(0.05)

    await _publish(stack, "patient")
    async with _consuming(stack, handle):
        await _until(seen, {"patient": 9})


async def test_a_slow_event_holds_up_nothing_but_itself(stack: Stack) -> None:
    seen: Counter[str] = Counter()
    release = asyncio.Event()

    async def handle(event: Recorded) -> None:
        if _text(event) == "slow":
            await release.wait()
        seen[_text(event)] += 1

    await _publish(stack, "slow", *(f"{n}" for n in range(40)))
    async with _consuming(stack, handle):
        await _until(seen, {f"{n}": 1 for n in range(40)})
        release.set()
        await _until(seen, {f"{n}": 1 for n in range(40)} | {"slow": 1})


async def test_who_is_stopped_finishes_what_it_is_working_on(stack: Stack) -> None:
    seen: Counter[str] = Counter()
    at_work = asyncio.Event()

    async def handle(event: Recorded) -> None:
        at_work.set()
        await asyncio.sleep(0.3)
        await stack.vault.open([event])
        seen[_text(event)] += 1

    await _publish(stack, "one")
    working = asyncio.create_task(Consumer(stack.client, "test", [SPOKEN], handle).run())
    await at_work.wait()
    for _ in range(3):
        working.cancel()
        await asyncio.sleep(0.02)
    await asyncio.gather(working, return_exceptions=True)
    assert seen == {"one": 1}
    await _nothing_left(stack)


async def test_what_is_no_event_is_set_aside_at_once(stack: Stack) -> None:
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[_text(event)] += 1

    await _publish(stack, "before")
    deep = b'{"data":' + b"[" * 100_000
    for data in (b"", b"x", b"{}", b"[]", b"\xff", b"[" * 100_000, deep, b'{"specversion":"1.0"}'):
        await stack.client.jetstream().publish(event_subject(AGENT, SPOKEN), data)
    async with _consuming(stack, handle):
        await _until(seen, {"before": 1})
        await _nothing_left(stack)


async def test_an_event_of_a_newer_release_waits_for_a_worker_that_can_read_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[f"version {event.schema_version}"] += 1

    monkeypatch.setattr(consumer, "_UNREADABLE_SECONDS", 0.05)
    monkeypatch.setattr(events, "_READERS", {})
    await _publish(stack, "today")
    newer = replace((await stack.log.read(0, 1))[0], type=SPOKEN, schema_version=2, data=_SAID)
    await stack.client.jetstream().publish(event_subject(AGENT, SPOKEN), cloudevents.encode(newer))
    async with _consuming(stack, handle):
        await _until(seen, {"version 1": 1})
        assert (await stack.client.jetstream().consumer_info(STREAM, "test")).num_redelivered == 1
        monkeypatch.setattr(TranscriptChunkRecorded, "schema_version", 2)
        await _until(seen, {"version 1": 1, "version 2": 1})
        await _nothing_left(stack)


async def test_a_consumer_outlives_its_stream(stack: Stack) -> None:
    seen: Counter[str] = Counter()

    async def handle(event: Recorded) -> None:
        seen[_text(event)] += 1

    await _publish(stack, "one")
    async with _consuming(stack, handle):
        await _until(seen, {"one": 1})
        await wipe(stack.client)
        await _publish(stack, "two")
        await _until(seen, {"one": 2, "two": 1})  # all of it is published again; commands make it happen once (I6)


async def test_two_workers_of_a_kind_share_the_work(stack: Stack, nats_url: str) -> None:
    seen: Counter[str] = Counter()
    by: Counter[int] = Counter()

    def handler(worker: int) -> Handler:
        async def handle(event: Recorded) -> None:
            await asyncio.sleep(0.02)
            seen[_text(event)] += 1
            by[worker] += 1

        return handle

    other = await connect(nats_url, "other")
    await _publish(stack, *(f"{n}" for n in range(60)))
    async with _consuming(stack, handler(1)), _consuming(stack, handler(2)):
        await _until(seen, {f"{n}": 1 for n in range(60)})
    assert len(by) == 2
    await other.close()
