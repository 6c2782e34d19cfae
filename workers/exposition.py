"""A listener of its own for `/metrics` and `/livez`, in every process that is given an address for it."""

import asyncio
import contextlib
import hmac
import os
import socket
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from workers.listener import bind, server
from workers.scrape import render
from workers.settings import NotConfigured

LISTEN = "STELE_METRICS_LISTEN_FD"
"""A listening socket that the parent has bound; it stays open while this process is restarted."""
_CONNECTIONS_MAX = 16


@contextlib.asynccontextmanager
async def exposed(address: str, token: str | None) -> AsyncIterator[None]:
    """Show this process at `host:port`, or on the socket that the parent has bound. Raises NotConfigured."""
    fd = os.environ.pop(LISTEN, None)
    bound = socket.socket(fileno=int(fd)) if fd is not None else listen(address)
    one = server(_application(token), limit_concurrency=_CONNECTIONS_MAX, timeout_graceful_shutdown=1)
    serving = asyncio.create_task(one.serve([bound]), name="exposition")
    try:
        yield
    finally:
        one.should_exit = True
        await serving


def listen(address: str, offset: int = 0) -> socket.socket:
    """A socket that listens at `host:port`, the port counted up by `offset` unless it is 0. Raises NotConfigured."""
    host, _, number = address.rpartition(":")
    port = int(number) + offset if int(number) else 0
    try:
        return bind(host.strip("[]"), port)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise NotConfigured(f"STELE_METRICS_LISTEN: cannot listen on {host}:{port}: {why}") from error


def _application(token: str | None) -> Starlette:
    async def metrics(request: Request) -> Response:
        sent = request.headers.get("authorization", "")
        if token is not None and not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            headers = {"WWW-Authenticate": 'Bearer realm="stele metrics"'}
            return PlainTextResponse("send the token of STELE_METRICS_TOKEN\n", 401, headers)
        body, media_type = await render(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("live\n")

    return Starlette(routes=[Route("/metrics", metrics), Route("/livez", livez)])
