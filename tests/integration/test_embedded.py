"""The embedded Postgres comes back, whenever it is killed."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psycopg

from adapters.embedded.postgres import EmbeddedPostgres

_LOOK_SECONDS = 0.001
_START_SECONDS_MAX = 20.0


def _pid(folder: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((folder / "postmaster.pid").read_text().splitlines()[0])
    return None


def _kill_the_next(folder: Path, before: int | None) -> int:
    """`kill -9` the postmaster that comes after `before`, as soon as it says that it is there."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while (pid := _pid(folder)) in (None, before):
        assert time.monotonic() < deadline, "no Postgres was started"
        time.sleep(_LOOK_SECONDS)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def test_a_postgres_that_is_killed_while_it_starts_is_started_again(scratch: Path) -> None:
    """It leaves half of its pid file behind, which is no reason to wait for it."""
    folder = scratch / "embedded"
    server = EmbeddedPostgres(folder)
    server.start()
    before = _pid(folder)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    killer = threading.Thread(target=_kill_the_next, args=(folder, before))
    killer.start()
    began = time.monotonic()
    url = server.start()
    killer.join()
    try:
        assert time.monotonic() - began < _START_SECONDS_MAX
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
