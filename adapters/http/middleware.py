"""The bounds that are kept before anything is parsed: how many requests at once, and how large a body."""

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.problems import problem
from domain.limits import BODY_BYTES_MAX, REQUESTS_MAX


class Admission:
    """Answers 503 `overloaded` to a request while `REQUESTS_MAX` are being worked on."""

    def __init__(self, app: ASGIApp, requests_max: int = REQUESTS_MAX) -> None:
        self._app = app
        self._free = requests_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._free == 0:
            response = problem("overloaded", "the hub has as many requests as it takes at once", retry_after_seconds=1)
            await response(scope, receive, send)
            return
        counted = scope["type"] == "http"
        self._free -= counted
        try:
            await self._app(scope, receive, send)
        finally:
            self._free += counted


class BodyLimit:
    """Answers 413 for a body over `BODY_BYTES_MAX`, by its Content-Length or as it arrives, and reads no further."""

    def __init__(self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._bytes_max:
            await self._refuse(scope, receive, send)
            return
        if b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(receive)
        except ClientDisconnect:
            return  # half a request is not a request, and nobody is there to be answered
        if body is None:
            await self._refuse(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """A chunked body, or None when it is too large. Raises ClientDisconnect for one that breaks off."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._bytes_max:
                return None
            if not message.get("more_body", False):
                return bytes(body)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem("body_too_large", f"the body has more than {self._bytes_max} bytes; send less at once")
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
