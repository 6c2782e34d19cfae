"""What every process has in common: logs, signals, and an end when its parent ends."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

import prometheus_client
import structlog

import domain.contexts  # noqa: F401  every process knows every event
from domain import upcasts
from domain.events import schema_versions
from workers import logs
from workers.settings import NotConfigured, Settings
from workers.tracing import Tracing

LIFELINE = "STELE_LIFELINE_FD"
"""A pipe's reading end. Nothing is ever written; it closes when the parent is gone, however it went."""
_CANCEL_AGAIN_SECONDS = 1.0
Main = Callable[[asyncio.Event], Awaitable[None]]


def run(name: str, main: Main, *, level: str = "INFO", exposed: Settings | None = None) -> None:
    """Run `main(stop)` until it returns; SIGINT and SIGTERM set `stop`. Exits with 1 when it fails. With `exposed`, the
    process shows its metrics as these settings say.

    Raises NotConfigured when a setting is missing.
    """
    logs.configure(level)
    structlog.contextvars.bind_contextvars(process=name, pid=os.getpid())
    _hold_lifeline()
    try:
        import uvloop

        upcasts.check(schema_versions())
        with Tracing(name):
            uvloop.run(_until_stopped(main, exposed))
    except NotConfigured:
        raise
    except Exception:
        structlog.get_logger().exception("process_failed")
        sys.exit(1)


async def _until_stopped(main: Main, settings: Settings | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with _exposed(settings):
        await main(stop)


def _exposed(settings: Settings | None) -> contextlib.AbstractAsyncContextManager[None]:
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    if settings is None or settings.metrics_listen is None:
        return contextlib.nullcontext()
    from workers.exposition import exposed  # only who listens pays for a server

    return exposed(settings.metrics_listen, settings.metrics_token)


async def run_until(stop: asyncio.Event, *forever: Awaitable[None]) -> None:
    """Run endless tasks until `stop` is set. The first one that fails ends them all and its error is raised."""
    tasks = [asyncio.ensure_future(one) for one in forever]
    waiter = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiter}:
            task.result()
    finally:
        left = {waiter, *tasks}
        while left:  # a cancellation can get lost on its way (asyncio.wait_for before Python 3.12): say it again
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_SECONDS)
        await asyncio.gather(waiter, *tasks, return_exceptions=True)


def _hold_lifeline() -> None:
    fd = os.environ.get(LIFELINE)
    if fd is not None:
        threading.Thread(target=_end_with_parent, args=[int(fd)], daemon=True, name="lifeline").start()


def _end_with_parent(fd: int) -> None:
    """A hub without its supervisor takes nothing more: what was acknowledged is on disk, the rest is sent again."""
    with contextlib.suppress(OSError):
        os.read(fd, 1)
    os._exit(1)
