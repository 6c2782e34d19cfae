"""What readers see of the entries in memory: a fake for unit tests, held to tests/conformance/entries_topics.py."""

import hashlib
from uuid import UUID

from adapters.memory.entries import Shelf
from domain.ports import Log
from projections.cursor import served_version
from projections.ports import EntryPage, GenerationGone, Listed, Read, Serving
from projections.projection import Entry


class MemoryTopics:
    """Implements projections.ports.Topics."""

    def __init__(self, shelf: Shelf, log: Log, epoch: str = "00000000") -> None:
        self._shelf = shelf
        self._log = log
        self._epoch = epoch

    async def serving(self, topic: str) -> Serving | None:
        live = self._shelf.live(topic)
        if live is None or live.lost:
            return None
        version = served_version(live.version, live.revision)
        return Serving(live.id, version, live.position, 0, self._epoch, await self._log.head())

    async def page(self, generation: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int) -> EntryPage:
        build = self._shelf.builds.get(generation)
        if build is None or not build.live or build.lost:
            raise GenerationGone(f"generation {generation}")
        newer = [
            entry
            for entry in build.entries.values()
            if entry.agent_id == agent_id and space_id in (None, entry.space_id) and entry.position > after
        ]
        newer.sort(key=lambda entry: (entry.position, entry.key))
        last = newer[limit - 1].position if len(newer) >= limit else build.position
        page = tuple(_read(entry) for entry in newer if entry.position <= last)
        return EntryPage(page, build.position, len(page) >= limit)

    async def one(self, generation: int, agent_id: UUID, key: str) -> Read | None:
        build = self._shelf.builds.get(generation)
        entry = build.entries.get((agent_id, key)) if build is not None else None
        return _read(entry) if entry is not None else None

    async def list(self) -> list[Listed]:
        builds = sorted(self._shelf.builds.values(), key=lambda build: (build.topic, not build.live, build.id))
        return [
            Listed(b.id, b.topic, b.version, b.position, b.live, b.aside, 0, b.error, b.error_position, b.revision)
            for b in builds
        ]

    async def digest(self, generation: int) -> str:
        hasher = hashlib.sha256()
        build = self._shelf.builds.get(generation)
        entries = sorted(build.entries.items()) if build is not None else []
        for (agent_id, key), entry in entries:
            if entry.value is not None:
                hasher.update(agent_id.bytes + len(key.encode()).to_bytes(4, "big") + key.encode())
                hasher.update(entry.position.to_bytes(8, "big") + hashlib.sha256(entry.value).digest())
        return hasher.hexdigest()


def _read(entry: Entry) -> Read:
    return Read(entry.key, entry.space_id, entry.position, entry.value)
