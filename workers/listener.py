"""HTTP servers on sockets: uvicorn, without its signals and without its logs of requests."""

import contextlib
import socket
import sys
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from domain.limits import SLOW_CONSUMER_SECONDS_MAX


class Server(uvicorn.Server):
    """Ends when `should_exit` is set: the process has its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server(app: ASGIApp, **options: object) -> Server:
    """`options`: further ones of uvicorn.Config."""
    return Server(
        uvicorn.Config(
            app,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            **options,  # type: ignore[arg-type]
        )
    )


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
