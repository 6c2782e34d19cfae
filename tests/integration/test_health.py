"""What `/readyz` and the gauges say of topics and relay, read from checkpoints and JetStream, whoever is dead."""

import math
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from adapters.nats.connect import Client, connect
from adapters.nats.relay import Relay
from adapters.postgres.connect import Pool, pool
from adapters.postgres.connect import connect as connect_postgres
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.health import PostgresHealth
from adapters.postgres.log import PostgresLog
from projections.topics import TOPICS
from tests.hub import STELE
from workers.health import Health


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        self.seconds += 1.0  # nobody gets the answer that another one got
        return self.seconds


@pytest.fixture
async def reading(database: str, tmp_path: Path) -> AsyncIterator[Pool]:
    """A log that holds the two events of its first agent, and nobody who reads it."""
    environment = {**os.environ, "STELE_POSTGRES_URL": database, "STELE_DATA": str(tmp_path)}
    subprocess.run([*STELE, "bootstrap", "--token-file", str(tmp_path / "token")], env=environment, check=True)
    async with pool(database, "test", 2) as found:
        yield found


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    found = await connect(nats_url, "test")
    yield found
    await found.close()


def _gauge(name: str, topic: str | None = None) -> float | None:
    return REGISTRY.get_sample_value(name, None if topic is None else {"topic": topic})


async def test_lag_is_told_without_a_projector(database: str, reading: Pool, client: Client) -> None:
    health = Health(PostgresHealth(reading), client, now=Clock())
    assert await health.problems() == [f"topic {topic} has no projection yet" for topic in TOPICS]
    async with await connect_postgres(database, "test", "stele_projector") as connection:
        store = PostgresEntryStore(connection)
        generations = {topic: await store.open(topic, one.version) for topic, one in TOPICS.items()}
        await store.save(generations["people"], [], 1)
        await store.save(generations["spaces"], [], 2)
        assert await health.problems() == [], "it is behind, but not for long"
        await health.measure()
    events = [_gauge("stele_projection_lag_events", topic) for topic in ("transcripts", "people", "spaces")]
    assert events == [2, 1, 0]
    seconds = [_gauge("stele_projection_lag_seconds", topic) for topic in ("transcripts", "people", "spaces")]
    assert seconds[0] is not None
    assert seconds[1] is not None
    assert 60 > seconds[0] >= seconds[1] > 0 == seconds[2]
    assert _gauge("stele_log_head_position") == 2


async def test_whoever_has_work_and_does_not_move_is_a_problem_until_it_moves(
    database: str, reading: Pool, client: Client
) -> None:
    clock = Clock()
    health = Health(PostgresHealth(reading), client, stalled_seconds=0.001, now=clock)
    async with await connect_postgres(database, "test", "stele_projector") as connection:
        store = PostgresEntryStore(connection)
        generations = {topic: await store.open(topic, one.version) for topic, one in TOPICS.items()}
        for topic in generations.keys() - {"people"}:
            await store.save(generations[topic], [], 2)
        relay = Relay(PostgresLog(reading), client)
        await relay.position()
        first = await health.problems()
        assert first == [], "who was never seen before may have begun just now"
        stalled = ["topic people does not move at position 0, 2 events behind"]
        assert await health.problems() == [*stalled, "the relay does not move at position 0, 2 events behind"]
        await health.measure()
        assert _gauge("stele_relay_lag_events") == 2
        await relay.step(0)
        await store.save(generations["people"], [], 1)
        assert await health.problems() == [], "both have moved"
        assert await health.problems() == ["topic people does not move at position 1, 1 events behind"]
        await health.measure()
        assert (_gauge("stele_relay_lag_events"), _gauge("stele_relay_lag_seconds")) == (0, 0)


async def test_a_stopped_topic_is_told_with_the_class_of_its_error(
    database: str, reading: Pool, client: Client
) -> None:
    health = Health(PostgresHealth(reading), client, now=Clock())
    async with await connect_postgres(database, "test", "stele_projector") as connection:
        store = PostgresEntryStore(connection)
        generations = [await store.open(topic, one.version) for topic, one in TOPICS.items()]
        await store.stop(generations[0], 2, f"{generations[0].topic} stopped at position 2: KeyError: 'marzipan'")
        topic = generations[0].topic
        assert await health.problems() == [f"topic {topic} stopped at position 2: KeyError"]
        await health.measure()
        assert _gauge("stele_projection_stopped", topic) == 1
        assert _gauge("stele_projection_stopped_position", topic) == 2
        await store.save(generations[0], [], 2)
        await health.measure()
        assert _gauge("stele_projection_stopped", topic) == 0


async def test_what_is_not_known_is_not_shown(reading: Pool, client: Client) -> None:
    health = Health(PostgresHealth(reading), client, now=Clock())
    await health.measure()
    assert _gauge("stele_postgres_up") == 1
    await reading.close()
    assert await health.problems() == ["Postgres cannot be read: PoolClosed"]
    await health.measure()
    assert _gauge("stele_postgres_up") == 0
    assert _gauge("stele_projection_lag_events", "people") is None
    for name in ("stele_log_head_position", "stele_relay_lag_events"):
        assert math.isnan(_gauge(name) or 0.0)
    await client.close()
    assert (await health.problems())[0] == "NATS cannot be reached"
