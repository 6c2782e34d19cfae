"""The log as projections fold it: what is sealed in the events is opened before any key or fold sees it."""

from collections.abc import Collection

from msgspec.structs import replace

from domain.people import PersonErased
from domain.ports import Vault
from projections.ports import EventSource, Scanned


class Opened:
    """Implements projections.ports.EventSource."""

    def __init__(self, log: EventSource, vault: Vault) -> None:
        self._log = log
        self._vault = vault

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        """Raises Refusal `keys_unavailable` as well: what cannot be opened now must not look as if it were erased."""
        scanned = await self._log.read_but(types, after, limit)
        if not scanned.events:
            return scanned
        for event in scanned.events:
            if event.type == PersonErased.type:
                self._vault.forget(event.agent_id, [event.stream_id])
        return replace(scanned, events=await self._vault.open(scanned.events))
