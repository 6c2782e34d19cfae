"""Who asks: the bearer token, checked at most a few seconds ago; and the Idempotency-Key."""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Header, Request
from msgspec import Struct

from adapters.http.problems import ProblemError
from adapters.http.telemetry import TRACEPARENT
from domain.agents import Principal, authenticate
from domain.limits import IDEMPOTENCY_KEY_CHARS_MAX
from domain.ports import Log, Vault
from domain.refusals import Refusal
from domain.runtime import Accepted, Command, Context, IfMatch, Runtime
from domain.trace import parse
from projections.past import Past, Streams
from projections.ports import Serving, Topics

_TOKEN_SECONDS = 5.0
"""How long a checked token is believed."""
_TOKENS_MAX = 10_000
_KEY = re.compile(r"[\x21-\x7e]+")


class Hub(Struct):
    """What the routes need, kept in `app.state.hub`."""

    runtime: Runtime
    log: Log
    vault: Vault
    topics: Topics
    past: Past
    streams: Streams
    moved: Callable[[str, Serving | None, float], Awaitable[None]]
    """(topic, what was served, seconds): until it is served otherwise, but not longer."""
    tokens: dict[str, tuple[float, Principal]]
    in_flight: set[tuple[str, str]]


async def hub(request: Request) -> Hub:  # a plain function would be called in a thread, at every request
    found: Hub = request.app.state.hub
    return found


async def principal(
    hub: Annotated[Hub, Depends(hub)], authorization: Annotated[str | None, Header(include_in_schema=False)] = None
) -> Principal:
    """Raises Refusal `unauthenticated`."""
    return await find_principal(hub, authorization or "")


async def find_principal(hub: Hub, authorization: str) -> Principal:
    """Whom the value of an Authorization header speaks for. Raises Refusal `unauthenticated`."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal("unauthenticated", "send the header `Authorization: Bearer <token>`")
    now = time.monotonic()
    known = hub.tokens.get(token)
    if known is not None and now - known[0] < _TOKEN_SECONDS:
        return known[1]
    found = await authenticate(hub.log, token.strip())
    if len(hub.tokens) >= _TOKENS_MAX:
        hub.tokens.clear()
    hub.tokens[token] = (now, found)
    return found


Caller = Annotated[Principal, Depends(principal)]
TheHub = Annotated[Hub, Depends(hub)]


class Sender:
    """One POST: who sends it, its key and its fingerprint (method, path, body, and If-Match if it is there)."""

    def __init__(self, hub: Hub, principal: Principal, key: str, fingerprint: bytes, traceparent: str | None) -> None:
        self._hub = hub
        self._principal = principal
        self._key = key
        self._fingerprint = fingerprint
        self._traceparent = traceparent
        self.agent_id = principal.agent_id

    async def execute(self, command: Command, if_match: IfMatch | None = None) -> Accepted:
        """Raises Refusal; `idempotency_key_in_flight` while the same key is being worked on in this process.
        In another process the log decides, and the second gets the first one's answer.
        """
        context = Context(
            agent_id=self._principal.agent_id,
            actor=f"token:{self._principal.token_id}",
            key=f"http:{self._principal.token_id}:{self._key}",
            fingerprint=self._fingerprint,
            traceparent=self._traceparent,
            if_match=if_match,
        )
        with self._in_flight(str(context.agent_id), context.key or ""):
            return await self._hub.runtime.execute(command, context)

    @contextmanager
    def _in_flight(self, agent: str, key: str) -> Iterator[None]:
        if (agent, key) in self._hub.in_flight:
            raise Refusal(
                "idempotency_key_in_flight",
                "a request with this Idempotency-Key is being carried out; ask again in a moment",
                retry_after_seconds=1.0,
            )
        self._hub.in_flight.add((agent, key))
        try:
            yield
        finally:
            self._hub.in_flight.discard((agent, key))


async def sender(
    request: Request,
    hub: TheHub,
    principal: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(description="Any text of your own. With the same key a request happens once, for 7 days."),
    ] = None,
    traceparent: Annotated[str | None, Header(description="W3C Trace Context")] = None,
) -> Sender:
    """Raises ProblemError for a missing or malformed Idempotency-Key."""
    if idempotency_key is None:
        raise ProblemError(
            "idempotency_key_missing",
            "every POST needs the header `Idempotency-Key`, any text of "
            "your own that you send again with the same request",
        )
    if len(idempotency_key) > IDEMPOTENCY_KEY_CHARS_MAX or _KEY.fullmatch(idempotency_key) is None:
        raise ProblemError(
            "idempotency_key_invalid",
            f"an Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters",
        )
    parts = [request.method.encode(), request.scope["path"].encode(), await request.body()]
    parts += [value for name, value in request.headers.raw if name == b"if-match"]
    fingerprint = hashlib.sha256(b"\0".join(parts)).digest()
    sent = parse(traceparent)  # None for a malformed one, which is as if nothing had been sent
    span = request.scope.get(TRACEPARENT, None if sent is None else str(sent))
    return Sender(hub, principal, idempotency_key, fingerprint, span)


Post = Annotated[Sender, Depends(sender)]
