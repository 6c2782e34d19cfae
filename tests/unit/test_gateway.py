"""The gateway over a socket in memory: what is too large, too many or nonsense ends as the protocol says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from starlette.websockets import WebSocket

from adapters.memory.entries import MemoryEntryStore, Shelf
from adapters.memory.topics import MemoryTopics
from adapters.sync import gateway as module
from adapters.sync.gateway import Gateway
from adapters.sync.heads import Heads
from adapters.sync.messages import PROTOCOL
from domain.agents import BootstrapAgent, write_token
from domain.canonical import sha256_hex
from domain.limits import SYNC_MESSAGE_BYTES_MAX
from projections.topics import TOPICS
from tests.unit.world import AGENT, World

SECRET = "a-secret-of-more-than-twenty-characters"
TOKEN = write_token(AGENT, AGENT, SECRET)
HELLO = {"type": "hello", "protocol": PROTOCOL, "token": TOKEN}


class Client:
    """One side of a socket; the gateway has the other."""

    def __init__(self, gateway: Gateway) -> None:
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to.put_nowait({"type": "websocket.connect"})
        scope = {"type": "websocket", "subprotocols": [PROTOCOL], "headers": [], "path": "/"}
        socket = WebSocket(scope, self._to.get, self._from.put)  # type: ignore[arg-type]
        self.serving = asyncio.create_task(gateway.endpoint(socket))

    def send(self, frame: dict[str, Any] | str | bytes) -> None:
        data = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()
        self._to.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    async def hear(self) -> Any:
        """The next message, or the number that the socket is closed with."""
        frame = await asyncio.wait_for(self._from.get(), 5)
        match frame["type"]:
            case "websocket.accept":
                return await self.hear()
            case "websocket.close":
                return frame["code"]
        return msgspec.json.decode(frame["text"])

    async def leave(self) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.serving, 5)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    world, shelf = World(), Shelf()
    await world.do(BootstrapAgent(AGENT, "workshop", AGENT, sha256_hex(SECRET.encode())))
    for topic, projection in TOPICS.items():
        await MemoryEntryStore(shelf).open(topic, projection.version)
    topics = MemoryTopics(shelf, world.log)
    heads = Heads(topics)
    watching = asyncio.create_task(heads.run())
    yield Gateway(world.log, topics, heads)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    client = Client(gateway)
    yield client
    await client.leave()


async def test_who_says_hello_is_welcome_and_gets_what_it_subscribes_to(client: Client) -> None:
    client.send(HELLO)
    assert (await client.hear())["type"] == "welcome"
    client.send({"type": "subscribe", "id": 1, "topic": "people"})
    assert (await client.hear())["type"] == "subscribed"
    client.send({"type": "unsubscribe", "id": 1})
    heard = [(await client.hear())["type"]]
    while heard[-1] != "unsubscribed":
        heard.append((await client.hear())["type"])
    assert set(heard) <= {"batch", "unsubscribed"}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"topic": "nothing"}, "topic_not_found"),
        ({"space": "nowhere"}, "space_not_found"),
        ({"after": "1"}, "invalid_cursor"),
    ],
)
async def test_a_subscription_that_cannot_begin_says_why_and_the_connection_goes_on(
    client: Client, wrong: dict[str, str], code: str
) -> None:
    client.send(HELLO)
    await client.hear()
    for _ in range(2):
        client.send({"type": "subscribe", "id": 1, "topic": "people", **wrong})
        error = await client.hear()
        assert (error["type"], error["code"], error["id"]) == ("error", code, 1)


async def test_who_is_not_known_is_told_and_closed(client: Client) -> None:
    client.send({**HELLO, "token": TOKEN + "x"})
    assert (await client.hear())["code"] == "unauthenticated"
    assert await client.hear() == 4003


@pytest.mark.parametrize(
    "nonsense", [b"\xff", b"", "[]", "{}", '{"type":"hello"}', '{"type":"batch"}', "[" * 9_000, '{"a":' * 3_000]
)
async def test_nonsense_closes_before_hello_and_is_answered_after_it(
    client: Client, gateway: Gateway, nonsense: str | bytes
) -> None:
    client.send(HELLO)
    await client.hear()
    for _ in range(2):
        client.send(nonsense)
        assert (await client.hear())["code"] == "invalid_message"
    stranger = Client(gateway)
    stranger.send(nonsense)
    assert await stranger.hear() == 4000
    await stranger.leave()


@pytest.mark.parametrize("character", ["x", "ü", "👩"])
async def test_I12_a_message_is_bounded_in_bytes(client: Client, character: str) -> None:
    client.send(HELLO)
    await client.hear()
    size = len(character.encode())
    client.send(character * (SYNC_MESSAGE_BYTES_MAX // size))
    assert (await client.hear())["code"] == "invalid_message"
    client.send(character * (SYNC_MESSAGE_BYTES_MAX // size + 1))
    assert await client.hear() == 4009


async def test_I12_a_process_has_so_many_sockets_and_no_more(
    gateway: Gateway, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SOCKETS_MAX", 2)
    client.send(HELLO)
    await client.hear()
    second = Client(gateway)
    second.send(HELLO)
    await second.hear()
    third = Client(gateway)
    assert await third.hear() == 4013
    await second.leave()
    fourth = Client(gateway)
    fourth.send(HELLO)
    assert (await fourth.hear())["type"] == "welcome"
    await fourth.leave()


async def test_a_server_that_stops_sends_everybody_away(gateway: Gateway, client: Client) -> None:
    client.send(HELLO)
    await client.hear()
    await gateway.drain()
    assert await client.hear() == 4010
