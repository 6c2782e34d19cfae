"""What Prometheus is told of the HTTP interface. Labels have few values: templates of routes, never paths."""

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "stele_http_request_seconds",
    "From the request's head to the end of its answer.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
REQUESTS_OPEN = Gauge("stele_http_requests_open", "Requests that are being worked on.")
PROBLEMS = Counter("stele_http_problems_total", "Answers that are problems (RFC 9457), by their code.", ("code",))
