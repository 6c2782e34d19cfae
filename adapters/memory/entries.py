"""Entries and checkpoints in memory: fakes for unit tests, held to tests/conformance/entries.py like those in Postgres.

`Shelf` is what outlives a process; a `MemoryEntryStore` is one process's connection to it.
"""

from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct

from projections.ports import CheckpointMoved, EntryKey, Generation
from projections.projection import Entry


class Build(Struct):
    """A generation as it is kept."""

    id: int
    topic: str
    version: int
    live: bool
    aside: bool
    position: int = 0
    error: str | None = None
    error_position: int | None = None
    entries: dict[EntryKey, Entry] = msgspec.field(default_factory=dict)
    claimed_by: "MemoryEntryStore | None" = None

    def seen(self) -> Generation:
        return Generation(self.id, self.topic, self.version, self.position, self.live)


class Shelf:
    """Every generation, by its id. Ids are never used again."""

    def __init__(self) -> None:
        self.builds: dict[int, Build] = {}
        self._made = 0

    def add(self, topic: str, version: int, *, live: bool, aside: bool) -> Build:
        self._made += 1
        build = self.builds[self._made] = Build(self._made, topic, version, live, aside)
        return build

    def live(self, topic: str) -> Build | None:
        return next((build for build in self.builds.values() if build.topic == topic and build.live), None)


class MemoryEntryStore:
    """Implements projections.ports.EntryStore, and takes generations over as PostgresEntryStore does."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def open(self, topic: str, version: int) -> Generation:
        live = self._shelf.live(topic)
        if live is not None and live.version > version:
            raise ValueError(f"{topic} is live in version {live.version}; this release has {version}")
        mine = [b for b in self._shelf.builds.values() if (b.topic, b.version, b.aside) == (topic, version, False)]
        if mine:
            return max(mine, key=lambda build: build.live).seen()
        return self._shelf.add(topic, version, live=live is None, aside=False).seen()

    async def live(self, topic: str) -> Generation | None:
        live = self._shelf.live(topic)
        return live.seen() if live is not None else None

    async def create_aside(self, topic: str, version: int) -> Generation:
        for build in list(self._shelf.builds.values()):
            if build.aside and build.claimed_by is None:
                await self.drop(build.id)
        build = self._shelf.add(topic, version, live=False, aside=True)
        build.claimed_by = self
        return build.seen()

    async def drop(self, generation: int) -> None:
        self._shelf.builds.pop(generation, None)

    async def close(self) -> None:
        """The process is gone, and so are its claims."""
        for build in self._shelf.builds.values():
            if build.claimed_by is self:
                build.claimed_by = None

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        build = self._shelf.builds.get(generation)
        return [build.entries[key] for key in keys if key in build.entries] if build is not None else []

    async def save(self, generation: Generation, changed: Sequence[Entry], position: int) -> Generation:
        build = self._shelf.builds.get(generation.id)
        if build is None or (build.position, build.live) != (generation.position, generation.live):
            raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")
        build.entries |= {(entry.agent_id, entry.key): entry for entry in changed}
        build.position, build.error, build.error_position = position, None, None
        return build.seen()

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        build = self._shelf.builds.get(generation.id)
        if build is not None:
            build.error, build.error_position = error, position

    async def take_over(self, built: Generation) -> tuple[int, ...] | None:
        build, live = self._shelf.builds.get(built.id), self._shelf.live(built.topic)
        if build is None or build.position != built.position:
            raise CheckpointMoved(f"generation {built.id} of {built.topic} is not at {built.position} any more")
        if live is not None and live.id != built.id and built.position < live.position:
            return None
        others = [b for b in self._shelf.builds.values() if b.topic == built.topic and b.id != built.id]
        replaced = [b for b in others if b.live or (not b.aside and b.version < built.version)]
        for old in replaced:
            old.live, old.aside = False, True
        build.live, build.aside = True, False
        return tuple(old.id for old in replaced)
