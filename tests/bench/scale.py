"""How much is measured: a tiny version for the tests, the usual one, and a long one."""

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
    calls: int
    """One sample of lone, sequential work."""
    streams: int
    """Streams that exist before commands go to existing streams."""
    events: int
    """Events of the log that projections are rebuilt from."""
    events_peer: int
    """Events for a peer that would take minutes for all of them."""
    checkpoints: bool
    """Every sample begins just after a checkpoint, so that none has one of its own."""
    peers_outside_python: bool


QUICK = Scale(
    name="quick",
    repeats=1,
    seconds=0.05,
    warm_seconds=0.02,
    callers=(1, 8),
    totals=(8,),
    processes=2,
    calls=5,
    streams=50,
    events=1_000,
    events_peer=50,
    checkpoints=False,
    peers_outside_python=False,
)
USUAL = Scale(
    name="usual",
    repeats=3,
    seconds=1.2,
    warm_seconds=0.3,
    callers=(1, 8, 64, 256, 1000),
    totals=(64, 256),
    processes=4,
    calls=400,
    streams=20_000,
    events=200_000,
    events_peer=3_000,
    checkpoints=True,
    peers_outside_python=True,
)
FULL = Scale(
    name="full",
    repeats=7,
    seconds=3.0,
    warm_seconds=0.5,
    callers=(1, 8, 64, 256, 1000),
    totals=(64, 256),
    processes=4,
    calls=1_000,
    streams=20_000,
    events=1_000_000,
    events_peer=10_000,
    checkpoints=True,
    peers_outside_python=True,
)
