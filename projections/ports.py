"""What projections need of the outside world: events, and a place for entries and checkpoints.

tests/conformance/entries*.py hold every adapter to this.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from domain.events import Recorded
from projections.projection import Entry

EntryKey = tuple[UUID, str]
"""agent_id and key: a key alone never names an entry (invariant I10)."""


class Scanned(Struct, frozen=True):
    """A page of the log, without the events of some types."""

    events: Sequence[Recorded]
    position: int
    """The last position of the page; where the page begins, when there is nothing more."""
    count: int
    """Events in the page, those that were left out included."""


class EventSource(Protocol):
    """The part of the log that projections are folded from."""

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        """A page of the next `limit` events with position > `after`, in order, without those of these stored types.
        (Not: only those of some types. What a newer release has written must be seen.)
        """


WhatIsLeft = Callable[[Entry], Entry | None]
"""Of an entry, after an erasure; None for one that it does not concern."""


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


class LiveIsNewer(ValueError):
    """The live entries are of a newer version of the projection than this release has."""

    def __init__(self, topic: str, live: int, version: int) -> None:
        super().__init__(f"{topic} is live in version {live}; this release has {version}")


class BuildRunning(Exception):
    """This topic is being rebuilt already, or as much is being built as may be at a time (`limits.BUILDS_MAX`).

    `code` is the problem that whoever asked is told.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class EntryStore(Protocol):
    async def open(self, topic: str, version: int) -> Generation:
        """The generation to advance for this version of the topic: the live one, or one that is being built.
        Made at first sight. Raises LiveIsNewer.
        """

    async def load(self, generation: int, keys: Collection[EntryKey]) -> list[Entry]:
        """The entries, tombstones included, that exist under these keys."""

    async def save(
        self, generation: Generation, changed: Sequence[Entry], position: int, *, new: bool = False
    ) -> Generation:
        """Write entries, no two under one key, and move the checkpoint from `generation.position` to `position` in one
        transaction. `new`: the store has none of them, which makes it cheaper. Not to be called while another call is
        under way.

        Raises CheckpointMoved, with nothing written, when the checkpoint is not there any more.
        """

    async def erase(
        self, generation: Generation, agent_id: UUID, person_id: UUID, position: int, what_is_left: WhatIsLeft
    ) -> Generation:
        """Write what is left of every entry of an agent that is about a person, and move the checkpoint to `position`,
        in one transaction. `what_is_left` is asked about every entry whose value names the id. Raises as `save`.
        """

    async def still(self, generation: Generation) -> None:
        """Raises CheckpointMoved when the checkpoint is not at `generation.position` any more, or lost."""

    async def stop(self, generation: Generation, position: int, error: str) -> None:
        """Record that the fold fails at `position`; shown to people until the generation moves again."""


class Difference(Struct, frozen=True):
    """Where two generations of a topic differ: the entry with the lowest position, and how many there are in all."""

    agent_id: UUID
    key: str
    position: int
    """The lower one of its two positions."""
    live_position: int | None
    """None: the live generation does not have it."""
    rebuilt_position: int | None
    count: int

    @property
    def what(self) -> str:
        if self.live_position is None:
            return "only rebuilt"
        return "only live" if self.rebuilt_position is None else "differs"


class Builds(EntryStore, Protocol):
    """An entry store that generations are built in, beside the live one, on a connection that claims them."""

    async def live(self, topic: str) -> Generation | None:
        """The generation that readers see; None when there is none, or its entries are lost."""

    async def create_aside(self, topic: str, version: int) -> Generation:
        """A new, empty generation that `open` never finds. It is ours as long as this connection lives; what others
        that are gone have left behind is dropped.
        """

    async def resume_aside(self, topic: str, version: int) -> Generation:
        """As `create_aside`, to take over later. When whoever called this last for the topic is gone and has not taken
        over, it is their generation, as far as it was built; one of another version is dropped.
        Raises BuildRunning when they are not gone.
        """

    async def differences(self, live: Generation, built: Generation) -> Difference | None:
        """What a reader of the live generation would have to be told if the built one, which is not behind it, took
        over: entries with positions up to `live.position` that are not the same, tombstones included.
        """

    async def take_over(self, built: Generation, *, same_as: int | None = None) -> tuple[int, ...] | None:
        """Let a built generation replace the live one, in one transaction; None while it is still behind it.

        Cursors of the live one stay good when it has the same version and `same_as` names it: `built` was compared
        with it. Otherwise a built one of the same version gets the next revision (docs/adr/0011).
        Returns the generations to `drop` now: what it replaced, and older versions that were never finished.
        Raises CheckpointMoved when the built one was dropped, lost its entries or was advanced by somebody else, and
        LiveIsNewer.
        """

    async def drop(self, generation: int) -> None:
        """Drop a generation that nobody reads, without locking anybody out. It waits for readers with old snapshots."""

    async def sweep(self) -> list[int]:
        """Drop what nobody wants any more: generations that were replaced, or whose builders are gone. What a rebuild
        may be taken up from stays. Returns what was dropped.
        """


class Serving(Struct, frozen=True):
    """The generation that readers of a topic see, and where the log is."""

    generation: int
    version: int
    """What cursors carry: the version of the fold and the revision of its entries (docs/adr/0011)."""
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
    revision: int = 0


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
