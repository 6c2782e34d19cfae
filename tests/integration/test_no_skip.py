"""The no-skip proof in short (`make soak` is the long one): real writers and readers, real deaths."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak import stock
from tests.soak.stele import READERS, Plan, Run, Servers
from tests.soak.stock import StockPlan

SEED = 20
EVENTS_MIN = 3_000
SECONDS = 5.0


@pytest.fixture
def servers() -> Iterator[Servers]:
    """A Postgres and a NATS to be killed: no other test is to suffer."""
    with tempfile.TemporaryDirectory(prefix="stele-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Servers.under(Path(folder))
        yield found
        found.nats.stop()
        found.postgres.stop()


async def test_I3_no_reader_misses_an_event_whatever_is_killed(servers: Servers) -> None:
    """Paging, hint and poll, relay and projector see every event once, in order; writers were told the truth."""
    plan = Plan(events=10**6, seconds=SECONDS, seed=SEED, writers=2, pause_seconds=0.25, hangs=False, lag_events=4_000)
    outcome = await Run(plan, servers, lambda *_: None).run()
    print(f"seed {SEED}: {outcome.events} events; {outcome.happened}; {outcome.said}")
    assert outcome.faults == []
    assert outcome.events > EVENTS_MIN
    assert {verdict.reader for verdict in outcome.readers} == set(READERS)
    assert {verdict.seen for verdict in outcome.readers} == {outcome.events}
    assert [verdict for verdict in outcome.readers if not verdict.good] == []
    assert outcome.commands is not None
    assert outcome.commands.good, outcome.commands
    assert outcome.commands.acknowledged_events > EVENTS_MIN
    assert outcome.happened["Postgres killed"] > 0
    assert outcome.happened["writer killed"] > 0
    assert outcome.happened["connection terminated"] > 0


@pytest.mark.parametrize("functions", [True, False], ids=["POSTGRES_ENABLE_DB_FUNCTIONS", "as it comes"])
async def test_the_same_eye_catches_a_recorder_that_lets_readers_miss(
    database: str, tmp_path: Path, functions: bool
) -> None:
    """So the test above can fail. The stock recorder as it comes, which locks its table, is the control."""
    seconds = 12.0 if functions else 3.0
    plan = StockPlan(functions, seconds, SEED, until_missed=functions)
    outcome = await asyncio.wait_for(stock.run(plan, database, tmp_path / "stock"), 60)
    print(f"seed {SEED}: {outcome.readers}; {outcome.said}")
    assert outcome.faults == []
    assert outcome.events > 100
    assert (outcome.missed > 0) == functions
    assert outcome.as_expected
