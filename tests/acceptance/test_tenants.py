"""Two tenants of one hub, over HTTP and sync: every operation there is, with the other one's ids (invariant I10)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from msgspec import Struct

from projections.topics import TOPICS
from tests.acceptance.callers import client, created, entries, events, post, proposal, say, tenant
from tests.acceptance.sockets import opened, snapshot
from tests.hub import RunningHub

SECRET = "Nobody else may read of the marzipan"
_CHUNK = {"speaker": "Thief", "text": "Let me in."}
_BODIES: dict[str, Any] = {
    "/v1/spaces/{space}/transcript": _CHUNK,
    "/v1/spaces/{space}/transcript/batch": {"chunks": [_CHUNK]},
    "/v1/actions/{action_id}/approve": {"arguments_sha256": "0" * 64},
}
"""Where `{}` is not enough to be understood."""
_OF_THE_HUB = {"/livez", "/readyz", "/metrics", "/v1/projections"}
"""Paths that hold nothing of a tenant's; what is below /v1/projections needs the role `operator`."""


class Tenant(Struct):
    """Somebody with a space, people, an action, and their ids."""

    token: str
    ids: dict[str, list[str]]
    """By the name of the parameter that takes them."""


@pytest.fixture(scope="module")
def victim(hub: RunningHub) -> Tenant:
    token = tenant(hub, "victim")
    with client(hub, token) as caller:
        created(post(caller, "/v1/spaces", {"name": "secret-room", "title": SECRET}))
        say(caller, "secret-room", f"{SECRET}.", speaker=f"{SECRET} maker")
        proposal(caller, "secret-room")
        streams = sorted({event["stream_id"] for event in events(caller)})
        people = [entry["key"] for entry in entries(caller, "people")]
        actions = [entry["key"] for entry in entries(caller, "actions")]
        spaces = [entry["key"] for entry in entries(caller, "spaces")]
    assert all([people, actions, spaces])
    ids = {"stream_id": streams, "person_id": people, "action_id": actions, "space": [*spaces, "secret-room"]}
    return Tenant(token, {**ids, "topic": list(TOPICS)})


def test_I10_no_operation_tells_or_changes_anything_of_another_tenant(hub: RunningHub, victim: Tenant) -> None:
    """All that the OpenAPI document lists, so that a new operation is tried as well."""
    everything = {id for name in ("stream_id", "person_id", "action_id", "space") for id in victim.ids[name]}
    with client(hub, victim.token) as mine:
        before = events(mine)
        tried = set()
        with client(hub, tenant(hub, "thief")) as thief:
            for method, path, parameters in _operations(thief):
                for url in _filled(path, parameters, victim):
                    key = {"Idempotency-Key": str(uuid.uuid4())}
                    answer = thief.request(method, url, json=_BODIES.get(path, {}), headers=key)
                    tried.add(path)
                    told = answer.text.replace(url, "")  # a problem names what was asked for
                    assert "marzipan" not in told, url
                    assert not any(id in told for id in everything - set(url.split("/"))), url
                    if "{" in path.replace("{topic}", ""):
                        assert answer.status_code == 404, f"{method} {url}: {answer.text}"
                    assert answer.status_code < 500, answer.text
        assert len(tried) >= 15
        assert events(mine) == before


def test_I10_what_tenants_read_goes_by_the_databases_policy(hub: RunningHub, victim: Tenant) -> None:
    """With the policy closed, HTTP and sync show nothing: it is not the statements' conditions alone that hold."""
    with client(hub, victim.token) as caller:
        assert events(caller)
        assert entries(caller, "spaces")
        assert snapshot(hub, victim.token, "spaces")
        with opened(hub, victim.token) as socket, _closed(hub, "stele.entries"):
            assert caller.get("/v1/topics/spaces/entries").json()["entries"] == []
            socket.subscribe(1, "spaces")
            assert [entry for batch in socket.batches() for entry in batch["entries"]] == []
        with _closed(hub, "stele.log"):
            stream = f"/v1/streams/{victim.ids['action_id'][0]}"
            assert caller.get(stream).status_code in (401, 404)
            assert caller.get("/v1/log").json().get("events", []) == []
        with client(hub, victim.token) as again:
            assert events(again)


@contextmanager
def _closed(hub: RunningHub, table: str) -> Iterator[None]:
    """No tenant sees anything of a table."""
    with psycopg.connect(hub.ready["postgres_url"], autocommit=True) as connection:
        connection.execute(f"ALTER POLICY tenant ON {table} USING (false)".encode())
        try:
            yield
        finally:
            connection.execute(f"ALTER POLICY tenant ON {table} USING (agent_id = (SELECT stele.tenant_v1()))".encode())


def _operations(caller: httpx.Client) -> Iterator[tuple[str, str, list[str]]]:
    """Method, path and query parameters of all that a tenant can ask for."""
    for path, operations in caller.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            query = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            if path not in _OF_THE_HUB:
                yield method.upper(), path, query


def _filled(path: str, query: list[str], victim: Tenant) -> Iterator[str]:
    """The path with each of the victim's ids in its place, and for a list, its parameters."""
    places = [name for name in victim.ids if f"{{{name}}}" in path]
    urls = [path]
    for name in places:
        urls = [url.replace(f"{{{name}}}", id) for url in urls for id in victim.ids[name]]
    for url in urls:
        yield url
        for name in query:
            for id in victim.ids.get(name, []):
                yield f"{url}?{name}={id}"
