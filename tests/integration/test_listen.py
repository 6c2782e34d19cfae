"""The socket that a hub listens on."""

import socket
import time

import pytest

from workers import listener


def test_I12_the_kernel_drops_a_client_that_reads_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A close that has to wait behind what the client does not read would never come to pass."""
    monkeypatch.setattr(listener, "SLOW_CONSUMER_SECONDS_MAX", 0.25)
    with listener.bind("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        served, _ = listening.accept()
        with served, pytest.raises(TimeoutError):  # noqa: PT012  it is dropped in the middle of whatever
            deadline = time.monotonic() + 10.0
            served.settimeout(0.0)
            while time.monotonic() < deadline:
                try:
                    served.send(b"x" * 65_536)
                except BlockingIOError:
                    time.sleep(0.05)


def test_an_address_that_is_taken_is_told() -> None:
    with listener.bind("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        listener.bind(*taken.getsockname())
