"""The serving process: the runtime with its appender, HTTP, the sync gateway, and commands from workers."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.routing import WebSocketRoute

from adapters.http.app import create_app
from adapters.http.context import Hub
from adapters.http.operations import Operations
from adapters.nats.commands import CommandServer
from adapters.nats.connect import Client
from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics
from adapters.postgres.wakeup import Listener
from adapters.sync.gateway import Gateway
from adapters.sync.heads import Heads
from domain.limits import SLOW_CONSUMER_SECONDS_MAX, SYNC_MESSAGE_BYTES_MAX
from domain.runtime import Runtime
from projections.topics import TOPICS
from workers import parts
from workers.process import LIFELINE, run, run_until
from workers.settings import Settings, required

LISTEN = "STELE_LISTEN_FD"
"""A listening socket that the parent has bound; it stays open while this process is restarted."""
_READ_CONNECTIONS_MAX = 8
_CHANNEL = "stele_topic_"


def main(settings: Settings) -> None:
    run("serve", lambda stop: _main(settings, stop), level=settings.log_level)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "serve")
    async with Appender(conninfo) as appender, pool(conninfo, "serve", _READ_CONNECTIONS_MAX) as reading:
        log = PostgresLog(reading, appender)
        topics = PostgresTopics(reading)
        runtime = Runtime(log, parts.SystemClock(), parts.TimeOrderedIds())
        await CommandServer(client, runtime).start()
        heads = Heads(topics)
        gateway = Gateway(log, topics, heads)
        hub = Hub(runtime, log, topics, tokens={}, in_flight=set())
        app = create_app(hub, Operations(lambda: _problems(topics, client), lambda task, topic: _build(task, topic)))
        app.router.routes.append(WebSocketRoute("/v1/sync", gateway.endpoint))
        channels = tuple(f"{_CHANNEL}{topic}" for topic in TOPICS)
        listener = Listener(conninfo, channels, lambda channel: heads.ring(channel.removeprefix(_CHANNEL)))
        server = _Server(settings)
        await run_until(stop, listener.run(), heads.run(), server.run(app, gateway))
        await server.stop()
    await client.close()


class _Server:
    """uvicorn, with our own signals, and with the sockets told where to go before it stops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._server: _Uvicorn | None = None
        self._gateway: Gateway | None = None
        self._serving: asyncio.Task[None] | None = None

    async def run(self, app: object, gateway: Gateway) -> None:
        config = uvicorn.Config(
            app,  # type: ignore[arg-type]  # any ASGI application
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=4 * SYNC_MESSAGE_BYTES_MAX,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=5,
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=65_536,
        )
        self._gateway, self._server = gateway, _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([_socket(self._settings)]))
        await asyncio.shield(self._serving)

    async def stop(self) -> None:
        if self._gateway is not None and self._server is not None and self._serving is not None:
            await self._gateway.drain()
            self._server.should_exit = True
            await self._serving


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _socket(settings: Settings) -> socket.socket:
    fd = os.environ.get(LISTEN)
    if fd is not None:
        return socket.socket(fileno=os.dup(int(fd)))
    return bind(settings.host, settings.port)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the address is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":  # a client that reads nothing more does not let itself be closed: the kernel drops it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(2_000 * SLOW_CONSUMER_SECONDS_MAX))
    try:
        listening.bind((host, port))
        listening.listen(2_048)
    except OSError:
        listening.close()
        raise
    listening.set_inheritable(True)
    return listening


async def _problems(topics: PostgresTopics, client: Client) -> list[str]:
    problems = [] if client.is_connected else ["NATS cannot be reached"]
    try:
        listed = await topics.list()
    except Exception as error:  # whatever it is, this process cannot serve
        return [*problems, f"Postgres cannot be read: {type(error).__name__}"]
    live = {one.topic for one in listed if one.live}
    problems += [f"topic {topic} has no projection yet" for topic in TOPICS if topic not in live]
    problems += [
        f"topic {one.topic} stopped at position {one.error_position}"
        for one in listed
        if one.live and one.error is not None
    ]
    return problems


async def _build(task: str, topic: str) -> AsyncIterator[bytes]:
    """A rebuild or a verification folds a whole log: it gets a process of its own, and its lines are passed on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "workers", "build", task, topic),
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != LIFELINE},  # its output's end ends it
    )
    if process.stdout is None:
        raise RuntimeError("the build has no output")
    try:
        async for line in process.stdout:
            yield line
        if await process.wait() != 0:
            yield (
                json.dumps({"topic": topic, "outcome": "failed", "detail": "the hub's log has the details"}).encode()
                + b"\n"
            )
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
