"""Several hubs on one machine do not meet, and a hub can be given servers that are not its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.acceptance.callers import client, created, entries, events, post, problem, say
from tests.acceptance.sockets import opened
from tests.hub import RunningHub
from workers.up import PROCESSES


@pytest.fixture(scope="module")
def second(scratch: Path) -> Iterator[RunningHub]:
    running = RunningHub(scratch / "second")
    running.start()
    yield running
    running.stop()


def test_two_hubs_side_by_side_share_nothing(hub: RunningHub, second: RunningHub) -> None:
    for part in ("url", "postgres_url", "nats_url", "pid", "token_file"):
        assert hub.ready[part] != second.ready[part]
    with client(hub, hub.token) as one, client(second, second.token) as other:
        heads = [caller.get("/v1/log").json()["head"] for caller in (one, other)]
        created(post(other, "/v1/spaces", {"name": "only-here"}))
        said = say(other, "only-here", "Said in the second hub.")
        assert one.get("/v1/log").json()["head"] == heads[0]
        assert other.get("/v1/log").json()["head"] > heads[1]
        assert [entry["value"]["name"] for entry in entries(other, "spaces")] == ["only-here"]
        assert said["space_id"] not in {entry["key"] for entry in entries(one, "spaces")}
        assert {e["agent_id"] for e in events(one)}.isdisjoint(e["agent_id"] for e in events(other))
    with client(hub, second.token) as stranger:
        problem(stranger.get("/v1/log"), 401, "unauthenticated")
        problem(post(stranger, "/v1/spaces", {"name": "x"}), 401, "unauthenticated")
    with opened(hub) as socket:
        socket.send("hello", protocol="stele.sync.v1", token=second.token)
        assert socket.closed()[0] == 4003
    with opened(hub, hub.token) as socket, client(second, second.token) as other:
        head = other.get("/v1/topics/people/entries").json()["head"]
        socket.send("subscribe", id=1, topic="people", after=head)
        socket.expect("must_refetch", reason="epoch")


def test_a_second_hub_in_the_same_folder_is_refused(second: RunningHub) -> None:
    refused = second.stele("up", "--port", "0", expect=2)
    assert refused.stderr == f"stele: a hub runs in {second.data} already; use another --data for a second one\n"
    with client(second, second.token) as caller:
        assert caller.get("/readyz").json()["status"] == "ready"


def test_a_port_that_is_taken_is_refused(hub: RunningHub, tmp_path: Path) -> None:
    port = hub.ready["url"].rsplit(":", 1)[1]
    refused = RunningHub(tmp_path / "none").stele("up", "--port", port, expect=2)
    assert refused.stderr.startswith(f"stele: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "none" / "postgres").exists()


def test_a_hub_that_is_started_again_is_the_same_hub(second: RunningHub) -> None:
    token, before = second.token, second.ready
    with client(second, token) as caller:
        heard = events(caller)
    second.stop()
    assert second.start() < 30
    assert (second.token, second.ready["postgres_url"]) == (token, before["postgres_url"])
    with client(second, token) as caller:
        assert events(caller) == heard


def test_outside_servers_are_used_and_left_alone(database: str, nats_url: str, scratch: Path) -> None:
    outside = RunningHub(scratch / "outside", STELE_POSTGRES_URL=database, STELE_NATS_URL=nats_url)
    outside.start()
    try:
        children = [child.cmdline() for child in psutil.Process(outside.ready["pid"]).children()]
        assert sorted(command[-1] for command in children) == sorted(PROCESSES)
        assert not (outside.data / "postgres").exists()
        assert not (outside.data / "nats").exists()
        assert (outside.ready["postgres_url"], outside.ready["nats_url"]) == (database, nats_url)
        with client(outside, outside.token) as caller:
            created(post(caller, "/v1/spaces", {"name": "outside"}))
            said = say(caller, "outside", "Kept outside.")["position"]
    finally:
        outside.stop()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT position FROM stele.head").fetchone() == (said,)
    shutil.rmtree(outside.data)
