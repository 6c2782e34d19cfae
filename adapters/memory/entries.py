"""Entries and checkpoints in memory: fakes for unit tests, held to tests/conformance/entries.py like those in Postgres.

`Shelf` is what outlives a process; a `MemoryEntryStore` is one process's connection to it.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from projections.ports import BuildRunning, CheckpointMoved, Difference, EntryKey, Generation, LiveIsNewer, WhatIsLeft
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
    revision: int = 0
    resumable: bool = False
    lost: bool = False
    """Its entries and its checkpoint are gone, until somebody opens it again."""
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

    def lose(self) -> None:
        """As TRUNCATE does."""
        for build in self.builds.values():
            build.lost = True
            build.entries.clear()

    def live(self, topic: str) -> Build | None:
        return next((build for build in self.builds.values() if build.topic == topic and build.live), None)


class MemoryEntryStore:
    """Implements projections.ports.EntryStore and Builds as PostgresEntryStore does."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def open(self, topic: str, version: int) -> Generation:
        live = self._shelf.live(topic)
        if live is not None and live.version > version:
            raise LiveIsNewer(topic, live.version, version)
        mine = [b for b in self._shelf.builds.values() if (b.topic, b.version, b.aside) == (topic, version, False)]
        if mine:
            return _begun(max(mine, key=lambda build: build.live))
        return self._shelf.add(topic, version, live=live is None, aside=False).seen()

    async def erase(
        self, generation: Generation, agent_id: UUID, person_id: UUID, position: int, what_is_left: WhatIsLeft
    ) -> Generation:
        build = self._shelf.builds.get(generation.id)
        entries = list(build.entries.values()) if build is not None else []
        mine = [
            entry for entry in entries if entry.agent_id == agent_id and str(person_id).encode() in (entry.value or b"")
        ]
        left = [entry for one in mine if (entry := what_is_left(one)) is not None]
        return await self.save(generation, left, position)

    async def live(self, topic: str) -> Generation | None:
        live = self._shelf.live(topic)
        return live.seen() if live is not None and not live.lost else None

    async def create_aside(self, topic: str, version: int) -> Generation:
        await self.sweep()
        return self._create_aside(topic, version).seen()

    async def resume_aside(self, topic: str, version: int) -> Generation:
        found = next((b for b in self._shelf.builds.values() if b.topic == topic and b.resumable), None)
        if found is not None and found.claimed_by not in (None, self):
            raise BuildRunning("build_running", f"{topic} is being rebuilt already")
        if found is not None and found.version == version:
            found.claimed_by = self
            return _begun(found)
        if found is not None:
            await MemoryEntryStore.drop(self, found.id)
        build = self._create_aside(topic, version)
        build.resumable = True
        return build.seen()

    def _create_aside(self, topic: str, version: int) -> Build:
        build = self._shelf.add(topic, version, live=False, aside=True)
        build.claimed_by = self
        return build

    async def drop(self, generation: int) -> None:
        self._shelf.builds.pop(generation, None)

    async def sweep(self) -> list[int]:
        left = [b.id for b in self._shelf.builds.values() if b.aside and not b.resumable and b.claimed_by is None]
        for id in left:
            await MemoryEntryStore.drop(self, id)
        return left

    async def close(self) -> None:
        """The process is gone, and so are its claims."""
        for build in self._shelf.builds.values():
            if build.claimed_by is self:
                build.claimed_by = None

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        build = self._shelf.builds.get(generation)
        return [build.entries[key] for key in keys if key in build.entries] if build is not None else []

    async def save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, new: bool = False
    ) -> Generation:
        build = self._still(generation)
        build.entries |= {(entry.agent_id, entry.key): entry for entry in changed}
        build.position, build.error, build.error_position = position, None, None
        return build.seen()

    async def still(self, generation: Generation) -> None:
        self._still(generation)

    def _still(self, generation: Generation) -> Build:
        build = self._shelf.builds.get(generation.id)
        seen = (build.position, build.live, build.lost) if build is not None else None
        if build is None or seen != (generation.position, generation.live, False):
            raise CheckpointMoved(f"{generation.topic} is not at {generation.position} any more")
        return build

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        build = self._shelf.builds.get(generation.id)
        if build is not None:
            build.error, build.error_position = error, position

    async def differences(self, live: Generation, built: Generation) -> Difference | None:
        mine, theirs = self._entries(live), self._entries(built)
        found = []
        for key in mine.keys() | theirs.keys():
            a, b = mine.get(key), theirs.get(key)
            if a != b and (b is None or b.position <= live.position):
                positions = [side.position for side in (a, b) if side is not None]
                found.append(Difference(*key, min(positions), _position(a), _position(b), 0))
        first = min(found, key=lambda one: (one.position, one.agent_id, one.key), default=None)
        return replace(first, count=len(found)) if first is not None else None

    def _entries(self, generation: Generation) -> dict[EntryKey, Entry]:
        build = self._shelf.builds.get(generation.id)
        return build.entries if build is not None else {}

    async def take_over(self, built: Generation, *, same_as: int | None = None) -> tuple[int, ...] | None:
        build, live = self._shelf.builds.get(built.id), self._shelf.live(built.topic)
        if build is None or build.lost or build.position != built.position:
            raise CheckpointMoved(f"generation {built.id} of {built.topic} is not at {built.position} any more")
        if live is not None and live.version > build.version:
            raise LiveIsNewer(built.topic, live.version, build.version)
        if live is not None and live.id != built.id and built.position < (0 if live.lost else live.position):
            return None
        if live is not None and live.version == build.version:
            build.revision = live.revision + (live.id not in (built.id, same_as))
        others = [b for b in self._shelf.builds.values() if b.topic == built.topic and b.id != built.id]
        replaced = [b for b in others if b.live or (not b.aside and b.version <= built.version)]
        for old in replaced:
            old.live, old.aside = False, True
        build.live, build.aside, build.resumable = True, False, False
        return tuple(old.id for old in replaced)


def _position(entry: Entry | None) -> int | None:
    return entry.position if entry is not None else None


def _begun(build: Build) -> Generation:
    if build.lost:
        build.lost, build.position = False, 0
    return build.seen()
