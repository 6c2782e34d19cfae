"""A tenant is named for one read, however it ends, and the connection that comes back names nobody."""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg.errors import DivisionByZero

from adapters.postgres.connect import Pool, pool
from adapters.postgres.migrate import migrate

SEED = 20_261_121
_WHO = "SELECT current_user::text, stele.tenant_v1()"
_CANCELLED = 200
_MOMENTS_SECONDS = 0.0006


@pytest.fixture
async def connections(database: str) -> AsyncIterator[Pool]:
    await migrate(database)
    async with pool(database, "test", 1) as connections:
        yield connections


async def _nobody(connections: Pool) -> bool:
    async with connections.tenants.readers.connection() as connection:
        return await (await connection.execute(_WHO)).fetchall() == [("stele_reader", None)]


async def test_I10_a_tenant_is_forgotten_with_its_read(connections: Pool) -> None:
    assert await _nobody(connections)
    for agent in (UUID(int=1), UUID(int=2)):
        assert await connections.tenants.fetch(agent, _WHO, []) == [("stele_reader", agent)]
        assert await _nobody(connections)


async def test_I10_a_tenant_is_forgotten_with_a_read_that_fails(connections: Pool) -> None:
    with pytest.raises(DivisionByZero):
        await connections.tenants.fetch(UUID(int=1), "SELECT 1 / 0", [])
    assert await _nobody(connections)


async def test_I10_a_tenant_is_forgotten_with_a_read_that_nobody_waits_for(connections: Pool) -> None:
    """At whatever moment the waiting ends; the one connection that there is goes on."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ended = 0
    for n in range(_CANCELLED):
        reading = asyncio.create_task(connections.tenants.fetch(UUID(int=1), _WHO, []))
        await asyncio.sleep(chance.uniform(0, _MOMENTS_SECONDS))
        reading.cancel()
        outcome = (await asyncio.gather(reading, return_exceptions=True))[0]
        ended += isinstance(outcome, asyncio.CancelledError)
        assert await _nobody(connections)
        agent = UUID(int=2 + n)
        assert await connections.tenants.fetch(agent, _WHO, []) == [("stele_reader", agent)]
    assert ended > 0


async def test_the_hubs_own_connections_are_the_writers(connections: Pool) -> None:
    async with connections.connection() as connection:
        assert await (await connection.execute(_WHO)).fetchall() == [("stele_writer", None)]


async def test_a_pool_that_is_closed_has_closed_its_readers(database: str) -> None:
    await migrate(database)
    async with pool(database, "test", 1) as connections:
        await connections.tenants.fetch(UUID(int=1), _WHO, [])
    assert connections.closed
    assert connections.tenants.readers.closed
