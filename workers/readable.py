"""A release that cannot read the whole log does not start: it would meet what it cannot read in the midst of work."""

from domain import upcasts
from domain.events import schema_versions
from domain.ports import Log
from workers.settings import NotConfigured


class LogUnreadable(NotConfigured):
    """The log holds events that this release cannot read."""


async def refuse_unreadable(log: Log) -> None:
    """Raises LogUnreadable, naming every (type, schema version) of the log that no step of this release leads from."""
    lines = upcasts.unreadable(await log.kinds(), schema_versions())
    if lines:
        raise LogUnreadable(
            f"the log holds events that this release cannot read: {', '.join(lines)}; "
            "start the release that wrote them, or a newer one"
        )
