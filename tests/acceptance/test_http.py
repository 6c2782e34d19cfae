"""HTTP: what is bad gets a problem with a stable code and writes nothing; what is good happens once."""

import socket
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings

from adapters.http import aggregates, commands, queries
from domain.limits import BODY_BYTES_MAX
from projections.topics import TOPICS
from tests.acceptance.bad_requests import BODIES, KEYS, QUERIES, Bad
from tests.acceptance.callers import (
    client,
    created,
    entries,
    events,
    head,
    post,
    problem,
    proposal,
    raw,
    say,
    status,
    tenant,
)
from tests.hub import RunningHub

CHUNK = "/v1/spaces/room/transcript"
HELLO = {"speaker": "Ada", "text": "Hello."}


@pytest.fixture(scope="module")
def caller(hub: RunningHub) -> Iterator[httpx.Client]:
    """An owner with an agent of their own and a space `room`, so that nobody else writes there."""
    with client(hub, tenant(hub, "http")) as found:
        created(post(found, "/v1/spaces", {"name": "room"}))
        yield found


@pytest.fixture(scope="module")
def action(caller: httpx.Client) -> dict[str, Any]:
    """A proposed action that nobody decides."""
    return proposal(caller, "room")


@pytest.fixture
def unchanged(caller: httpx.Client) -> Iterator[None]:
    """The agent's log is the same after the test."""
    before = events(caller)[-1]["position"]
    yield
    assert events(caller, before) == []


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("bad", BODIES, ids=lambda bad: bad.name)
def test_a_bad_request_gets_a_problem_and_writes_nothing(caller: httpx.Client, bad: Bad) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    problem(caller.post(bad.path, content=bad.body, headers=headers), bad.status, bad.code)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_sent_as_json_is_not_guessed_at(caller: httpx.Client, kind: str) -> None:
    headers = {"Content-Type": kind, "Idempotency-Key": str(uuid.uuid4())}
    answer = caller.post(CHUNK, content=b'{"speaker": "Ada", "text": "x"}', headers=headers)
    assert "application/json" in problem(answer, 415, "unsupported_media_type")["detail"]


@pytest.mark.usefixtures("unchanged")
def test_a_body_over_the_limit_is_refused_however_it_is_sent(caller: httpx.Client) -> None:
    declared = head(caller, CHUNK, f"Content-Length: {BODY_BYTES_MAX + 1}") + b"\r\n"
    problem(raw(caller, declared), 413, "body_too_large")
    whole = head(caller, CHUNK, "Transfer-Encoding: chunked") + b"\r\n%x\r\n" % (BODY_BYTES_MAX + 1)
    problem(raw(caller, whole + b" " * (BODY_BYTES_MAX + 1)), 413, "body_too_large")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_malformed_idempotency_key_is_refused(caller: httpx.Client, key: bytes) -> None:
    answer = caller.post(CHUNK, json=HELLO, headers=[(b"Idempotency-Key", key)])
    problem(answer, 400, "idempotency_key_invalid")
    problem(caller.post(CHUNK, json=HELLO), 400, "idempotency_key_missing")


@pytest.mark.parametrize(("path", "status", "code"), QUERIES)
def test_a_bad_question_gets_a_problem(caller: httpx.Client, path: str, status: int, code: str) -> None:
    problem(caller.get(path), status, code)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_cursor_that_cannot_be_continued_says_why(caller: httpx.Client, topic: str) -> None:
    path = f"/v1/topics/{topic}/entries"
    epoch, version, position = caller.get(path).json()["head"].split(".")
    other = f"{int(epoch, 16) ^ 1:08x}"
    for cursor, reason in (
        (f"{other}.{version}.{position}", "epoch"),
        (f"{epoch}.{int(version) + 1}.{position}", "projection_version"),
        (f"{epoch}.{version}.{int(position) + 1_000_000}", "ahead"),
    ):
        answer = caller.get(path, params={"after": cursor})
        assert problem(answer, 409, "must_refetch")["reason"] == reason
    assert caller.get(path, params={"after": f"{epoch}.{version}.{position}"}).json()["entries"] == []


def test_a_request_that_breaks_off_is_not_carried_out(caller: httpx.Client, action: dict[str, Any]) -> None:
    """Without its body an approval would be one of whatever the arguments are."""
    for length in ("Transfer-Encoding: chunked", "Content-Length: 90"):
        with socket.create_connection((caller.base_url.host, caller.base_url.port or 80)) as half:
            half.sendall(head(caller, f"/v1/actions/{action['action_id']}/approve", length) + b"\r\n")
    say(caller, "room", "After that.")  # the hub has gone on by then
    assert status(caller, action["action_id"]) == "proposed"


def test_I10_a_token_of_another_agent_learns_nothing(
    hub: RunningHub, caller: httpx.Client, action: dict[str, Any]
) -> None:
    """What is there and what is not looks the same from outside: 404, with the same code."""
    space, there = action["space_id"], action["action_id"]
    before = events(caller)
    with client(hub, tenant(hub, "other")) as other:
        for place in (space, "room", str(uuid.uuid4())):
            problem(post(other, f"/v1/spaces/{place}/transcript", HELLO), 404, "space_not_found")
            for topic in TOPICS:
                problem(other.get(f"/v1/topics/{topic}/entries?space={place}"), 404, "space_not_found")
        for action_id in (there, str(uuid.uuid4())):
            shown = {"arguments_sha256": action["arguments_sha256"]}
            problem(other.get(f"/v1/actions/{action_id}"), 404, "action_not_found")
            problem(post(other, f"/v1/actions/{action_id}/approve", shown), 404, "action_not_found")
            problem(post(other, f"/v1/actions/{action_id}/reject", {}), 404, "action_not_found")
        mine = {event["agent_id"] for event in events(caller)}
        assert mine.isdisjoint(event["agent_id"] for event in events(other))
        start = f"{other.get('/v1/projections').json()['epoch']}.1.1"
        for topic in TOPICS:
            seen = {entry["key"] for entry in entries(caller, topic)}
            assert seen.isdisjoint(entry["key"] for entry in entries(other, topic))
            assert seen.isdisjoint(
                e["key"] for e in other.get(f"/v1/topics/{topic}/entries?after={start}").json()["entries"]
            )
    assert events(caller) == before


def test_I10_a_token_is_good_only_whole(hub: RunningHub, caller: httpx.Client) -> None:
    mine, other = tenant(hub, "http").split("_"), tenant(hub, "other").split("_")
    wrong = [
        [*mine[:3], "0" * 64],
        [*mine[:3], other[3]],
        [*mine[:2], *other[2:]],
        [mine[0], other[1], *mine[2:]],
        ["stele", "0" * 32, "0" * 32, "0" * 64],
        ["stele"],
    ]
    told = set()
    for token in ("_".join(parts) for parts in wrong):
        with client(hub, token) as nobody:
            found = nobody.get("/v1/log")
            assert found.headers["www-authenticate"].startswith("Bearer")
            told.add(problem(found, 401, "unauthenticated")["detail"])
            problem(post(nobody, CHUNK, HELLO), 401, "unauthenticated")
    assert len(told) == 1, "the answer tells which part was wrong"


def test_the_same_request_with_the_same_key_is_answered_the_same_and_happens_once(caller: httpx.Client) -> None:
    for path, body, expected in (
        (CHUNK, HELLO, 201),
        (CHUNK, {"speaker": "Ada", "text": " "}, 422),
        ("/v1/spaces/nowhere/transcript", HELLO, 404),
        ("/v1/spaces", {"name": "room"}, 409),
    ):
        key = str(uuid.uuid4())
        first = post(caller, path, body, key=key)
        written = len(events(caller))
        again = post(caller, path, body, key=key)
        assert (first.status_code, again.status_code) == (expected, expected)
        assert again.content == first.content
        assert len(events(caller)) == written


def test_a_refusal_is_kept_under_its_key_when_the_reason_is_gone(caller: httpx.Client) -> None:
    key, name = str(uuid.uuid4()), f"later-{uuid.uuid4()}"
    problem(post(caller, f"/v1/spaces/{name}/transcript", HELLO, key=key), 404, "space_not_found")
    created(post(caller, "/v1/spaces", {"name": name}))
    problem(post(caller, f"/v1/spaces/{name}/transcript", HELLO, key=key), 404, "space_not_found")
    created(post(caller, f"/v1/spaces/{name}/transcript", HELLO))


@pytest.mark.parametrize(
    ("path", "body"), [(CHUNK, {**HELLO, "text": "Other."}), (f"{CHUNK}/batch", HELLO), ("/v1/spaces", {"name": "new"})]
)
def test_a_key_is_for_one_request(caller: httpx.Client, path: str, body: dict[str, str]) -> None:
    key = str(uuid.uuid4())
    created(post(caller, CHUNK, HELLO, key=key))
    before = events(caller)[-1]["position"]
    reused = post(caller, path, body, key=key)
    if path == f"{CHUNK}/batch":  # refused for its shape before the key is looked at
        problem(reused, 422, "invalid_request")
        reused = post(caller, path, {"chunks": [HELLO]}, key=key)
    problem(reused, 422, "idempotency_key_reused")
    assert events(caller, before) == []


def test_two_requests_at_once_with_one_key_have_one_effect(hub: RunningHub, caller: httpx.Client) -> None:
    before, key = events(caller)[-1]["position"], str(uuid.uuid4())
    body = {"chunks": [{"speaker": "Ada", "text": f"Remark {n}."} for n in range(200)]}
    answers: list[httpx.Response] = []

    def send() -> None:
        with client(hub, tenant(hub, "http")) as one:
            answers.append(post(one, f"{CHUNK}/batch", body, key=key))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [answer for answer in answers if answer.status_code == 201]
    assert good
    assert len({answer.content for answer in good}) == 1
    for answer in answers:
        if answer not in good:
            problem(answer, 409, "idempotency_key_in_flight")
    assert len(events(caller, before)) == 200


def test_a_read_with_min_position_sees_what_was_written_there(caller: httpx.Client) -> None:
    for n in range(30):
        text = f"Read my writes, number {n}."
        said = say(caller, "room", text)
        page = caller.get("/v1/topics/transcripts/entries?limit=1000", params={"min_position": said["position"]}).json()
        assert page["entries"][-1]["value"]["text"] == text


def test_the_openapi_document_names_every_route_and_each_wants_a_token(hub: RunningHub, caller: httpx.Client) -> None:
    document = caller.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = {(method, path) for path, methods in document["paths"].items() for method in methods}
    routes = [route for router in (commands.router, queries.router, aggregates.router) for route in router.routes]
    there = {(m.lower(), r.path) for r in routes if isinstance(r, APIRoute) for m in r.methods or ()}
    operations = {("get", "/livez"), ("get", "/readyz"), ("get", "/metrics"), ("get", "/v1/projections")}
    operations |= {("get", "/v1/projections/{topic}/verification"), ("put", "/v1/projections/{topic}/rebuild")}
    assert named == there | operations
    with client(hub, "") as nobody:
        for method, path in named - {("get", "/livez"), ("get", "/readyz")}:
            id = uuid.uuid4()
            where = path.format(space="room", topic="people", action_id=id, person_id=id, stream_id=id)
            body = {"name": "x"} if path == "/v1/spaces" else {"chunks": [HELLO]} if "batch" in path else HELLO
            answer = nobody.request(method, where, json=body if method == "post" else None)
            problem(answer, 401, "unauthenticated")


def test_whatever_is_sent_there_is_no_server_error_and_every_error_is_a_problem(
    hub: RunningHub, caller: httpx.Client
) -> None:
    schema = schemathesis.openapi.from_dict(caller.get("/openapi.json").json())

    @given(case=schema.as_strategy())
    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def fuzz(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=hub.ready["url"], headers={"Authorization": caller.headers["Authorization"]})
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == ["application/problem+json"], case.as_curl_command()

    fuzz()
