"""The relay: the log in JetStream, whole and in order, whatever happens to relays and streams."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from adapters.nats import cloudevents
from adapters.nats.connect import STREAM, ensure_stream, event_subject
from adapters.nats.relay import Relay
from domain.limits import RELAY_BATCH_EVENTS_MAX
from domain.people import ErasePerson
from domain.transcripts import RecordTranscript, Spoken
from tests.integration.stack import AGENT, OTHER_AGENT, Stack, running, wipe

_FORGETS_SECONDS = 0.3


@pytest.fixture
async def stack(database: str, nats_url: str) -> AsyncIterator[Stack]:
    async with running(database, nats_url, serving=False) as found:
        yield found


async def _relay(stack: Stack, relay: Relay | None = None) -> Relay:
    """Publish up to the head, as the worker does."""
    relay = relay or Relay(stack.log, stack.client)
    position, head = await relay.position(), await stack.log.head()
    while position < head:
        position = await relay.step(position)
    return relay


async def _stream(stack: Stack) -> list[RawStreamMsg]:
    """Everything that the stream holds, in its order."""
    jetstream = stack.client.jetstream()
    state = (await jetstream.stream_info(STREAM)).state
    return [await jetstream.get_msg(STREAM, seq=seq) for seq in range(state.first_seq, state.last_seq + 1)]


async def _check(stack: Stack) -> None:
    """The stream holds exactly the log: every event once, in order, with its headers and its bytes."""
    messages, log = await _stream(stack), await stack.log.read(0, 10_000)
    headers = [message.headers or {} for message in messages]
    assert [one["Nats-Msg-Id"] for one in headers] == [str(event.position) for event in log]
    last: dict[UUID, int] = {}
    for message, header, event in zip(messages, headers, log, strict=True):
        assert header["Stele-Position"] == str(event.position)
        assert header["Stele-Previous-Position"] == str(last.get(event.agent_id, 0))
        last[event.agent_id] = event.position
        assert message.subject == event_subject(event.agent_id, event.type)
        assert cloudevents.decode(message.data or b"") == event


async def _fill(stack: Stack, commands: int = 5) -> None:
    """Events of two agents, in turns."""
    for n in range(commands):
        await stack.say(f"One {n}.", f"Two {n}.")
        if n == 0:
            await stack.say(f"Theirs {n}.", agent=OTHER_AGENT)


async def test_every_event_is_published_once_in_order_with_its_place(stack: Stack) -> None:
    await _fill(stack)
    await _relay(stack)
    await _check(stack)


async def test_more_than_a_batch_is_published_in_order(stack: Stack) -> None:
    await stack.say(*(f"Remark {n}." for n in range(RELAY_BATCH_EVENTS_MAX)))
    await _relay(stack)
    await _check(stack)


async def test_what_is_published_is_a_cloud_event(stack: Stack) -> None:
    """CloudEvents 1.0, JSON format: the required attributes, names in lower case, times in RFC 3339."""
    await _fill(stack, 1)
    await _relay(stack)
    for message in await _stream(stack):
        event = json.loads(message.data or b"")
        assert event["specversion"] == "1.0"
        assert event["datacontenttype"] == "application/json"
        assert event["source"] in (f"/agents/{AGENT}", f"/agents/{OTHER_AGENT}")
        assert event["type"].startswith("stele.")
        assert UUID(event["id"])
        assert UUID(event["subject"])
        assert datetime.fromisoformat(event["time"]).tzinfo is not None
        assert isinstance(event["data"], dict)
        assert all(name.isascii() and name.isalnum() and name == name.lower() and len(name) <= 20 for name in event)
        assert (message.headers or {})["Content-Type"] == "application/cloudevents+json"


async def test_a_relay_that_starts_again_goes_on_where_the_stream_ends(stack: Stack) -> None:
    await _fill(stack)
    await _relay(stack)
    await _fill(stack)
    again = Relay(stack.log, stack.client)
    assert await again.position() == len(await _stream(stack))
    await _relay(stack, again)
    await _check(stack)


@pytest.mark.parametrize("new_relay", [True, False], ids=["another relay", "the same relay"])
async def test_a_stream_that_was_wiped_is_published_again_whole(stack: Stack, new_relay: bool) -> None:
    await _fill(stack)
    relay = await _relay(stack)
    await wipe(stack.client)
    await _relay(stack, None if new_relay else relay)
    await _check(stack)


async def test_a_stream_of_another_history_is_begun_anew(stack: Stack) -> None:
    """The database was lost and NATS was not: its last position says nothing about this log."""
    await ensure_stream(stack.client, "0badcafe")
    jetstream = stack.client.jetstream()
    await jetstream.publish("stele.0.events.x.Y", b"{}", headers={"Stele-Position": "1000"})
    await _fill(stack)
    await _relay(stack)
    await _check(stack)


@pytest.mark.parametrize("there", [True, False], ids=["made anew meanwhile", "gone"])
async def test_a_relay_notices_a_stream_that_is_wiped_while_it_runs(stack: Stack, there: bool) -> None:
    await _fill(stack)
    relay = await _relay(stack)
    head = await stack.log.head()
    await wipe(stack.client)
    if there:
        await ensure_stream(stack.client, await stack.log.epoch())  # as another relay does
    await _fill(stack)
    with pytest.raises(nats.errors.Error):
        await relay.step(head)
    await _relay(stack, relay)
    await _check(stack)


async def test_a_stream_that_was_emptied_is_filled_again(stack: Stack) -> None:
    """JetStream knows the message ids for a while and takes what it no longer has for repetitions; that is noticed."""
    await _forgetful_stream(stack)
    await _fill(stack)
    relay = await _relay(stack)
    await stack.client.jetstream().purge_stream(STREAM)
    assert await relay.position() == 0
    with pytest.raises(nats.errors.Error):
        await relay.step(0)
    await asyncio.sleep(_FORGETS_SECONDS)
    await _relay(stack, relay)
    await _check(stack)


async def test_a_relay_that_slept_too_long_to_be_recognised_publishes_nothing_twice(stack: Stack) -> None:
    """JetStream forgets message ids after a while; the sequence that a publication names does not grow old."""
    await _forgetful_stream(stack)
    slow = Relay(stack.log, stack.client)
    assert await slow.position() == 0
    await _fill(stack)
    await _relay(stack)
    await asyncio.sleep(_FORGETS_SECONDS)
    with pytest.raises(nats.errors.Error):
        await slow.step(0)
    await _relay(stack, slow)
    await _check(stack)


async def _forgetful_stream(stack: Stack) -> None:
    """The stream, with the shortest memory for message ids that JetStream allows."""
    config = StreamConfig(
        name=STREAM,
        description=f"events of the history {await stack.log.epoch()}",
        subjects=["stele.*.events.>"],
        storage=StorageType.FILE,
        duplicate_window=0.1,
    )
    await stack.client.jetstream().add_stream(config)


async def test_a_relay_that_is_refused_again_and_again_goes_on(stack: Stack) -> None:
    """What was refused must not count as under way for ever: a relay would end up with room for nothing."""
    await _forgetful_stream(stack)
    relay = Relay(stack.log, stack.client)
    async with asyncio.timeout(20):
        for _ in range(3):
            position = await relay.position()
            await stack.say(*(f"Remark {n}." for n in range(RELAY_BATCH_EVENTS_MAX // 2)))
            await _relay(stack)
            await asyncio.sleep(_FORGETS_SECONDS)
            with pytest.raises(nats.errors.Error):
                await relay.step(position)
        await _fill(stack)
        await _relay(stack, relay)
    await _check(stack)


async def test_two_relays_at_once_publish_everything_once(stack: Stack) -> None:
    filled = asyncio.Event()

    async def keep() -> None:
        relay, position = Relay(stack.log, stack.client), -1
        while not filled.is_set() or position < await stack.log.head():
            try:
                position = await relay.position() if position < 0 else await relay.step(position)
                await asyncio.sleep(0)
            except nats.errors.Error:
                position = -1

    async with asyncio.TaskGroup() as relays:
        for _ in range(2):
            relays.create_task(keep())
        await _fill(stack, 40)
        filled.set()
    await _check(stack)


async def test_a_message_that_is_no_event_is_not_taken_for_one(stack: Stack) -> None:
    for data in (b"", b"x", b"{}", b"[]", b'{"specversion": "1.0"}', b"\xff"):
        with pytest.raises(ValueError, match=r".+"):
            cloudevents.decode(Msg(stack.client, data=data).data)


async def test_I9_what_the_stream_holds_about_somebody_is_deleted_before_the_erasure_is_told(stack: Stack) -> None:
    """Also when the last message is about that person, and when it happens twice."""
    await stack.say("Hello.", "Is this on?", "It is.")
    relay = await _relay(stack)
    said = await stack.execute(RecordTranscript(stack.space, (Spoken("Ada", "Good-bye."),)))
    person = UUID(said["chunks"][0]["person_id"])
    await _relay(stack, relay)
    about = await stack.log.positions_about(AGENT, person, 0, 1_000)
    assert len(about) == 5  # registered, and four chunks; the last is the newest of the stream
    await stack.execute(ErasePerson(person))
    erasure = (await stack.log.read(0, 1_000))[-1]
    await relay._purge(erasure, erasure.position - 1)  # and then the relay is killed
    await _relay(stack)
    held = {int((message.headers or {})["Stele-Position"]) for message in await _there(stack)}
    assert held == set(range(1, erasure.position + 1)) - set(about)
    await stack.say("Somebody new.")
    await _relay(stack)
    assert max(int((m.headers or {})["Stele-Position"]) for m in await _there(stack)) == await stack.log.head()


async def _there(stack: Stack) -> list[RawStreamMsg]:
    """Every message that was not deleted."""
    jetstream, found = stack.client.jetstream(), []
    state = (await jetstream.stream_info(STREAM)).state
    for seq in range(state.first_seq, state.last_seq + 1):
        with contextlib.suppress(NotFoundError):
            found.append(await jetstream.get_msg(STREAM, seq=seq))
    return found
