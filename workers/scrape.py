"""What Prometheus reads of a process."""

from collections.abc import Awaitable, Callable

import prometheus_client
from prometheus_client.exposition import choose_encoder

_refresh: list[Callable[[], Awaitable[None]]] = []


def before_each_scrape(refresh: Callable[[], Awaitable[None]]) -> None:
    """Let `refresh` bring gauges up to date whenever Prometheus asks. It must be bounded in time and not raise."""
    _refresh.append(refresh)


async def render(accept: str) -> tuple[bytes, str]:
    """What Prometheus reads, and its media type."""
    for refresh in _refresh:
        await refresh()
    encode, media_type = choose_encoder(accept)
    return encode(prometheus_client.REGISTRY), media_type
