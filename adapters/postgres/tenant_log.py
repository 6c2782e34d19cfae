"""The log for whoever answers tenants."""

from collections.abc import Sequence
from uuid import UUID

from adapters.postgres import arrays
from adapters.postgres.connect import Pool
from adapters.postgres.loader import items
from adapters.postgres.log import PostgresLog
from adapters.postgres.statements import load
from domain.aggregate import Snapshot
from domain.events import Recorded
from domain.limits import STREAM_PAGE_EVENTS_MAX

_SQL = load("log")


class TenantLog(PostgresLog):
    """Implements domain.ports.Log for reading: what names no agent finds no event (invariant I10)."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._pool = pool.tenants.readers

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        """As domain.ports.Log.load; alone, where the hub's own loads go together with those of other agents."""
        streams, versions = [stream for stream, _ in wanted], [version for _, version in wanted]
        agents = [agent_id] * len(wanted)
        arguments = [arrays.uuids(agents), arrays.uuids(streams), arrays.int4s(versions), STREAM_PAGE_EVENTS_MAX]
        rows = await self._tenants.fetch(agent_id, _SQL["load"], arguments)
        return [item for _, *row in rows for item in items(row)]
