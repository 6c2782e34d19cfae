"""The recorder of the `eventsourcing` library as it comes, and processes that write with it.

`python -m tests.soak.stock_recorder SEED THREADS` writes until SIGTERM, under the library's own environment variables.
With `POSTGRES_ENABLE_DB_FUNCTIONS=yes` nothing orders its commits: a reader of notifications misses events.
"""

import os
import random
import signal
import sys
import threading
from uuid import uuid4

from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from eventsourcing.postgres import PostgresFactory
from eventsourcing.utils import Environment

_NAME = "soak"
TABLE = f"{_NAME}_events"
_EVENTS_MAX = 3
_STATE = b'{"text":"What was said."}'


def recorder(environment: dict[str, str]) -> ApplicationRecorder:
    """Connects at first use, and makes its table."""
    return PostgresFactory(Environment(_NAME, environment)).application_recorder()


def _write(own: ApplicationRecorder, seed: str, stop: threading.Event) -> None:
    chance = random.Random(seed)
    while not stop.is_set():
        stream, count = uuid4(), chance.randint(1, _EVENTS_MAX)
        own.insert_events([StoredEvent(stream, version, _NAME, _STATE) for version in range(1, count + 1)])


def main(seed: str, threads: int) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    own = recorder(dict(os.environ))
    writing = [threading.Thread(target=_write, args=(own, f"{seed} {n}", stop)) for n in range(threads)]
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
