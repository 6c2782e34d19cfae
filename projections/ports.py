"""Where the engine keeps entries and checkpoints. tests/conformance/entries.py holds every adapter to this."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from projections.projection import Entry

EntryKey = tuple[UUID, str]
"""agent_id and key: a key alone never names an entry (invariant I10)."""


class Generation(Struct, frozen=True):
    """One build of a projection: its own entries and its own checkpoint."""

    id: int
    topic: str
    version: int
    position: int
    """Everything up to here is folded in."""
    live: bool


class CheckpointMoved(Exception):
    """Somebody else has advanced or replaced this generation; open it again."""


class EntryStore(Protocol):
    async def open(self, topic: str, version: int) -> Generation:
        """The generation to advance for this version of the topic: the live one, or one that is being built.
        Made at first sight. Raises ValueError when the live one is of a newer version than `version`.
        """

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        """The entries, tombstones included, that exist under these keys."""

    async def save(self, generation: Generation, changed: Sequence[Entry], position: int) -> Generation:
        """Write entries and move the checkpoint from `generation.position` to `position` in one transaction.
        Raises CheckpointMoved, with nothing written, when the checkpoint is not there any more.
        """

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        """Record that the fold fails at `position`; shown to people until the generation moves again."""


class Serving(Struct, frozen=True):
    """The generation that readers of a topic see, and where the log is."""

    generation: int
    version: int
    position: int
    """The checkpoint: entries say what the log said up to here."""
    floor: int
    epoch: str
    log_head: int


class Read(Struct, frozen=True):
    """One entry as a reader gets it; `value` is None for a tombstone."""

    key: str
    space_id: UUID | None
    position: int
    value: bytes | None


class EntryPage(Struct, frozen=True):
    entries: tuple[Read, ...]
    checkpoint: int
    full: bool
    """There may be more after the last entry's position."""


class Listed(Struct, frozen=True):
    """A generation, for people."""

    generation: int
    topic: str
    version: int
    position: int
    live: bool
    aside: bool
    floor: int
    error: str | None
    error_position: int | None


class GenerationGone(Exception):
    """The generation was replaced; ask `serving` again."""


class Topics(Protocol):
    """What readers of the topics need: pages of entries, each with the checkpoint of the same snapshot."""

    async def serving(self, topic: str) -> Serving | None:
        """What readers see of a topic now; None until a projector has seen it for the first time."""

    async def page(self, generation: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int) -> EntryPage:
        """Entries of one agent (and space) changed after `after`, tombstones included, ordered by position.
        A position is never split, so a page may have a few more than `limit`. Raises GenerationGone.
        """

    async def one(self, generation: int, agent_id: UUID, key: str) -> Read | None:
        """A single entry."""

    async def list(self) -> "list[Listed]":
        """Every generation of every topic."""

    async def digest(self, generation: int) -> str:
        """SHA-256 over every entry of a generation, in order; equal for equal states."""
