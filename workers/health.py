"""How the whole hub is, as a serving process sees it: what `/readyz` lists, and the gauges of topics and relay.

It reads checkpoints and asks JetStream, not the processes that move them, so a dead one shows.
"""

import asyncio
import time
from collections.abc import Callable

from msgspec import Struct
from prometheus_client import Gauge

from adapters.nats.connect import Client, NatsError, published
from adapters.postgres.health import LogHealth, PostgresHealth, TopicHealth
from domain.limits import HEALTH_SECONDS_MAX, STALLED_SECONDS_MAX
from projections.topics import TOPICS

_KEPT_SECONDS = 0.1
"""Whoever asks in between gets the same answer, so asking often costs nothing."""
_HEAD = Gauge("stele_log_head_position", "The newest position of the log.")
_POSTGRES = Gauge("stele_postgres_up", "Whether this process can read Postgres.")
_NATS = Gauge("stele_nats_up", "Whether this process is connected to NATS.")
_POSITION = Gauge("stele_projection_position", "Everything up to here is folded into the live entries.", ("topic",))
_LAG_EVENTS = Gauge("stele_projection_lag_events", "Events of the log that are not folded yet.", ("topic",))
_LAG_SECONDS = Gauge("stele_projection_lag_seconds", "Age of the oldest event that is not folded yet.", ("topic",))
_STOPPED = Gauge(
    "stele_projection_stopped", "1 while an event cannot be folded and the topic stands still.", ("topic",)
)
_STOPPED_AT = Gauge(
    "stele_projection_stopped_position", "The event that cannot be folded; 0: there is none.", ("topic",)
)
_RELAY_EVENTS = Gauge("stele_relay_lag_events", "Events of the log that are not in JetStream yet.")
_RELAY_SECONDS = Gauge("stele_relay_lag_seconds", "Age of the oldest event that is not in JetStream yet.")
_UNKNOWN = float("nan")


class _Relay(Struct, frozen=True):
    position: int
    waits_seconds: float


class _Found(Struct, frozen=True):
    at: float
    log: LogHealth | None
    failed: str
    """Why there is none: a class name."""
    nats: bool
    relay: _Relay | None
    """None: JetStream does not tell."""


class Health:
    """`now` is a monotonic clock, in seconds."""

    def __init__(
        self,
        postgres: PostgresHealth,
        client: Client,
        *,
        stalled_seconds: float = STALLED_SECONDS_MAX,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._postgres = postgres
        self._client = client
        self._stalled_seconds = stalled_seconds
        self._now = now
        self._looking = asyncio.Lock()
        self._found: _Found | None = None
        self._moved: dict[str, tuple[int, float]] = {}

    async def problems(self) -> list[str]:
        """What keeps the hub from serving as it should, for people; nothing of what it holds."""
        found = await self._look()
        problems = [] if found.nats else ["NATS cannot be reached"]
        if found.log is None:
            return [*problems, f"Postgres cannot be read: {found.failed}"]
        there = {one.topic: one for one in found.log.topics}
        for topic in TOPICS:
            problems += self._of_topic(topic, there.get(topic), found.log.head)
        return problems + self._of_relay(found.nats, found.relay, found.log.head)

    async def measure(self) -> None:
        """Bring the gauges up to date; what is not known now is not shown."""
        found = await self._look()
        _NATS.set(found.nats)
        _POSTGRES.set(found.log is not None)
        for gauge in (_POSITION, _LAG_EVENTS, _LAG_SECONDS, _STOPPED, _STOPPED_AT):
            gauge.clear()
        head = found.log.head if found.log is not None else _UNKNOWN
        _HEAD.set(head)
        for one in found.log.topics if found.log is not None else ():
            _POSITION.labels(one.topic).set(one.position)
            _LAG_EVENTS.labels(one.topic).set(max(0, head - one.position))
            _LAG_SECONDS.labels(one.topic).set(one.waits_seconds)
            _STOPPED.labels(one.topic).set(one.stopped_at is not None)
            _STOPPED_AT.labels(one.topic).set(one.stopped_at or 0)
        _RELAY_EVENTS.set(_UNKNOWN if found.relay is None else max(0, head - found.relay.position))
        _RELAY_SECONDS.set(_UNKNOWN if found.relay is None else found.relay.waits_seconds)

    def _of_topic(self, topic: str, one: TopicHealth | None, head: int) -> list[str]:
        if one is None:
            return [f"topic {topic} has no projection yet"]
        if one.stopped_at is not None:
            return [f"topic {topic} stopped at position {one.stopped_at}: {one.stopped_by}"]
        if self._stalled(topic, one.position, one.waits_seconds):
            return [f"topic {topic} does not move at position {one.position}, {head - one.position} events behind"]
        return []

    def _of_relay(self, connected: bool, relay: _Relay | None, head: int) -> list[str]:
        if relay is None:
            return ["JetStream does not answer"] if connected else []
        if self._stalled("the relay", relay.position, relay.waits_seconds):
            return [f"the relay does not move at position {relay.position}, {head - relay.position} events behind"]
        return []

    def _stalled(self, who: str, position: int, waits_seconds: float) -> bool:
        """Whether it has had something to do, and done nothing, for too long; whoever catches up moves, and is well."""
        now = self._now()
        known = self._moved.get(who)
        if known is None or known[0] != position:
            known = self._moved[who] = (position, now)
        return waits_seconds > self._stalled_seconds and now - known[1] > self._stalled_seconds

    async def _look(self) -> _Found:
        async with self._looking:
            if self._found is None or self._now() - self._found.at > _KEPT_SECONDS:
                self._found = await self._read()
            return self._found

    async def _read(self) -> _Found:
        connected = self._client.is_connected
        try:
            async with asyncio.timeout(HEALTH_SECONDS_MAX):
                log = await self._postgres.read()
                relay = await self._relay(log) if connected else None
        except Exception as error:  # whatever it is, this process cannot serve
            return _Found(self._now(), None, type(error).__name__, connected, None)
        return _Found(self._now(), log, "", connected, relay)

    async def _relay(self, log: LogHealth) -> _Relay | None:
        try:
            position = await published(self._client, log.epoch)
        except NatsError:
            return None
        waits = await self._postgres.waits_seconds(position + 1) if position < log.head else 0.0
        return _Relay(position, waits)
