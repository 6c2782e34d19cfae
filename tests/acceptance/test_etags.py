"""Optimistic concurrency over HTTP: a stream's version is its aggregate's ETag, and commands can be bound to it."""

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.callers import client, created, events, post, problem, proposal, status, tenant
from tests.hub import RunningHub, until

ROUNDS = 10


@pytest.fixture(scope="module")
def caller(hub: RunningHub) -> Iterator[httpx.Client]:
    with client(hub, tenant(hub, "etags")) as found:
        created(post(found, "/v1/spaces", {"name": "room"}))
        yield found


@pytest.fixture
def action(caller: httpx.Client) -> dict[str, Any]:
    return proposal(caller, "room")


def decide(caller: httpx.Client, action: dict[str, Any], what: str, if_match: str, key: str = "") -> httpx.Response:
    headers = {"Idempotency-Key": key or str(uuid.uuid4()), "If-Match": if_match}
    return caller.post(f"/v1/actions/{action['action_id']}/{what}", json={}, headers=headers)


def test_an_action_has_the_version_of_its_stream_as_its_etag(caller: httpx.Client, action: dict[str, Any]) -> None:
    path = f"/v1/actions/{action['action_id']}"
    before = caller.get(path)
    assert before.headers["etag"] == '"1"'
    position = created(decide(caller, action, "reject", before.headers["etag"]))["position"]
    after = caller.get(path, params={"min_position": position})
    assert (after.headers["etag"], after.json()["value"]["status"]) == ('"2"', "rejected")
    assert after.headers["etag"] == caller.get(f"/v1/streams/{action['action_id']}").headers["etag"]


def test_who_has_it_already_is_not_sent_it_again(caller: httpx.Client, action: dict[str, Any]) -> None:
    person = action["person_ids"][0]
    for path in (f"/v1/actions/{action['action_id']}", f"/v1/people/{person}", "/v1/spaces/room"):
        found = caller.get(path)
        for tag in (found.headers["etag"], f'"99", W/{found.headers["etag"]}', "*"):
            same = caller.get(path, headers={"If-None-Match": tag})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", found.headers["etag"])
        for tag in ('"99"', '"x"'):
            assert caller.get(path, headers={"If-None-Match": tag}).content == found.content
        problem(caller.get(path, headers={"If-None-Match": "1"}), 400, "invalid_etag")


def test_a_decision_about_another_version_is_refused_and_nothing_is_written(
    caller: httpx.Client, action: dict[str, Any]
) -> None:
    before = events(caller)[-1]["position"]
    for what in ("approve", "reject"):
        for tag in ('"2"', '"0"', '"abc"', 'W/"1"'):
            problem(decide(caller, action, what, tag), 412, "version_mismatch")
        for tag in ("1", '"1', "'1'", '*, "1"'):
            problem(decide(caller, action, what, tag), 400, "invalid_etag")
    assert events(caller, before) == []
    assert status(caller, action["action_id"]) == "proposed"
    created(decide(caller, action, "reject", '"5", "1"'))


def test_any_version_will_do_but_there_must_be_one(caller: httpx.Client, action: dict[str, Any]) -> None:
    nobody = {"action_id": str(uuid.uuid4())}
    problem(decide(caller, nobody, "approve", "*"), 412, "version_mismatch")
    created(decide(caller, action, "reject", "*"))


def test_the_precondition_is_part_of_the_request_that_a_key_stands_for(
    caller: httpx.Client, action: dict[str, Any]
) -> None:
    key = str(uuid.uuid4())
    first = decide(caller, action, "reject", '"1"', key)
    again = decide(caller, action, "reject", '"1"', key)
    assert (first.status_code, again.content) == (200, first.content)
    problem(decide(caller, action, "reject", '"2"', key), 422, "idempotency_key_reused")


def test_of_two_who_saw_the_same_version_one_decides(hub: RunningHub, caller: httpx.Client) -> None:
    """However they meet: the expected version is part of what is appended."""
    for _ in range(ROUNDS):
        answers = at_once(hub, proposal(caller, "room"))
        assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
        for answer in answers:
            if answer.status_code != 200:
                problem(answer, 412, "version_mismatch")


def at_once(hub: RunningHub, action: dict[str, Any]) -> list[httpx.Response]:
    """Two approvals and two rejections, as near to each other as threads can be."""
    answers: list[httpx.Response] = []
    ready = threading.Barrier(4)

    def send(what: str) -> None:
        with client(hub, tenant(hub, "etags")) as one:
            one.get("/livez")
            ready.wait()
            answers.append(decide(one, action, what, '"1"'))

    threads = [threading.Thread(target=send, args=[what]) for what in ("approve", "reject") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_the_command_line_approves_what_it_has_shown(hub: RunningHub, caller: httpx.Client) -> None:
    action = proposal(caller, "room")
    mine = RunningHub(hub.data, STELE_TOKEN=tenant(hub, "etags"))
    assert mine.lines("actions", "approve", action["action_id"], "--yes")[0]["status"] == "approved"
    until(lambda: status(caller, action["action_id"]) == "succeeded", 30.0)
    again = mine.stele("actions", "approve", action["action_id"], "--yes", expect=2)
    assert "action_not_proposed: " in again.stderr
