"""A hub that is watched: it shows its metrics and sends its spans, and whoever reads them finds no secret there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.otlp import FAST, Receiver
from tests.hub import RunningHub

METRICS_TOKEN = "metrics-0123456789abcdef"
METRICS_HEADERS = {"Authorization": f"Bearer {METRICS_TOKEN}"}
COLLECTOR_SECRET = "collector-password-5150"


@contextmanager
def watched_hub(data: Path, collector: Receiver, **environment: str) -> Iterator[RunningHub]:
    """Its tool spills in its errors what it was given."""
    running = RunningHub(
        data,
        STELE_METRICS_LISTEN="127.0.0.1:0",
        STELE_METRICS_TOKEN=METRICS_TOKEN,
        STELE_TOOLS="tests.acceptance.spilling_tool:Spills",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer%20{COLLECTOR_SECRET}",
        **FAST,
        **environment,
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()
