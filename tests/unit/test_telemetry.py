"""What is seen of a request: its route as a template, its code, and at most one line in the log, whoever refused it."""

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import structlog
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import LogCapture

from adapters.http import telemetry
from adapters.http.app import create_app
from adapters.http.operations import Operations
from adapters.http.telemetry import TRACEPARENT, Telemetry
from domain.limits import BODY_BYTES_MAX, REFUSALS_LOGGED_PER_SECOND_MAX

SENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    capture = LogCapture()
    monkeypatch.setattr(telemetry, "_log", structlog.wrap_logger(None, processors=[capture]))
    return capture.entries


def _application(now: Callable[[], float] = lambda: 7.0) -> Telemetry:
    async def ready() -> list[str]:
        raise psycopg.OperationalError("marzipan")

    async def metrics(accept: str) -> tuple[bytes, str]:
        return b"", accept

    app = create_app(None, Operations(ready, None, metrics))  # type: ignore[arg-type]
    return Telemetry(app, app.state.templates, now)


def _ask(app: ASGIApp, method: str, path: str, *headers: tuple[str, str]) -> tuple[int, Scope]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": raw,
        "query_string": b"",
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return sent[0]["status"], scope


def _count(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("stele_http_request_seconds_count", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/livez", "/livez", 200),
        ("GET", "/v1/topics/marzipan/entries", "/v1/topics/{topic}/entries", 401),
        ("DELETE", "/v1/spaces/marzipan/transcript", "/v1/spaces/{space}/transcript", 405),
        ("GET", "/marzipan", "none", 404),
        ("MARZIPAN", "/livez", "/livez", 405),
    ],
)
def test_a_request_is_counted_under_its_route(
    lines: list[Any], method: str, path: str, route: str, status: int
) -> None:
    label = method if method != "MARZIPAN" else "none"
    before = _count(label, route, status)
    assert _ask(_application(), method, path)[0] == status
    assert _count(label, route, status) == before + 1
    assert len(lines) == (status >= 400)
    assert "marzipan" not in str(lines).lower()


def test_what_is_refused_before_it_is_routed_is_counted_under_its_route_as_well(lines: list[Any]) -> None:
    before = _count("POST", "/v1/spaces", 413)
    _ask(_application(), "POST", "/v1/spaces", ("content-length", str(BODY_BYTES_MAX + 1)))
    assert _count("POST", "/v1/spaces", 413) == before + 1
    assert (lines[0]["event"], lines[0]["code"], lines[0]["status"]) == ("request_refused", "body_too_large", 413)


def test_an_error_is_one_line_with_its_error(lines: list[Any]) -> None:
    status, _ = _ask(_application(), "GET", "/readyz")
    assert status == 503
    (line,) = lines
    assert (line["event"], line["code"], line["log_level"]) == ("request_failed", "unavailable", "error")
    assert isinstance(line["exc_info"], psycopg.OperationalError)


def test_I12_refusals_beyond_the_bound_are_counted_and_told_with_the_next_line(lines: list[Any]) -> None:
    seconds = [7.0]
    app = _application(lambda: seconds[0])
    for _ in range(REFUSALS_LOGGED_PER_SECOND_MAX + 5):
        _ask(app, "GET", "/nowhere")
    assert len(lines) == REFUSALS_LOGGED_PER_SECOND_MAX
    seconds[0] = 8.0
    _ask(app, "GET", "/nowhere")
    assert lines[-1]["unsaid_before"] == 5


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("traceparent", SENT)], SENT),
        ([("traceparent", SENT.upper())], None),
        ([("traceparent", SENT), ("traceparent", SENT)], None),
    ],
)
def test_without_an_sdk_a_valid_traceparent_goes_on_unchanged(
    lines: list[Any], headers: list[tuple[str, str]], expected: str | None
) -> None:
    _, scope = _ask(_application(), "GET", "/v1/log", *headers)
    assert scope[TRACEPARENT] == expected
    assert lines[0].get("trace_id") == (expected[3:35] if expected else None)


def test_a_client_that_goes_away_unanswered_is_counted_as_such() -> None:
    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        return None

    with pytest.raises(IndexError):
        _ask(Telemetry(gone, ["/x"]), "GET", "/x")
    assert _count("GET", "/x", 499) == 1
