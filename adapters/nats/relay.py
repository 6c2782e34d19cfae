"""The relay: the log, in order, to JetStream. It keeps no place of its own; the stream's last message tells it."""

import asyncio
import contextlib
import time
from uuid import UUID

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from nats.js.errors import BadRequestError, NotFoundError
from prometheus_client import Counter, Histogram

from adapters.nats import cloudevents
from adapters.nats.connect import (
    POSITION_HEADER,
    PREVIOUS_HEADER,
    STREAM,
    Client,
    NatsError,
    ensure_stream,
    event_subject,
    last_position,
)
from domain.events import Recorded
from domain.limits import RELAY_BATCH_EVENTS_MAX
from domain.people import PersonErased
from domain.ports import Log

_DELETIONS = 100
"""Messages that are deleted at a time."""
_ACK_SECONDS_MAX = 10.0
_EVENTS = Counter("stele_relay_events_total", "Events that JetStream has acknowledged to this relay.")
_SECONDS = Histogram(
    "stele_relay_batch_seconds",
    "One batch of events to JetStream, its last acknowledgement included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_PLACES = Counter(
    "stele_relay_places_total", "Times that this relay asked where the stream is: at its start, after errors."
)


class Relay:
    """Publishes every event in the order of positions; `Nats-Msg-Id` is the position.

    Every publication names the sequence that the stream must have reached. JetStream refuses it when another relay was
    faster or the stream was wiped, so the stream never has a hole; the relay then asks for its place again.
    """

    def __init__(self, log: Log, client: Client) -> None:
        self._log = log
        self._client = client
        self._jetstream = client.jetstream(timeout=_ACK_SECONDS_MAX)
        self._previous: dict[UUID, int] = {}
        self._sequence = 0

    async def position(self) -> int:
        """The last position that the stream holds; 0 for a stream that is new or was wiped. To be asked before `step`,
        and again after it has raised.
        """
        _PLACES.inc()
        state = await ensure_stream(self._client, await self._log.epoch())
        self._sequence = state.last_seq
        self._previous.clear()
        position = await last_position(self._jetstream, state)
        if position <= await self._log.head():
            return position
        await self._jetstream.delete_stream(STREAM)  # the log was set back: what is published never happened
        return await self.position()

    async def step(self, after: int) -> int:
        """Publish the next batch and return the position reached. Before the erasure of a person is published, what the
        stream holds about that person is deleted: a crash in between does it again.

        Raises an error of nats, or TimeoutError, when the batch was not acknowledged whole; ask `position` again then.
        """
        events = await self._log.read(after, RELAY_BATCH_EVENTS_MAX)
        if not events:
            return after
        if events[0].type == PersonErased.type:
            await self._purge(events[0], after)
        erasures = [number for number, event in enumerate(events) if number and event.type == PersonErased.type]
        events = events[: erasures[0]] if erasures else events
        began, inbox = time.perf_counter(), self._client.new_inbox()
        answers = _Answers(self._sequence, len(events))
        subscription = await self._client.subscribe(inbox, cb=answers.take)
        try:
            for event in events:
                await self._publish(event, inbox)
            async with asyncio.timeout(_ACK_SECONDS_MAX):
                await answers.complete
        finally:
            await subscription.unsubscribe()
        _SECONDS.observe(time.perf_counter() - began)
        _EVENTS.inc(len(events))
        return events[-1].position

    async def _purge(self, erasure: Recorded, after: int) -> None:
        """The stream has a sequence for every position, without holes."""
        to_sequence = self._sequence - after
        state = (await self._jetstream.stream_info(STREAM)).state
        first = max(state.first_seq - to_sequence, 1)
        about = await self._log.positions_about(erasure.agent_id, erasure.stream_id, first - 1, erasure.position)
        for begin in range(0, len(about), _DELETIONS):
            await asyncio.gather(*[self._delete(at + to_sequence) for at in about[begin : begin + _DELETIONS]])

    async def _delete(self, sequence: int) -> None:
        with contextlib.suppress(NotFoundError, BadRequestError):  # it is gone already
            await self._jetstream.delete_msg(STREAM, sequence)

    async def _publish(self, event: Recorded, inbox: str) -> None:
        previous = self._previous.get(event.agent_id)
        if previous is None:
            previous = await self._log.previous(event.agent_id, event.position)
        self._previous[event.agent_id] = event.position
        headers = {
            "Nats-Msg-Id": str(event.position),
            "Nats-Expected-Last-Sequence": str(self._sequence),
            POSITION_HEADER: str(event.position),
            PREVIOUS_HEADER: str(previous),
            "Content-Type": "application/cloudevents+json",
        }
        if event.traceparent is not None:
            headers["traceparent"] = event.traceparent
        self._sequence += 1
        await self._client.publish(
            event_subject(event.agent_id, event.type), cloudevents.encode(event), reply=inbox, headers=headers
        )


class _Answer(Struct):
    """What JetStream says of one publication: the sequence that it has, or why it was refused."""

    seq: int = 0
    error: dict[str, object] | None = None


class _Answers:
    """The answers to a batch, in its order. nats-py's `publish_async` has no end for a publication that is refused or
    never answered: it keeps its place for ever, and with the last place the relay would stand still.
    """

    def __init__(self, after: int, count: int) -> None:
        self._sequence = after
        self._last = after + count
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def take(self, message: Msg) -> None:
        if self.complete.done():
            return
        self._sequence += 1
        answer = msgspec.json.decode(message.data or b"{}", type=_Answer)  # empty: there is no stream
        if answer.seq != self._sequence:
            self.complete.set_exception(
                NatsError(f"publication {self._sequence}: {answer.error or f'has sequence {answer.seq}'}")
            )
        elif self._sequence == self._last:
            self.complete.set_result(None)
