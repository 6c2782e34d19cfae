"""A client of `stele.sync.v1` for tests: it says what it is told to, and keeps what it gets."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.hub import RunningHub

PROTOCOL = "stele.sync.v1"
Message = dict[str, Any]
Entry = tuple[str, int, str]
"""Key, position and value of an entry, as JSON."""


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, type_: str, **fields: Any) -> None:
        self.send_raw(json.dumps({"type": type_, **{name: f for name, f in fields.items() if f is not None}}))

    def send_raw(self, frame: str | bytes) -> None:
        self._connection.send(frame)

    def receive(self, seconds: float = 20.0) -> Message:
        """The next message. Raises TimeoutError, ConnectionClosed."""
        message: Message = json.loads(self._connection.recv(timeout=seconds))
        return message

    def expect(self, type_: str, **fields: Any) -> Message:
        message = self.receive()
        assert message == {**message, "type": type_, **fields}, message
        return message

    def hello(self, token: str) -> Message:
        self.send("hello", protocol=PROTOCOL, token=token, client="test")
        return self.expect("welcome", protocol=PROTOCOL)

    def subscribe(self, id: int, topic: str, *, after: str | None = None, space: str | None = None) -> Message:
        self.send("subscribe", id=id, topic=topic, after=after, space=space)
        return self.expect("subscribed", id=id, topic=topic)

    def batches(self) -> Iterator[Message]:
        """The batches that come, up to the first that has caught up."""
        caught_up = False
        while not caught_up:
            batch = self.expect("batch")
            caught_up = batch.get("caught_up", False)
            yield batch

    def closed(self) -> tuple[int, str]:
        """Read until the server closes, and say how it does."""
        deadline = time.monotonic() + 10.0
        try:
            while time.monotonic() < deadline:
                self.receive(10.0)
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "without a frame")
        raise AssertionError("the server goes on")


@contextmanager
def opened(hub: RunningHub, token: str | None = None) -> Iterator[Socket]:
    """A connection; with a token it has said hello."""
    url = hub.ready["url"].replace("http", "ws", 1) + "/v1/sync"
    with connect(url, subprotocols=[Subprotocol(PROTOCOL)], compression=None, max_size=None) as connection:
        socket = Socket(connection)
        if token is not None:
            socket.hello(token)
        yield socket


def entry(sent: dict[str, Any]) -> Entry:
    return sent["key"], sent["position"], json.dumps(sent.get("value"), sort_keys=True)


def snapshot(
    hub: RunningHub, token: str, topic: str, *, after: str | None = None, space: str | None = None
) -> list[Entry]:
    """What a subscription gets until it has caught up."""
    with opened(hub, token) as socket:
        socket.subscribe(1, topic, after=after, space=space)
        return [entry(one) for batch in socket.batches() for one in batch["entries"]]
