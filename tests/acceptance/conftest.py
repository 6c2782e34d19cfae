"""One hub for the tests that only use it; tests that break hubs start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import RunningHub


@pytest.fixture(scope="session")
def hub(scratch: Path) -> Iterator[RunningHub]:
    running = RunningHub(scratch / "hub")
    running.start()
    yield running
    running.stop()
