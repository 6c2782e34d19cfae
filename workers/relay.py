"""The relay: the log to JetStream. Two relays do no harm: what one has published, JetStream drops from the other."""

import asyncio

import psycopg
import structlog
from nats.errors import Error as NatsError
from psycopg_pool import PoolTimeout

from adapters.nats.relay import Relay
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.wakeup import Bell, Listener
from domain.faults import describe
from domain.limits import POLL_SECONDS
from workers import parts
from workers.process import run, run_until
from workers.settings import Settings, required

_log = structlog.get_logger()


def main(settings: Settings) -> None:
    run("relay", lambda stop: _main(settings, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "relay")
    bell = Bell()
    listener = Listener(conninfo, ("stele_log",), lambda _: bell.ring())
    async with pool(conninfo, "relay", size_max=2) as reading:
        await run_until(stop, listener.run(), _relay(Relay(PostgresLog(reading), client), bell))
    await client.close()


async def _relay(relay: Relay, bell: Bell) -> None:
    while True:
        try:
            position = await relay.position()
            _log.info("relay_begins", after=position)
            while True:
                reached = await relay.step(position)
                if reached == position:
                    await bell.wait()
                position = reached
        except (NatsError, psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
            _log.warning("relay_restarts", error=describe(error))
            await asyncio.sleep(POLL_SECONDS)
