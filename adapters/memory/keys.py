"""Persons' keys in memory: a fake for unit tests, beside a log in memory."""

from collections.abc import Sequence
from uuid import UUID

from adapters.memory.log import MemoryLog
from domain.ports import WrappedKey


class MemoryKeyStore:
    """Implements domain.ports.KeyStore over the keys that a MemoryLog's transactions make and destroy."""

    def __init__(self, log: MemoryLog) -> None:
        self._keys = log.keys

    async def find(self, wanted: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, WrappedKey]]:
        return [(whose[0], self._keys[whose]) for whose in wanted if whose in self._keys]

    async def add(self, agent_id: UUID, key: WrappedKey) -> None:
        self._keys.setdefault((agent_id, key.subject_id), key)

    async def others(self, master_key_id: str, limit: int) -> list[tuple[UUID, WrappedKey]]:
        found = [(agent, key) for (agent, _), key in self._keys.items() if key.master_key_id != master_key_id]
        return found[:limit]

    async def rewrap(self, agent_id: UUID, old: WrappedKey, new: WrappedKey) -> None:
        if self._keys.get((agent_id, old.subject_id)) == old:
            self._keys[agent_id, new.subject_id] = new
