"""Where spans go: to the OTLP endpoint that the environment names, by the standard `OTEL_*` variables; or nowhere."""

import os
import threading
from importlib.metadata import version

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SHUTDOWN_SECONDS_MAX = 3.0


class Tracing:
    """`with Tracing(process):` spans that are made inside are sent, in batches, by a thread of their own; what does not
    fit its bounded queue is dropped. Without an endpoint the SDK is not even imported.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._wanted = any(os.environ.get(name) for name in _ENDPOINTS)
        self._wanted &= os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
        self._wanted &= os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"

    def __enter__(self) -> None:
        if not self._wanted:
            return
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        name = os.environ.get("OTEL_SERVICE_NAME") or f"stele-{self._process}"
        resource = Resource.create({"service.name": name, "service.version": version("stele")})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(self._provider)

    def __exit__(self, *_: object) -> None:
        """Send what waits, for some seconds at most: an end must not wait for a collector that is away."""
        if self._wanted:
            sending = threading.Thread(target=self._provider.shutdown, daemon=True, name="last spans")
            sending.start()
            sending.join(_SHUTDOWN_SECONDS_MAX)
