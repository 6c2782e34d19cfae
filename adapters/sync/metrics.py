"""What Prometheus is told of the sockets."""

from prometheus_client import Counter, Gauge

SOCKETS = Gauge("stele_sync_sockets_open", "Sockets that are open.")
SUBSCRIPTIONS = Gauge("stele_sync_subscriptions_open", "Subscriptions of those sockets.")
CLOSED = Counter(
    "stele_sync_closes_total", "Sockets that this process closed, by the code's name (docs/protocol.md).", ("code",)
)
HEADS_UNREADABLE = Counter("stele_sync_heads_unreadable_total", "Times that the topics' checkpoints could not be read.")
