"""One hub for the tests that only use it; tests that break hubs start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.otlp import Receiver, receiver
from tests.hub import RunningHub


@pytest.fixture(scope="session")
def hub(scratch: Path) -> Iterator[RunningHub]:
    running = RunningHub(scratch / "hub")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
