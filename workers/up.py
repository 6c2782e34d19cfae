"""`stele up`: everything on this machine by one command: Postgres, NATS, and every process of compose.yaml."""

import asyncio
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import structlog

from adapters.embedded.nats import EmbeddedNats
from adapters.embedded.postgres import EmbeddedPostgres
from domain.faults import Fault
from workers import exposition
from workers.bootstrap import bootstrap, write_private
from workers.executor import load_tools
from workers.listener import bind
from workers.process import run
from workers.serve import LISTEN
from workers.settings import NotConfigured, Settings
from workers.supervisor import Child

PROCESSES = ("serve", "projector", "relay", "planner", "executor")
_READY_SECONDS_MAX = 60.0
_WATCH_SECONDS = 1.0
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    """Raises NotConfigured when the data folder is in use, the port is taken or a tool cannot be loaded."""
    load_tools(settings.tools)  # the executor will; but its fault would only be seen when an approved action waits
    data = settings.data.resolve()
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotConfigured(f"cannot make the data folder {data}: {error.strerror}") from None
    with _held(data):
        run(
            "up",
            Up(settings, data, _bind(settings), _metrics(settings)).main,
            level="WARNING" if settings.log_level == "INFO" else settings.log_level,
        )


@contextmanager
def _held(data: Path) -> Iterator[None]:
    """One hub a folder. The lock goes with the process, however it ends."""
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotConfigured(f"a hub runs in {data} already; use another --data for a second one") from None
        yield


def _bind(settings: Settings) -> socket.socket:
    try:
        return bind(settings.host, settings.port)
    except OSError as error:
        raise NotConfigured(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another port with --port (0: any free one)"
        ) from error


def _metrics(settings: Settings) -> dict[str, socket.socket]:
    """A listening socket for each process's metrics, if they are wanted. Raises NotConfigured."""
    address = settings.metrics_listen
    return {} if address is None else {name: exposition.listen(address, n) for n, name in enumerate(PROCESSES)}


class Up:
    def __init__(
        self, settings: Settings, data: Path, listening: socket.socket, metrics: dict[str, socket.socket]
    ) -> None:
        self._settings = settings
        self._data = data
        self._listening = listening
        self._metrics = metrics
        self._url = _url(listening)
        self._postgres = EmbeddedPostgres(data / "postgres") if settings.postgres_url is None else None
        self._nats = EmbeddedNats(data / "nats") if settings.nats_url is None else None
        self._children: list[Child] = []

    async def main(self, stop: asyncio.Event) -> None:
        began = time.monotonic()
        try:
            postgres_url, nats_url = await self._start_servers()
            own = self._postgres is not None  # whoever has the folder's lock is alone on the database in it
            await bootstrap(postgres_url, self._data / "owner.token", self._settings, alone_here=own)
            self._start_children(postgres_url, nats_url)
            if not await self._wait_until_ready(stop):
                return
            self._announce(postgres_url, nats_url, time.monotonic() - began)
            await self._watch(stop)
        finally:
            (self._data / "ready").unlink(missing_ok=True)
            await self._stop_all()

    async def _start_servers(self) -> tuple[str, str]:
        # NATS from this thread: on Linux a child is told of the death of the thread that started it.
        nats_url = self._nats.start() if self._nats is not None else self._settings.nats_url
        postgres_url = (
            await asyncio.to_thread(self._postgres.start) if self._postgres is not None else self._settings.postgres_url
        )
        return postgres_url or "", nats_url or ""

    def _start_children(self, postgres_url: str, nats_url: str) -> None:
        reading, self._lifeline = os.pipe()
        logs = self._data / "logs"
        logs.mkdir(exist_ok=True)
        environment = {
            "STELE_POSTGRES_URL": postgres_url,
            "STELE_NATS_URL": nats_url,
            "STELE_DATA": str(self._data),
            "STELE_TOOLS": self._settings.tools,
            "STELE_LOG_LEVEL": self._settings.log_level,
        }
        for command in PROCESSES:
            sockets = {LISTEN: self._listening} if command == "serve" else {}
            if command in self._metrics:
                sockets[exposition.LISTEN] = self._metrics[command]
            handed = {name: one.fileno() for name, one in sockets.items()}
            child = Child(
                command,
                {**environment, **{name: str(fd) for name, fd in handed.items()}},
                logs / f"{command}.log",
                reading,
                tuple(handed.values()),
            )
            self._children.append(child)
            child.start()

    async def _wait_until_ready(self, stop: asyncio.Event) -> bool:
        deadline = time.monotonic() + _READY_SECONDS_MAX
        problems: Any = ["it does not answer yet"]
        async with httpx.AsyncClient(timeout=5.0) as client:
            while not stop.is_set():
                try:
                    response = await client.get(f"{self._url}/readyz")
                    if response.status_code == httpx.codes.OK:
                        return True
                    problem = response.json()
                    problems = problem.get("problems", problem.get("detail"))
                except httpx.HTTPError:
                    pass
                if time.monotonic() > deadline:
                    raise Fault(f"the hub is not ready: {problems}; see {self._data / 'logs'}")
                await asyncio.sleep(0.02)
        return False

    def _announce(self, postgres_url: str, nats_url: str, seconds: float) -> None:
        token_file = self._data / "owner.token"
        ready = {
            "url": self._url,
            "token_file": str(token_file),
            "pid": os.getpid(),
            "postgres_url": postgres_url,
            "nats_url": nats_url,
            "processes": {child.command: child.pid for child in self._children},
            "metrics": {name: f"{_url(one)}/metrics" for name, one in self._metrics.items()},
        }
        write_private(self._data / "ready", json.dumps(ready, indent=1) + "\n")
        print(f"ready {self._url} (owner's token: {token_file}; {seconds:.1f} s)", flush=True)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Servers that fall are started again where they were; the children have their own keepers."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)
            except TimeoutError:
                if self._nats is not None and self._nats.pid is None:
                    _log.error("server_fell", server="nats")
                    self._nats.start()
                if self._postgres is not None and self._postgres.pid is None:
                    _log.error("server_fell", server="postgres")
                    await asyncio.to_thread(self._postgres.start)

    async def _stop_all(self) -> None:
        await asyncio.gather(*(child.stop() for child in self._children))
        for one in (self._listening, *self._metrics.values()):
            one.close()
        if self._nats is not None:
            self._nats.stop()
        if self._postgres is not None:
            await asyncio.to_thread(self._postgres.stop)
        if sys.stdout.isatty():
            print("stopped", flush=True)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
