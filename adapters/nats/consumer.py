"""A worker's place in the stream of events: a durable consumer that acknowledges after the work is done."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge, Histogram

from adapters import tracing
from adapters.nats import cloudevents
from adapters.nats.connect import STREAM, Client, NatsError
from domain.events import Recorded, UnknownEvent
from domain.faults import describe
from domain.limits import ACK_WAIT_SECONDS, DELIVERIES_MAX

_log = structlog.get_logger()
_CONCURRENCY = 8
"""Events that one worker works on at a time."""
_FETCH_SECONDS = 5.0
_RETRY_SECONDS = 2.0
_UNREADABLE_SECONDS = 10.0
_STREAM_SECONDS = 0.1
_FINISH_SECONDS_MAX = 10.0
_EVENTS = Counter(
    "stele_worker_events_total",
    "Deliveries of events to a worker, by what came of them: done, redelivered, failed, unreadable or set_aside.",
    ("worker", "outcome"),
)
_SECONDS = Histogram(
    "stele_worker_event_seconds",
    "From the delivery of an event to its outcome, tools and commands included.",
    ("worker",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0),
)
_OPEN = Gauge("stele_worker_events_open", "Events that a worker is working on.", ("worker",))


class Redeliver(Exception):
    """Raised by a handler: not now; deliver the event again after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:.1f} s")
        self.seconds = seconds


Handler = Callable[[Recorded], Awaitable[None]]


class Consumer:
    """Delivers each event of the given types to `handler` at least once; a handler that raises gets it again."""

    def __init__(self, client: Client, name: str, types: list[str], handler: Handler) -> None:
        self._client = client
        self._name = name
        self._subjects = [".".join(("stele.*.events", *type_.split(".")[1::2])) for type_ in types]
        self._handler = handler

    async def run(self) -> None:
        """Consume until cancelled; a stream or a consumer that disappears is made anew. What is being worked on when it
        is cancelled gets some seconds to finish.
        """
        working: set[asyncio.Task[None]] = set()
        try:
            while True:
                try:
                    await self._consume(working)
                except (NatsError, TimeoutError, OSError) as error:
                    _log.warning("consumer_restarts", consumer=self._name, error=describe(error))
                    await asyncio.sleep(1.0)
        finally:
            await _finish(working)

    async def _consume(self, working: "set[asyncio.Task[None]]") -> None:
        subscription = await self._subscribe()
        try:
            while True:
                await self._round(subscription, working)
        finally:  # what was asked for would still be sent, to nobody, and again only when the ack's time is over
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    async def _stream(self) -> None:
        """Wait for the relay to make the stream: it alone knows whose events belong into it."""
        while True:
            try:
                await self._client.jetstream().stream_info(STREAM)
                return
            except NotFoundError:
                await asyncio.sleep(_STREAM_SECONDS)

    async def _subscribe(self) -> JetStreamContext.PullSubscription:
        await self._stream()
        config = ConsumerConfig(
            durable_name=self._name,
            filter_subjects=self._subjects,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_SECONDS,
        )
        jetstream = self._client.jetstream()
        await jetstream.add_consumer(STREAM, config)
        return await jetstream.pull_subscribe_bind(consumer=self._name, stream=STREAM)

    async def _round(self, subscription: JetStreamContext.PullSubscription, working: "set[asyncio.Task[None]]") -> None:
        """Take as many events as there are free places: a slow one holds up its own place only."""
        free = _CONCURRENCY - len(working)
        if free == 0:
            await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
            return
        try:
            messages = await subscription.fetch(free, timeout=_FETCH_SECONDS)
        except TimeoutError:  # nothing came; the consumer may be gone as well, which consumer_info tells
            await subscription.consumer_info()
            return
        for message in messages:
            task = asyncio.create_task(self._handle(message))
            working.add(task)
            task.add_done_callback(working.discard)

    async def _handle(self, message: Msg) -> None:
        began = time.perf_counter()
        with _OPEN.labels(self._name).track_inprogress():
            outcome = await self._outcome(message)
        _EVENTS.labels(self._name, outcome).inc()
        _SECONDS.labels(self._name).observe(time.perf_counter() - began)

    async def _outcome(self, message: Msg) -> str:
        try:
            event = cloudevents.decode(message.data)
            event.payload  # noqa: B018  an event that this release cannot read shows here
        except (msgspec.DecodeError, UnknownEvent, ValueError, RecursionError) as error:
            give_up = self._leave if isinstance(error, UnknownEvent) else self._set_aside
            return await give_up(message, error)
        try:
            await self._traced(event)
        except Redeliver as again:
            await message.nak(delay=again.seconds)
            return "redelivered"
        except TimeoutError:  # no runtime answered: that is not the event's fault
            await message.nak(delay=_RETRY_SECONDS)
            return "redelivered"
        except Exception as error:  # whatever a handler raises, the worker goes on
            if message.metadata.num_delivered >= DELIVERIES_MAX:
                return await self._set_aside(message, error)
            _log.exception("event_failed", consumer=self._name, subject=message.subject)
            await message.nak(delay=_RETRY_SECONDS)
            return "failed"
        await message.ack()
        return "done"

    async def _traced(self, event: Recorded) -> None:
        """The handler, in a span below the one that made the event; the commands that it sends go on from there."""
        attributes: tracing.Attributes = {"stele.event.type": event.type, "stele.position": event.position}
        span = tracing.start(f"{self._name} event", event.traceparent, attributes, SpanKind.CONSUMER)
        with tracing.current(span):
            await self._handler(event)

    async def _leave(self, message: Msg, error: Exception) -> str:
        """A newer release wrote it: it waits for a worker that can read it."""
        _log.error("event_unreadable", consumer=self._name, subject=message.subject, error=str(error))
        await message.nak(delay=_UNREADABLE_SECONDS)
        return "unreadable"

    async def _set_aside(self, message: Msg, error: Exception) -> str:
        """Give an event up: it is not delivered to this consumer again. It stays in the log."""
        _log.error(
            "event_set_aside",
            consumer=self._name,
            subject=message.subject,
            error=describe(error),
            deliveries=message.metadata.num_delivered,
        )
        await message.term()
        return "set_aside"


async def _finish(working: "set[asyncio.Task[None]]") -> None:
    """Wait for what is being worked on; a cancellation that is said again does not make it shorter."""
    now = asyncio.get_running_loop().time
    deadline = now() + _FINISH_SECONDS_MAX
    while working and now() < deadline:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(working, timeout=deadline - now())
