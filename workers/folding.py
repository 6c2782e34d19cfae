"""What is seen of a projector: the pages that it folds, with a span each, linked to the spans of their events."""

import time
from collections.abc import Awaitable, Collection
from itertools import islice

from prometheus_client import Counter, Histogram

from adapters import tracing
from domain.limits import SPAN_LINKS_MAX
from projections.engine import ProjectionStopped
from projections.ports import EventSource, Generation, Scanned

_SECONDS = Histogram(
    "stele_projection_page_seconds",
    "One page of events: read, folded and committed.",
    ("topic",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_EVENTS = Counter("stele_projection_events_total", "Events that this projector has folded or passed over.", ("topic",))
_FAILURES = Counter("stele_projection_failures_total", "Times that an event could not be folded.", ("topic",))
_LOOKED_AT_MAX = 10 * SPAN_LINKS_MAX
"""Events of a page that are looked at for their traces; commands make several events each."""


class Folding:
    """One topic's. Implements projections.ports.EventSource: the span of a page knows the events that were read for it,
    which may be ahead of the page that is being written.
    """

    def __init__(self, topic: str, log: EventSource) -> None:
        self._topic = topic
        self._log = log
        self._read: list[tuple[int, list[str]]] = []
        """Pages that are not written yet: the last position, and the traceparents of some of their events."""

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        scanned = await self._log.read_but(types, after, limit)
        if scanned.events and tracing.recorded():
            some = islice((event.traceparent for event in scanned.events if event.traceparent), _LOOKED_AT_MAX)
            self._read.append((scanned.position, list(dict.fromkeys(some))[:SPAN_LINKS_MAX]))
        return scanned

    async def page(self, before: Generation, advancing: Awaitable[Generation]) -> Generation:
        """Await one page; one that found nothing new is not told."""
        began, began_ns = time.perf_counter(), time.time_ns()
        failure, folded, reached = None, 0, before.position
        try:
            after = await advancing
            reached = after.position
            folded = reached - before.position
        except ProjectionStopped as stopped:
            failure, reached = type(stopped.__cause__ or stopped).__name__, stopped.position
            folded = max(0, reached - 1 - before.position)
            _FAILURES.labels(self._topic).inc()
            raise
        except Exception as error:
            failure = type(error).__name__
            raise
        finally:
            if folded or failure:
                _EVENTS.labels(self._topic).inc(folded)
                _SECONDS.labels(self._topic).observe(time.perf_counter() - began)
                attributes: tracing.Attributes = {"stele.topic": self._topic, "stele.events": folded}
                tracing.ended("projection page", began_ns, attributes, self._parents(reached, failure), failure)
        return after

    def _parents(self, reached: int, failure: str | None) -> list[str]:
        """Of the pages up to there; after a failure they are read again."""
        parents = [one for end, some in self._read if end <= reached or failure for one in some]
        self._read = [] if failure else [page for page in self._read if page[0] > reached]
        return parents
