"""The serving process: the runtime with its appender, HTTP, the sync gateway, and commands from workers."""

import asyncio
import contextlib
import os
import socket

from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from adapters.http.app import create_app
from adapters.http.context import Hub
from adapters.http.operations import Operations
from adapters.http.telemetry import Telemetry
from adapters.nats.commands import CommandServer
from adapters.nats.opening import OpeningServer
from adapters.postgres.appender import Appender
from adapters.postgres.as_of import PostgresStates, PostgresStreams
from adapters.postgres.connect import pool
from adapters.postgres.health import PostgresHealth
from adapters.postgres.log import PostgresLog
from adapters.postgres.tenant_log import TenantLog
from adapters.postgres.topics import PostgresTopics
from adapters.postgres.wakeup import Listener
from adapters.sync.gateway import Gateway
from adapters.sync.heads import Heads
from domain.limits import SYNC_MESSAGE_BYTES_MAX
from projections.ports import Serving
from projections.topics import TOPICS
from workers import parts
from workers.building import Building
from workers.health import Health
from workers.housekeeping import keep_house
from workers.keys import vault
from workers.listener import Server, bind, server
from workers.observed import ObservedRuntime
from workers.past import BuiltPast
from workers.process import run, run_until
from workers.readable import refuse_unreadable
from workers.scrape import before_each_scrape, render
from workers.settings import Settings, required

LISTEN = "STELE_LISTEN_FD"
"""A listening socket that the parent has bound; it stays open while this process is restarted."""
_READ_CONNECTIONS_MAX = 8
_CHANNEL = "stele_topic_"


def main(settings: Settings) -> None:
    run("serve", lambda stop: _main(settings, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "serve")
    async with Appender(conninfo) as appender, pool(conninfo, "serve", _READ_CONNECTIONS_MAX) as reading:
        log = PostgresLog(reading, appender)
        await refuse_unreadable(log)
        keys = vault(settings, reading)
        topics = PostgresTopics(reading)
        runtime = ObservedRuntime(log, parts.SystemClock(), parts.TimeOrderedIds(), keys)
        await CommandServer(client, runtime).start()
        tenant_log = TenantLog(reading)
        await OpeningServer(client, tenant_log, keys).start()
        heads = Heads(topics)
        gateway = Gateway(tenant_log, topics, heads)
        past = BuiltPast(PostgresStates(reading))
        streams = PostgresStreams(reading)
        hub = Hub(runtime, tenant_log, keys, topics, past, streams, lambda *asked: _moved(heads, *asked), {}, set())
        health = Health(PostgresHealth(reading), client)
        before_each_scrape(health.measure)
        app = create_app(hub, Operations(health.problems, Building().lines, render, settings.metrics_token))
        app.router.routes.append(WebSocketRoute("/v1/sync", gateway.endpoint))
        channels = tuple(f"{_CHANNEL}{topic}" for topic in TOPICS)
        listener = Listener(conninfo, channels, lambda channel: heads.ring(channel.removeprefix(_CHANNEL)))
        serving = _Server(settings)
        await run_until(
            stop,
            listener.run(),
            heads.run(),
            past.run(),
            keep_house(conninfo),
            serving.run(Telemetry(app, app.state.templates), gateway),
        )
        await serving.stop()
    await client.close()


class _Server:
    """The HTTP server, and its sockets, which are told where to go before it stops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: Server | None = None
        self._gateway: Gateway | None = None
        self._serving: asyncio.Task[None] | None = None

    async def run(self, app: ASGIApp, gateway: Gateway) -> None:
        self._gateway = gateway
        self._server = server(
            app,
            ws="websockets-sansio",
            ws_max_size=4 * SYNC_MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=65_536,
        )
        self._serving = asyncio.create_task(self._server.serve([_socket(self._settings)]))
        await asyncio.shield(self._serving)

    async def stop(self) -> None:
        if self._gateway is not None and self._server is not None and self._serving is not None:
            await self._gateway.drain()
            self._server.should_exit = True
            await self._serving


def _socket(settings: Settings) -> socket.socket:
    fd = os.environ.get(LISTEN)
    if fd is not None:
        return socket.socket(fileno=os.dup(int(fd)))
    return bind(settings.host, settings.port)


async def _moved(heads: Heads, topic: str, served: Serving | None, seconds: float) -> None:
    """Until the topic is served otherwise than it was, as far as is known, but not longer than so."""
    known = heads.known(topic)
    if served is None or known is None or known.generation != served.generation or known.position <= served.position:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heads.wait(topic), seconds)
