"""How much is measured: a tiny version for the tests, and the usual one."""

from msgspec import Struct


class Scale(Struct, frozen=True):
    """Sizes of one run. Every case is sampled `repeats` times, interleaved with those that it is compared with."""

    name: str
    repeats: int
    seconds: float
    """One sample of a load; `warm_seconds` of the same load come before it and are not counted."""
    warm_seconds: float
    callers: tuple[int, ...]
    totals: tuple[int, ...]
    """Concurrent callers over all writer processes."""
    processes: int
    lock_processes: tuple[int, ...]
    calls: int
    """One sample of lone, sequential work."""
    streams: int
    """Streams that exist before commands go to existing streams: many more than are cached."""
    events: int
    """Events of the log that a projection is rebuilt from."""
    events_sealed: int
    """Of those whose words are sealed, which a runtime has to write."""
    events_live: int
    """Events that a live projection is given, page by page."""
    events_peer: int
    """Events for a peer that would take minutes for all of them."""
    sizes: tuple[int, ...]
    """Events in the logs that grow; the first is what the others are compared with."""
    growth_callers: int
    growth_seconds: float
    """One sample on a log that grows: short, so that it stays about as large as it is said to be."""
    memory_sizes: tuple[int, ...]
    memory_seconds: float
    """How long a process works while its memory is watched."""
    checkpoints: bool
    """Every sample begins just after a checkpoint, so that none has one of its own."""
    peers_outside_python: bool
    disk_bytes: int
    """What the largest logs and what is made of them may take."""


QUICK = Scale(
    name="quick",
    repeats=1,
    seconds=0.05,
    warm_seconds=0.02,
    callers=(1, 8),
    totals=(8,),
    processes=2,
    lock_processes=(1,),
    calls=5,
    streams=300,
    events=1_000,
    events_sealed=500,
    events_live=200,
    events_peer=50,
    sizes=(500, 1_000),
    growth_callers=8,
    growth_seconds=0.05,
    memory_sizes=(1_000,),
    memory_seconds=0.05,
    checkpoints=False,
    peers_outside_python=False,
    disk_bytes=1_000_000_000,
)
USUAL = Scale(
    name="usual",
    repeats=3,
    seconds=1.0,
    warm_seconds=0.3,
    callers=(1, 8, 64, 256, 1000),
    totals=(64, 256),
    processes=4,
    lock_processes=(1, 4),
    calls=400,
    streams=20_000,
    events=1_000_000,
    events_sealed=200_000,
    events_live=100_000,
    events_peer=3_000,
    sizes=(100_000, 1_000_000, 10_000_000),
    growth_callers=64,
    growth_seconds=0.5,
    memory_sizes=(100_000, 1_000_000, 10_000_000),
    memory_seconds=5.0,
    checkpoints=True,
    peers_outside_python=True,
    disk_bytes=30_000_000_000,
)
