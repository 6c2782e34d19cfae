"""Whoever runs a hub sees a projection that stopped, finds drift, and corrects it; clients are told what they need."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from adapters.postgres.appender import Appender
from domain.actions import ActionApproved
from domain.events import NewEvent
from domain.ports import Appended, Transaction
from tests.acceptance.callers import client, created, post, problem, say
from tests.hub import RunningHub, until
from workers.parts import TimeOrderedIds

LINES = 500


@pytest.fixture(scope="module")
def operated(scratch: Path) -> Iterator[RunningHub]:
    """A hub for these tests alone."""
    running = RunningHub(scratch / "operated")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def caller(operated: RunningHub) -> Iterator[httpx.Client]:
    with client(operated, operated.token) as found:
        created(post(found, "/v1/spaces", {"name": "talk"}))
        said = say(found, "talk", *(f"Remark {n}." for n in range(LINES)))
        until(lambda: _entries(found, min_position=said["position"]))
        yield found


def _entries(caller: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = caller.get("/v1/topics/transcripts/entries", params={"limit": 1_000, **asked}).json()
    return answer


def _problems(caller: httpx.Client) -> list[str]:
    return caller.get("/readyz").json()["problems"] or []


def _one(hub: RunningHub, topic: str) -> dict[str, Any]:
    [found] = [one for one in hub.lines("projections", "list") if (one["topic"], one["state"]) == (topic, "live")]
    return found


def test_drift_is_found_and_corrected_and_clients_fetch_anew(operated: RunningHub, caller: httpx.Client) -> None:
    cursor, entry = _entries(caller)["cursor"], _entries(caller)["entries"][LINES // 2]
    with psycopg.connect(operated.ready["postgres_url"]) as owner:
        changed = b'{"text":"Nobody has said that."}'
        drifted = owner.execute("UPDATE stele.entries SET value = %s WHERE key = %s", [changed, entry["key"]])
        assert drifted.rowcount == 1

    found = operated.stele("projections", "verify", "transcripts", "--json", expect=1)
    outcome = json.loads(found.stdout)
    assert (outcome["outcome"], outcome["differences"]) == ("different", 1)
    assert (outcome["first_difference"]["key"], outcome["first_difference"]["position"]) == (
        entry["key"],
        entry["position"],
    )
    shown = operated.stele("projections", "verify", "transcripts", expect=1).stdout
    assert f"1 entries differ, first {entry['key']} at position {entry['position']} (differs)" in shown

    rebuilt = operated.stele("projections", "rebuild", "transcripts").stdout
    assert "clients fetch the topic anew" in rebuilt
    refused = problem(caller.get("/v1/topics/transcripts/entries", params={"after": cursor}), 409, "must_refetch")
    assert refused["reason"] == "projection_version"
    anew = _entries(caller)
    assert anew["entries"][LINES // 2]["value"] == entry["value"]
    assert _one(operated, "transcripts")["revision"] == 1
    assert [one["outcome"] for one in operated.lines("projections", "verify", "transcripts")] == ["equal"]

    [again] = operated.lines("projections", "rebuild", "transcripts")
    assert (again["outcome"], again["cursors"], again["differences"]) == ("rebuilt", "kept", 0)
    assert caller.get("/v1/topics/transcripts/entries", params={"after": anew["cursor"]}).json()["entries"] == []


def test_as_much_is_built_at_a_time_as_may_be(operated: RunningHub, caller: httpx.Client) -> None:
    """The slow ones take seconds; whoever comes meanwhile is told to come again."""
    slowly = {"max_events_per_second": LINES // 3}

    def verified(topic: str) -> httpx.Response:
        return caller.get(f"/v1/projections/{topic}/verification", params=slowly)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(verified, ["transcripts"] * 4))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 2
    for answer in refused:
        problem(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
    assert all(
        json.loads(answer.text.splitlines()[-1])["outcome"] == "equal" for answer in answers if answer.is_success
    )
    assert caller.get("/v1/projections/people/verification").status_code == 200, "there is room again"


@pytest.mark.parametrize("rate", ["0", "-1", "x"])
def test_a_rate_that_is_none_is_refused(operated: RunningHub, caller: httpx.Client, rate: str) -> None:
    problem(
        caller.get("/v1/projections/people/verification", params={"max_events_per_second": rate}),
        422,
        "invalid_request",
    )
    done = operated.stele("projections", "verify", "people", "--max-events-per-second", rate, expect=2)
    assert len(done.stderr.splitlines()) == 1


def test_a_poisoned_event_is_shown_and_stops_one_topic_until_it_is_fixed(
    operated: RunningHub, caller: httpx.Client
) -> None:
    """No command makes such an event; a fault of ours might."""
    position = asyncio.run(_approve_what_was_never_proposed(operated))
    until(lambda: _problems(caller))
    assert _problems(caller) == [f"topic actions stopped at position {position}: ValueError"]
    problem(caller.get("/readyz"), 503, "not_ready")
    shown = _one(operated, "actions")
    assert (shown["position"], shown["error_position"]) == (position - 1, position)
    assert "never proposed" in shown["error"]
    listed = operated.stele("projections", "list").stdout
    assert f"stopped at {position}: actions stopped at position {position}: ValueError: " in listed

    said = say(caller, "talk", "The others go on.")
    until(
        lambda: _entries(caller, min_position=said["position"])["entries"][-1]["value"]["text"] == "The others go on."
    )
    assert _one(operated, "actions")["position"] == position - 1

    with _fixed_projector(operated) as fixed:
        try:
            until(lambda: _one(operated, "actions")["position"] >= said["position"], 30.0)
        finally:
            fixed.terminate()
    assert _problems(caller) == []
    assert _one(operated, "actions")["error"] is None


async def _approve_what_was_never_proposed(hub: RunningHub) -> int:
    ids = TimeOrderedIds()
    action, event = ids.new(), ids.new()
    agent = UUID(hub.lines("log")[0]["agent_id"])
    payload = ActionApproved(action, ids.new(), "note", "0" * 64, 1, "somebody", datetime.now(UTC))
    async with Appender(hub.ready["postgres_url"]) as appender:
        new = NewEvent(event, action, 1, payload, datetime.now(UTC), "test", None, event, None)
        appended = await appender.append(Transaction(agent, (new,), ()))
    assert isinstance(appended, Appended)
    return appended.last_position


def _fixed_projector(hub: RunningHub) -> subprocess.Popen[bytes]:
    """As of a release whose fold of `actions` passes over such an event; the hub's own tries every few seconds."""
    environment = {**os.environ, "STELE_POSTGRES_URL": hub.ready["postgres_url"], "STELE_DATA": str(hub.data)}
    return subprocess.Popen([sys.executable, "-m", "tests.integration.releases", "actions fixed"], env=environment)
