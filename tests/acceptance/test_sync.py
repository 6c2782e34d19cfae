"""Sync: one way in, one order, no gaps; and what happens to a client that does not keep to the protocol."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from domain.limits import HEARTBEAT_SECONDS, SUBSCRIPTIONS_PER_SOCKET_MAX, SYNC_MESSAGE_BYTES_MAX
from projections.topics import TOPICS
from tests.acceptance.callers import client, created, entries, post, proposal, say, tenant
from tests.acceptance.sockets import PROTOCOL, Entry, Socket, entry, opened, snapshot
from tests.hub import RunningHub, until

LINES = 600
DROP_EVERY_ENTRIES = 20


@pytest.fixture(scope="module")
def token(hub: RunningHub) -> str:
    """An owner with an agent of their own: nobody else writes there."""
    return tenant(hub, "sync")


@pytest.fixture(scope="module")
def caller(hub: RunningHub, token: str) -> Iterator[httpx.Client]:
    with client(hub, token) as found:
        created(post(found, "/v1/spaces", {"name": "room"}))
        created(post(found, "/v1/spaces", {"name": "empty"}))
        say(found, "room", "The first words.")
        proposal(found, "room")
        yield found


@pytest.fixture(scope="module")
def idle(hub: RunningHub, token: str, caller: httpx.Client) -> Iterator[tuple[Socket, str, float]]:
    """A subscription that nothing happens on while the other tests run, its cursor, and when it was opened."""
    with opened(hub, token) as socket:
        socket.subscribe(7, "transcripts", space="empty")
        batch = next(socket.batches())
        yield socket, batch["cursor"], time.monotonic()


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("topic", TOPICS)
def test_I5_subscribed_from_nothing_a_client_gets_what_http_shows(
    hub: RunningHub, token: str, caller: httpx.Client, topic: str
) -> None:
    shown = [entry(one) for one in entries(caller, topic)]
    assert shown
    assert snapshot(hub, token, topic) == shown
    assert snapshot(hub, token, topic, space="room") == [entry(one) for one in entries(caller, topic, space="room")]


def test_what_is_new_arrives_after_caught_up(hub: RunningHub, token: str, caller: httpx.Client) -> None:
    with opened(hub, token) as socket:
        socket.subscribe(1, "transcripts", space="room")
        last = list(socket.batches())[-1]
        for n in range(3):
            said = say(caller, "room", f"Live, number {n}.")
            batch = socket.expect("batch", id=1, caught_up=True)
            assert [one["value"]["text"] for one in batch["entries"]] == [f"Live, number {n}."]
            assert batch["entries"][0]["position"] == said["position"]
            assert _position(batch["cursor"]) >= said["position"] > _position(last["cursor"])
            last = batch


def test_a_topic_without_entries_catches_up_at_once(hub: RunningHub, token: str) -> None:
    with opened(hub, token) as socket:
        socket.subscribe(1, "transcripts", space="empty")
        cursor = socket.expect("batch", id=1, entries=[], caught_up=True)["cursor"]
        socket.subscribe(2, "transcripts", space="empty", after=cursor)
        socket.expect("batch", id=2, entries=[], caught_up=True)


def test_I5_a_client_that_drops_its_socket_sees_what_one_sees_that_never_dropped(
    hub: RunningHub, token: str, caller: httpx.Client
) -> None:
    name = f"ingest-{time.time_ns()}"
    created(post(caller, "/v1/spaces", {"name": name}))
    with ThreadPoolExecutor() as threads:
        steady = threads.submit(_follow, hub, token, name, drop_every=LINES)
        dropping = threads.submit(_follow, hub, token, name, drop_every=DROP_EVERY_ENTRIES)
        for start in range(0, LINES, 7):
            texts = [f"Remark {n}." for n in range(start, min(start + 7, LINES))]
            say(caller, name, *texts, speaker=f"Speaker {start % 5}")
        seen, connections = dropping.result()
        assert steady.result() == (seen, 1)
    assert connections == LINES // DROP_EVERY_ENTRIES
    assert len(seen) == LINES
    assert seen == [entry(one) for one in entries(caller, "transcripts", space=name)]
    positions = [position for _, position, _ in seen]
    assert positions == sorted(set(positions))


def _follow(hub: RunningHub, token: str, space: str, *, drop_every: int) -> tuple[list[Entry], int]:
    """Follow a space to its last line, leaving in the middle of whatever is being sent after so many entries."""
    seen: list[Entry] = []
    cursor, connections = None, 0
    while len(seen) < LINES:
        connections += 1
        with opened(hub, token) as socket:
            socket.subscribe(1, "transcripts", space=space, after=cursor)
            until_entries = len(seen) + drop_every
            while len(seen) < until_entries:
                for one in socket.expect("batch", id=1)["entries"][: until_entries - len(seen)]:
                    seen.append(entry(one))
                    cursor = one["cursor"]
    return seen, connections


def test_I5_a_rebuild_under_a_subscription_is_not_noticed(hub: RunningHub, token: str, caller: httpx.Client) -> None:
    before = snapshot(hub, token, "people")
    with opened(hub, token) as socket:
        socket.subscribe(1, "people")
        seen = [entry(one) for batch in socket.batches() for one in batch["entries"]]
        with client(hub, hub.token) as operator:
            assert operator.put("/v1/projections/people/rebuild").text.count('"rebuilt"') == 1
        say(caller, "room", "Hello, I am new here.", speaker="Newcomer")
        while len(seen) == len(before):
            seen += [entry(one) for one in socket.expect("batch", id=1)["entries"]]
    assert seen[:-1] == before
    assert "Newcomer" in seen[-1][2]
    assert snapshot(hub, token, "people") == seen


def test_I10_no_topic_space_or_cursor_shows_another_agents_entries(
    hub: RunningHub, token: str, caller: httpx.Client
) -> None:
    created(post(caller, "/v1/spaces", {"name": "secret"}))
    space = say(caller, "secret", "Nobody else may read this.")["space_id"]
    theirs = {topic: {key for key, _, _ in snapshot(hub, token, topic)} for topic in TOPICS}
    other = tenant(hub, "other")
    with opened(hub, other) as socket, client(hub, other) as writer:
        for id, topic in enumerate(TOPICS):
            head = socket.subscribe(id, topic)["head"]
            got = {one["key"] for batch in socket.batches() for one in batch["entries"]}
            assert got.isdisjoint(theirs[topic])
            epoch, version, _ = head.split(".")
            for start in (1, _position(head) - 1):
                tricked = snapshot(hub, other, topic, after=f"{epoch}.{version}.{start}")
                assert theirs[topic].isdisjoint(key for key, _, _ in tricked)
        for id, place in enumerate((space, "secret", space.upper(), f"{{{space}}}"), start=100):
            socket.send("subscribe", id=id, topic="transcripts", space=place)
            socket.expect("error", id=id, code="space_not_found")
        say(caller, "secret", "Nor this, said while they listen.")  # a live entry of the first agent …
        created(post(writer, "/v1/spaces", {"name": f"mine-{time.time_ns()}"}))
        batch = socket.expect("batch", topic="spaces")  # … is passed over: the next batch is their own
        assert [one["value"]["name"].split("-")[0] for one in batch["entries"]] == ["mine"]


def test_must_refetch_says_why(hub: RunningHub, token: str, caller: httpx.Client) -> None:
    with opened(hub, token) as socket, ExitStack() as later:
        epoch, version, position = socket.subscribe(1, "people")["head"].split(".")
        list(socket.batches())
        later.callback(_set_floor, hub, "people", 0)
        _set_floor(hub, "people", int(position))
        for id, (cursor, reason) in enumerate(
            {
                f"{int(epoch, 16) ^ 1:08x}.{version}.{position}": "epoch",
                f"{epoch}.{int(version) + 1}.{position}": "projection_version",
                f"{epoch}.{version}.{int(position) + 1_000_000}": "ahead",
                f"{epoch}.{version}.{int(position) - 1}": "stale",
            }.items(),
            start=2,
        ):
            socket.send("subscribe", id=id, topic="people", after=cursor)
            socket.expect("must_refetch", id=id, topic="people", reason=reason)
            socket.subscribe(id, "people")  # the id is free again, and from nothing it goes on
            assert next(socket.batches())["entries"]


def _set_floor(hub: RunningHub, topic: str, floor: int) -> None:
    """As if tombstones were pruned up to there."""
    with psycopg.connect(hub.ready["postgres_url"], autocommit=True) as connection:
        connection.execute("UPDATE stele.generations SET floor = %s WHERE topic = %s AND live", [floor, topic])


def test_a_bad_message_is_answered_and_the_connection_goes_on(hub: RunningHub, token: str) -> None:
    with opened(hub, token) as socket:
        for bad in (
            "",
            "x",
            "[]",
            "null",
            "7",
            "{}",
            '{"type": "zzz"}',
            b"\x00\xff",
            "[" * 10_000,
            '{"type": "subscribe"}',
        ):
            socket.send_raw(bad)
            socket.expect("error", code="invalid_message")
        for fields in ({"id": "1", "topic": "people"}, {"id": 1.5, "topic": "people"}, {"id": 1, "topic": 7}):
            socket.send("subscribe", **fields)
            socket.expect("error", code="invalid_message")
        for fields, code in (
            ({"topic": "nothing"}, "topic_not_found"),
            ({"topic": "people\0"}, "topic_not_found"),
            ({"topic": "people", "space": "nowhere"}, "space_not_found"),
            ({"topic": "people", "space": "\0"}, "space_not_found"),
            ({"topic": "people", "after": ""}, "invalid_cursor"),
            ({"topic": "people", "after": "garbage"}, "invalid_cursor"),
            ({"topic": "people", "after": "-1"}, "invalid_cursor"),
        ):
            socket.send("subscribe", id=1, **fields)
            socket.expect("error", id=1, code=code)
        socket.send("unsubscribe", id=1)
        socket.expect("error", id=1, code="subscription_not_found")
        socket.subscribe(1, "people")
        list(socket.batches())
        socket.send("subscribe", id=1, topic="spaces")
        socket.expect("error", id=1, code="subscription_exists")
        socket.send("unsubscribe", id=1)
        socket.expect("unsubscribed", id=1)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (["x"], 4000),
        ([b"\x00\xff\xfe"], 4000),
        (['{"type": "subscribe", "id": 1, "topic": "people"}'], 4000),
        (['{"type": "heartbeat"}'], 4000),
        (["hello", "hello"], 4000),
        (['{"type": "hello", "protocol": "stele.sync.v1", "token": "stele"}'], 4003),
        (['{"type": "hello", "protocol": "stele.sync.v0", "token": "stele"}'], 4004),
        (["hello", '{"type": "unsubscribe", "id": 1, "x": "' + "x" * SYNC_MESSAGE_BYTES_MAX + '"}'], 4009),
        (["hello", b"\x00" * (SYNC_MESSAGE_BYTES_MAX + 1)], 4009),
        (["hello", "x" * 100_000], 1009),
    ],
)
def test_who_breaks_the_protocol_is_closed_with_a_code(
    hub: RunningHub, token: str, frames: list[Any], code: int
) -> None:
    with opened(hub) as socket:
        for frame in frames:
            if frame == "hello":
                socket.send("hello", protocol=PROTOCOL, token=token)
            else:
                socket.send_raw(frame)
        assert socket.closed()[0] == code
    with opened(hub, token) as after:
        after.subscribe(1, "people")


def test_I12_the_subscriptions_of_a_socket_are_bounded(hub: RunningHub, token: str) -> None:
    with opened(hub, token) as socket:
        for id in range(SUBSCRIPTIONS_PER_SOCKET_MAX + 1):
            socket.send("subscribe", id=id, topic="spaces")
        answers: list[dict[str, Any]] = []
        while sum(one["type"] == "batch" for one in answers) < SUBSCRIPTIONS_PER_SOCKET_MAX:
            answers.append(socket.receive())
        refused = [one for one in answers if one["type"] == "error"]
        assert [(one["id"], one["code"]) for one in refused] == [
            (SUBSCRIPTIONS_PER_SOCKET_MAX, "too_many_subscriptions")
        ]


def test_an_idle_cursor_moves_forward_with_the_heartbeat(
    hub: RunningHub, caller: httpx.Client, idle: tuple[Socket, str, float]
) -> None:
    """The only test that waits for one; the others have run meanwhile."""
    socket, cursor, opened_at = idle
    said = say(caller, "room", "Somewhere else.")["position"]
    until(lambda: time.monotonic() > opened_at + HEARTBEAT_SECONDS - 1.0)
    heads: list[dict[str, Any]] = []
    while not heads or _position(heads[0]["cursor"]) < said:
        message = socket.expect("heartbeat")
        socket.send("heartbeat")
        heads = message["heads"]
        assert [head["id"] for head in heads] == [7]
        assert _position(cursor) <= _position(heads[0]["cursor"]) <= _position(heads[0]["head"])
    try:
        socket.receive(0.2)
    except TimeoutError:
        return
    except ConnectionClosed as closed:
        raise AssertionError("a client that answers stays") from closed


def _position(cursor: str) -> int:
    return int(cursor.rsplit(".", 1)[1])
