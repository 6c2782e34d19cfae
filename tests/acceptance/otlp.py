"""A receiver of OTLP over HTTP, as small as it can be: it keeps the spans that processes send it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
"""Milliseconds between two batches; 5,000 unless told."""


class Sent(NamedTuple):
    """A span; ids are lower-case hex, `parent` is empty for the first one of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    """(trace, span)."""
    attributes: dict[str, Any]
    error: str | None
    """None: none. Otherwise the status' description."""
    events: int
    """An exception that was recorded would be one; its words with it."""

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.id}-01"


class Receiver:
    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[str] = []
        """Every request, as text: all that left the processes."""
        self.spans: list[Sent] = []

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(str(request))
        for resource in request.resource_spans:
            service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
            self.spans += [_sent(service, span) for scope in resource.scope_spans for span in scope.spans]

    def find(self, name: str, **attributes: object) -> list[Sent]:
        return [one for one in self.spans if one.name == name and attributes.items() <= one.attributes.items()]

    def below(self, parent: Sent | str, name: str) -> list[Sent]:
        id = parent if isinstance(parent, str) else parent.id
        return [one for one in self.spans if one.parent == id and one.name == name]


def _sent(service: str, span: Any) -> Sent:
    return Sent(
        service,
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        {one.key: one.value.string_value or one.value.int_value for one in span.attributes},
        span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
        len(span.events),
    )


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listens on any free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
