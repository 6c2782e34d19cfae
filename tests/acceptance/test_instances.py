"""Several hubs on one machine do not meet, and a hub can be given servers that are not its own."""

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from websockets.sync.client import connect

from tests.acceptance.callers import client, created, entries, events, post, problem, say
from tests.acceptance.sockets import Socket, opened
from tests.hub import STELE, RunningHub, until
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
    with opened(hub) as stranger_too:
        stranger_too.send("hello", protocol="stele.sync.v1", token=second.token)
        assert stranger_too.closed()[0] == 4003
    with opened(hub, hub.token) as lost, client(second, second.token) as other:
        head = other.get("/v1/topics/people/entries").json()["head"]
        lost.send("subscribe", id=1, topic="people", after=head)
        lost.expect("must_refetch", reason="epoch")


@contextmanager
def _another_server(hub: RunningHub) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A second serving process of the same hub, and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    servers = {"STELE_POSTGRES_URL": hub.ready["postgres_url"], "STELE_NATS_URL": hub.ready["nats_url"]}
    servers["STELE_MASTER_KEY_FILE"] = str(hub.data / "master.key")
    with subprocess.Popen([*STELE, "serve"], env={**os.environ, **servers, "STELE_PORT": port}) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _answers(url))
            yield url, process
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _say_once(caller: httpx.Client, text: str, key: str) -> httpx.Response:
    return post(caller, "/v1/spaces/shared/transcript", {"speaker": "Ada", "text": text}, key=key)


def test_two_servers_of_one_hub_are_one_hub(second: RunningHub) -> None:
    with _another_server(second) as (url, process), ExitStack() as open_:
        one = open_.enter_context(client(second, second.token))
        other = open_.enter_context(httpx.Client(base_url=url, headers=one.headers, timeout=30.0))
        created(post(one, "/v1/spaces", {"name": "shared"}))
        address = url.replace("http", "ws", 1) + "/v1/sync"
        following = Socket(open_.enter_context(connect(address, compression=None)))
        following.hello(second.token)
        following.subscribe(1, "transcripts", space="shared")
        following.expect("batch", caught_up=True, entries=[])
        for n in range(20):
            text, key = f"Sent to both, number {n}.", str(uuid.uuid4())
            with ThreadPoolExecutor(2) as threads:
                sending = [threads.submit(_say_once, caller, text, key) for caller in (one, other)]
            first, again = (sent.result() for sent in sending)
            assert (first.status_code, first.content) == (again.status_code, again.content) == (201, first.content)
            batch = following.expect("batch", id=1)
            assert [entry["value"]["text"] for entry in batch["entries"]] == [text]
        assert len(entries(other, "transcripts", space="shared")) == 20
        process.terminate()
        assert following.closed()[0] == 4010, "it is sent away, to come again with its cursors"
        assert process.wait(10) == 0


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
