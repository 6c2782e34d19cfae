"""Spans, over the OpenTelemetry API alone: without an SDK in the process (workers/tracing.py) nothing is recorded, and
a `traceparent` that comes in goes on unchanged.

A span tells what was done, how it ended and how long it took: never content, never a secret, no exception's words.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from domain.limits import SPAN_LINKS_MAX
from domain.refusals import Refusal
from domain.trace import Traceparent, parse

Attributes = dict[str, AttributeValue]
_tracer = trace.get_tracer("stele")
_ROOT = Context()


def start(
    name: str, traceparent: str | None, attributes: Attributes | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Span:
    """A span below `traceparent`, or the first one of a trace. Whoever starts it ends it."""
    return _tracer.start_span(name, _below(traceparent), kind, attributes, record_exception=False)


@contextmanager
def current(span: Span) -> Iterator[Span]:
    """Make the span the one that `here` tells of, and end it afterwards; an error is told by its class or code."""
    try:
        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            yield span
    except Exception as error:
        fail(span, error.code if isinstance(error, Refusal) else type(error).__name__)
        raise
    finally:
        span.end()


def here() -> str | None:
    """The traceparent of the current span."""
    return traceparent(trace.get_current_span())


def traceparent(span: Span) -> str | None:
    """None for a span of no trace: nothing came in, and nothing is recorded."""
    context = span.get_span_context()
    return str(Traceparent(context.trace_id, context.span_id, context.trace_flags)) if context.is_valid else None


def fail(span: Span, code: str) -> None:
    """`code` is a stable one or a class name, never a message."""
    span.set_status(Status(StatusCode.ERROR, code))


def recorded() -> bool:
    """Whether this process has an SDK."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def ended(
    name: str, began_ns: int, attributes: Attributes, traceparents: Iterable[str | None], failure: str | None = None
) -> None:
    """A span of a trace of its own for work that has just ended, linked to the spans that it was done for: each once,
    at most `SPAN_LINKS_MAX`. `began_ns`: since 1970.
    """
    if not recorded():
        return
    distinct = islice(dict.fromkeys(filter(None, traceparents)), SPAN_LINKS_MAX)
    links = [Link(context) for text in distinct if (context := _context(text)) is not None]
    span = _tracer.start_span(name, _ROOT, attributes=attributes, links=links, start_time=began_ns)
    if failure is not None:
        fail(span, failure)
    span.end()


def _below(text: str | None) -> Context:
    found = _context(text)
    return _ROOT if found is None else trace.set_span_in_context(NonRecordingSpan(found), _ROOT)


def _context(text: str | None) -> SpanContext | None:
    found = parse(text)
    if found is None:
        return None
    return SpanContext(found.trace_id, found.span_id, is_remote=True, trace_flags=TraceFlags(found.flags))
