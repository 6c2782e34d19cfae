"""Who talks to a hub in these tests: tenants over HTTP, and what a problem has to look like."""

import http.client
import json
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.hub import RunningHub, until

DECISION = "Okay, so we decided to go with the wooden case for the first version."
"""Words that the planner proposes a `note` about."""


def tenant(hub: RunningHub, name: str) -> str:
    """The token of an agent of its own, made at first use. It is an owner, not an operator."""
    file = hub.data.with_name(f"{hub.data.name}.{name}.token")
    if not file.exists():
        hub.stele("agents", "create", name, "--token-file", str(file), "--data", str(hub.data))
    return file.read_text().strip()


@contextmanager
def client(hub: RunningHub, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=hub.ready["url"], headers=headers, timeout=30.0) as found:
        yield found


def post(caller: httpx.Client, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
    return caller.post(path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})


def created(response: httpx.Response) -> dict[str, Any]:
    """The answer to a command that was carried out."""
    assert response.status_code in (200, 201), response.text
    answer: dict[str, Any] = response.json()
    return answer


def say(caller: httpx.Client, space: str, *texts: str, speaker: str = "Ada") -> dict[str, Any]:
    """Record texts in a space as one batch."""
    chunks = [{"speaker": speaker, "text": text} for text in texts]
    return created(post(caller, f"/v1/spaces/{space}/transcript/batch", {"chunks": chunks}))


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem (RFC 9457) that a response is."""
    assert (response.status_code, _code(response)) == (status, code), response.text[:500]
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["type"] == f"urn:stele:problem:{code}"
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert len(response.content) < 10_000
    return found


def _code(response: httpx.Response) -> str:
    try:
        return str(response.json()["code"])
    except (ValueError, KeyError, TypeError):
        return f"not a problem: {response.headers.get('content-type')}"


def events(caller: httpx.Client, after: int = 0) -> list[dict[str, Any]]:
    """Every event of the agent after a position."""
    found: list[dict[str, Any]] = []
    while True:
        page = caller.get("/v1/log", params={"after": after, "limit": 1000}).json()
        found += page["events"]
        after = page["position"]
        if page["caught_up"]:
            return found


def entries(caller: httpx.Client, topic: str, **params: Any) -> list[dict[str, Any]]:
    """Every entry of a topic, page by page, as it is at the log's head at least."""
    found: list[dict[str, Any]] = []
    after = None
    params["min_position"] = caller.get("/v1/log", params={"limit": 1}).json()["head"]
    while True:
        page = caller.get(f"/v1/topics/{topic}/entries", params={**params, **({"after": after} if after else {})})
        assert page.status_code == 200, page.text
        found += page.json()["entries"]
        after = page.json()["cursor"]
        if page.json()["caught_up"]:
            return found


def proposal(caller: httpx.Client, space: str) -> dict[str, Any]:
    """Say something that has to be decided on, and wait for the action that is proposed."""
    position = say(caller, space, DECISION)["position"]

    def proposed() -> list[dict[str, Any]]:
        listed = caller.get("/v1/actions", params={"limit": 1000}).json()["entries"]
        return [one["value"] for one in listed if position in one["value"]["rests_on"]]

    found: dict[str, Any] = until(proposed, 30.0)[0]
    return found


def raw(caller: httpx.Client, request: bytes) -> httpx.Response:
    """The answer to exactly these bytes, which need not be a whole request."""
    with socket.create_connection((caller.base_url.host, caller.base_url.port or 80), timeout=30) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def head(caller: httpx.Client, path: str, *headers: str) -> bytes:
    """The head of a POST, without the empty line at its end."""
    own = f"Host: {caller.base_url.host}\r\nAuthorization: {caller.headers['Authorization']}\r\n"
    own += f"Idempotency-Key: {uuid.uuid4()}\r\nContent-Type: application/json\r\n"
    own += "".join(f"{one}\r\n" for one in headers)
    return f"POST {path} HTTP/1.1\r\n{own}".encode()


def status(caller: httpx.Client, action_id: str) -> str:
    return str(caller.get(f"/v1/actions/{action_id}").json()["value"]["status"])


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
