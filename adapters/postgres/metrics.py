"""What Prometheus is told of the appender, and the appender's spans: once a batch, never once a command.

Only a process that appends tells of it: the metrics are registered by `watch_queue`.
"""

import time
from collections.abc import Callable, Sequence

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.registry import Collector

from adapters import tracing
from domain.limits import APPEND_BATCH_EVENTS_MAX, APPEND_QUEUE_COMMANDS_MAX
from domain.ports import Transaction

_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, APPEND_BATCH_EVENTS_MAX)
_SECONDS = Histogram(
    "stele_append_seconds",
    "One batch to Postgres and back, its commit on disk.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0),
    registry=None,
)
_COMMANDS = Histogram("stele_append_batch_commands", "Commands in one batch.", buckets=_COUNTS, registry=None)
_EVENTS = Histogram(
    "stele_append_batch_events", "Events that one batch appended.", buckets=(0, *_COUNTS), registry=None
)
_CONFLICTS = Counter(
    "stele_append_conflicts_total", "Commands whose streams had moved on; they are decided again.", registry=None
)
_FAILURES = Counter(
    "stele_append_failures_total", "Batches that did not come back, or were refused by Postgres.", registry=None
)
_QUEUE = Gauge("stele_append_queue_commands", "Commands that wait for the appender.", registry=None)
_QUEUE_MAX = Gauge(
    "stele_append_queue_commands_max", "The bound of that queue; beyond it commands are refused.", registry=None
)
_QUEUE_MAX.set(APPEND_QUEUE_COMMANDS_MAX)
_ALL: list[Collector] = [_SECONDS, _COMMANDS, _EVENTS, _CONFLICTS, _FAILURES, _QUEUE, _QUEUE_MAX]


def watch_queue(length: Callable[[], int]) -> None:
    """Ask `length` whenever Prometheus asks: counting costs the appender nothing."""
    _QUEUE.set_function(length)
    while _ALL:
        REGISTRY.register(_ALL.pop())


def observe_batch(began: float, transactions: Sequence[Transaction], *, events: int, conflicts: int) -> None:
    """A batch came back with its verdicts. `began`: time.perf_counter() before it was sent."""
    seconds = time.perf_counter() - began
    _SECONDS.observe(seconds)
    _COMMANDS.observe(len(transactions))
    _EVENTS.observe(events)
    if conflicts:
        _CONFLICTS.inc(conflicts)
    tracing.ended(
        "append",
        time.time_ns() - int(seconds * 1e9),
        {"stele.commands": len(transactions), "stele.events": events, "stele.conflicts": conflicts},
        (transaction.events[0].traceparent for transaction in transactions if transaction.events),
    )


def observe_failure() -> None:
    """A batch did not come back, or Postgres refused it as a whole."""
    _FAILURES.inc()
