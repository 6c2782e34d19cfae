"""What strangers and mistakes must not get: a body read, a space that is none, a token that is not theirs."""

import socket
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.hub import RunningHub, until, write_meeting


def test_I12_a_body_of_somebody_without_a_token_is_not_waited_for(hub: RunningHub) -> None:
    """The answer comes although not one byte of the body was sent."""
    address = urlsplit(hub.ready["url"])
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=5) as stranger:
        stranger.sendall(b"POST /v1/spaces HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000\r\n\r\n")
        answer = stranger.recv(4096)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"application/problem+json" in answer


def test_I8_another_stream_of_the_agent_is_no_space(hub: RunningHub) -> None:
    with hub.client() as client:
        agent = client.get("/v1/log", params={"limit": 1}).json()["events"][0]["agent_id"]
        head = client.get("/v1/log", params={"limit": 1}).json()["head"]
        answer = client.post(
            f"/v1/spaces/{agent}/transcript",
            json={"speaker": "A", "text": "Is this a space?"},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        entries = client.get("/v1/topics/transcripts/entries", params={"space": agent})
        assert client.get("/v1/log", params={"limit": 1}).json()["head"] == head
    for refused in (answer, entries):
        assert (refused.status_code, refused.json()["code"]) == (httpx.codes.NOT_FOUND, "space_not_found")


def test_a_verification_leaves_nothing_behind(hub: RunningHub) -> None:
    assert [one["outcome"] for one in hub.lines("projections", "verify", "people")] == ["equal"]
    assert {one["state"] for one in hub.lines("projections", "list")} == {"live"}


def test_the_owners_token_goes_to_no_other_hub(hub: RunningHub) -> None:
    elsewhere = RunningHub(hub.data, STELE_URL="http://127.0.0.1:9")
    refused = elsewhere.stele("log", expect=2)
    assert "set STELE_TOKEN" in refused.stderr
    own = RunningHub(hub.data, STELE_URL=hub.ready["url"])
    own.stele("log")


def test_I7_what_is_approved_is_shown(hub: RunningHub, tmp_path: Path) -> None:
    """The exact arguments' digest, before the answer."""
    write_meeting(tmp_path / "m.jsonl", 40)
    hub.stele("ingest", str(tmp_path / "m.jsonl"), "--space", "shown")
    proposed = until(lambda: hub.lines("actions", "list", "--space", "shown", "--status", "proposed"))[0]
    assert proposed["arguments_sha256"] in hub.stele("actions", "approve", proposed["action_id"]).stderr
