"""The `kill -9` soak in short (`make soak` is the long one)."""

from pathlib import Path

from tests.soak import kill_run
from tests.soak.victims import SoakHub

SEED = 5
ROUNDS = 3


async def test_I11_nothing_acknowledged_is_lost_or_doubled_by_kill_9(scratch: Path) -> None:
    """Runtime, projector and Postgres die under load; every command is in the log once, every topic as its rebuild."""
    hub = SoakHub(scratch / "kill")
    hub.start()
    try:
        outcome = await kill_run.run(hub, ROUNDS, SEED, lambda *_: None, progress=10)
    finally:
        hub.stop()
    print(f"seed {SEED}: {outcome}")
    assert outcome.faults == []
    assert outcome.good
    assert outcome.rounds == ROUNDS
    assert outcome.killed.total() >= ROUNDS - 1
    assert outcome.acknowledged > 0
