"""What is seen of every request: its span, its time, and one line in the log when it was refused or failed.

The route's template stands for the path everywhere: a path holds names that people gave.
"""

import re
import time
from collections.abc import Callable, Iterable

import structlog
from opentelemetry.trace import Span, SpanKind
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters import tracing
from adapters.http.metrics import PROBLEMS, REQUEST_SECONDS, REQUESTS_OPEN
from domain.limits import REFUSALS_LOGGED_PER_SECOND_MAX

CODE = "stele.code"
"""The key in the ASGI scope under which a problem leaves its code."""
ERROR = "stele.error"
"""Likewise the error that nobody expected."""
TRACEPARENT = "stele.traceparent"
"""Likewise the span of the request, for its commands; None for a request of no trace."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNKNOWN = "none"
_SERVER_ERROR = 500
_CLIENT_GONE = 499
"""No answer was begun: the client went away first."""
_log = structlog.get_logger()


class Telemetry:
    """Goes around the whole application. `templates`: its routes' paths, as in `/v1/spaces/{space}/transcript`."""

    def __init__(self, app: ASGIApp, templates: Iterable[str], now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._routes = [(compile_path(template)[0], template) for template in dict.fromkeys(templates)]
        self._lines = _Lines(now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(scope, self._route(scope["path"]))
        with REQUESTS_OPEN.track_inprogress():
            try:
                await self._app(scope, receive, seen.watch(send))
            except Exception as error:
                scope[ERROR] = error
                if not seen.status:  # the server answers, and closes the connection
                    seen.status = _SERVER_ERROR
                    raise
            finally:
                seen.end(self._lines)

    def _route(self, path: str) -> str:
        return next((template for pattern, template in self._routes if pattern.match(path)), _UNKNOWN)


class _Seen:
    """One request."""

    def __init__(self, scope: Scope, route: str) -> None:
        self._scope = scope
        self._route = route
        self._method = scope["method"] if scope["method"] in _METHODS else _UNKNOWN
        self._began = time.perf_counter()
        self._span = _span(scope, self._method, route)
        self.status = 0
        scope[TRACEPARENT] = tracing.traceparent(self._span)

    def watch(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await send(message)

        return watched

    def end(self, lines: "_Lines") -> None:
        seconds = time.perf_counter() - self._began
        status = self.status or _CLIENT_GONE
        REQUEST_SECONDS.labels(self._method, self._route, str(status)).observe(seconds)
        code = self._scope.get(CODE)
        if code is not None:
            PROBLEMS.labels(code).inc()
            self._span.set_attribute("stele.code", code)
            lines.say(self._scope, self._method, self._route, status, seconds)
        self._span.set_attribute("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            tracing.fail(self._span, code or str(status))
        self._span.end()


def _span(scope: Scope, method: str, route: str) -> Span:
    sent = [value for name, value in scope["headers"] if name == b"traceparent"]
    attributes: tracing.Attributes = {"http.request.method": method, "http.route": route}
    parent = sent[0].decode("latin-1") if len(sent) == 1 else None  # W3C: exactly one, or none at all
    return tracing.start(f"{method} {route}", parent, attributes, SpanKind.SERVER)


class _Lines:
    """One line for a request that was refused or failed; refusals beyond so many a second are counted only."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._second = 0
        self._said = 0
        self._unsaid = 0

    def say(self, scope: Scope, method: str, route: str, status: int, seconds: float) -> None:
        trace = re.match(r"00-([0-9a-f]{32})", scope[TRACEPARENT] or "")
        fields = {
            "code": scope[CODE],
            "status": status,
            "method": method,
            "route": route,
            "seconds": round(seconds, 4),
            **({"trace_id": trace[1]} if trace else {}),
        }
        if status >= _SERVER_ERROR and (error := scope.get(ERROR)) is not None:
            _log.error("request_failed", **fields, exc_info=error)
        elif self._may():
            unsaid, self._unsaid = self._unsaid, 0
            _log.info("request_refused", **fields, **({"unsaid_before": unsaid} if unsaid else {}))
        else:
            self._unsaid += 1

    def _may(self) -> bool:
        second = int(self._now())
        if second != self._second:
            self._second, self._said = second, 0
        self._said += 1
        return self._said <= REFUSALS_LOGGED_PER_SECOND_MAX
