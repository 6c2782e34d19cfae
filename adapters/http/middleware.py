"""The bounds that are kept before anything is parsed: whose body is read, how large, how long it may take, and how many
requests are worked on at a time.
"""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.http.context import Hub, find_principal
from adapters.http.problems import problem
from domain.limits import BODIES_BYTES_MAX, BODY_BYTES_MAX, BODY_SECONDS_MAX, REQUESTS_MAX
from domain.refusals import Refusal

_ALWAYS = {"/livez", "/readyz"}
"""Asked by whoever keeps the process alive; they cost nothing."""


class Admission:
    """Answers 503 `overloaded` to a request while `REQUESTS_MAX` are being worked on."""

    def __init__(self, app: ASGIApp, requests_max: int = REQUESTS_MAX) -> None:
        self._app = app
        self._free = requests_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = scope["type"] == "http" and scope["path"] not in _ALWAYS
        if counted and self._free <= 0:
            response = problem("overloaded", "the hub has as many requests as it takes at once", retry_after_seconds=1)
            await response(scope, receive, send)
            return
        self._free -= counted
        try:
            await self._app(scope, receive, send)
        finally:
            self._free += counted


class BodyLimit:
    """Reads the body of a caller whose token is good, and of no other: at most `BODY_BYTES_MAX`, within
    `BODY_SECONDS_MAX`, and not beyond what this process holds of bodies at a time. A request without one passes.
    """

    def __init__(self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._free = BODIES_BYTES_MAX

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        length, chunked = headers.get(b"content-length", b"0"), b"transfer-encoding" in headers
        if not chunked and length == b"0":
            await self._app(scope, receive, send)
            return
        if not length.isdigit() or int(length) > self._bytes_max:
            await self._refuse(scope, receive, send, "body_too_large", self._too_large)
            return
        try:
            await _authenticate(scope, headers)
        except Refusal as refusal:
            await self._refuse(scope, receive, send, refusal.code, refusal.detail)
            return
        reserved = self._bytes_max if chunked else int(length)
        if reserved > self._free:
            await self._refuse(scope, receive, send, "overloaded", "the hub holds as much as it can at once")
            return
        self._free -= reserved
        try:
            await self._with_body(scope, receive, send)
        finally:
            self._free += reserved

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                body = await self._read(receive)
        except ClientDisconnect:
            return  # half a request is not a request, and nobody is there to be answered
        except TimeoutError:
            await self._refuse(scope, receive, send, "body_timeout", f"no whole body within {BODY_SECONDS_MAX:.0f} s")
            return
        if body is None:
            await self._refuse(scope, receive, send, "body_too_large", self._too_large)
            return
        await self._app(scope, _replay(body, receive), send)

    @property
    def _too_large(self) -> str:
        return f"the body has more than {self._bytes_max} bytes; send less at once"

    async def _read(self, receive: Receive) -> bytes | None:
        """The body, or None when it is too large. Raises ClientDisconnect for one that breaks off."""
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

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, code: str, detail: str) -> None:
        response = problem(code, detail, retry_after_seconds=1 if code == "overloaded" else None)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


async def _authenticate(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Raises Refusal `unauthenticated`."""
    hub: Hub = scope["app"].state.hub
    await find_principal(hub, headers.get(b"authorization", b"").decode("latin-1"))


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
