"""A hub with tools of one's own: they are run when they are approved, and what they do wrong stays theirs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest

from adapters.nats.commands import CommandClient
from adapters.nats.connect import connect
from domain.actions import ApproveAction
from domain.planning import RecordPlan
from domain.ports import Proposal
from domain.refusals import Refusal
from domain.runtime import Cause
from tests.acceptance.callers import client, created, events, post, problem, say, status
from tests.acceptance.tools_for_tests import CODES, NAMES
from tests.hub import RunningHub, until


@pytest.fixture(scope="module")
def equipped(scratch: Path) -> Iterator[RunningHub]:
    running = RunningHub(scratch / "tools", STELE_TOOLS=f"{NAMES},adapters.tools.note:NoteTool")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def caller(equipped: RunningHub) -> Iterator[httpx.Client]:
    with client(equipped, equipped.token) as found:
        created(post(found, "/v1/spaces", {"name": "workshop"}))
        yield found


def _proposed(hub: RunningHub, caller: httpx.Client, tool: str, arguments: dict[str, object]) -> str:
    """Propose as a planner of somebody else's making does."""
    space = UUID(say(caller, "workshop", f"Let us use {tool}.")["space_id"])
    said = events(caller)[-1]

    async def send() -> str:
        nats = await connect(hub.ready["nats_url"], "test")
        planner = CommandClient(nats, "planner")
        cause = Cause(UUID(said["event_id"]), UUID(said["correlation_id"]))
        plan = RecordPlan(space, cause.event_id, (Proposal(tool, f"Use {tool}", arguments, "", (said["position"],)),))
        agent = UUID(said["agent_id"])
        accepted = await planner.send(plan, agent_id=agent, key=said["event_id"], cause=cause)
        proposed = str(accepted.result["action_ids"][0])
        with pytest.raises(Refusal, match="forbidden"):
            await planner.send(ApproveAction(UUID(proposed)), agent_id=agent, key="approve", cause=cause)
        await nats.close()
        return proposed

    action = asyncio.run(send())
    until(lambda: caller.get(f"/v1/actions/{action}").status_code == 200)
    return action


def _ended(caller: httpx.Client, action: str) -> dict[str, Any]:
    until(lambda: status(caller, action) in ("succeeded", "failed", "unknown"))
    found: dict[str, Any] = caller.get(f"/v1/actions/{action}").json()["value"]
    return found


def test_every_bad_tool_ends_as_a_failed_action_and_the_good_one_goes_on(
    equipped: RunningHub, caller: httpx.Client
) -> None:
    executor = equipped.ready["processes"]["executor"]
    actions = {tool: _proposed(equipped, caller, tool, {"text": "x"}) for tool in CODES}
    for action in actions.values():
        created(post(caller, f"/v1/actions/{action}/approve"))
    assert {tool: _ended(caller, action)["failure"]["code"] for tool, action in actions.items()} == CODES
    note = _proposed(equipped, caller, "note", {"text": "Still here."})
    created(post(caller, f"/v1/actions/{note}/approve"))
    assert _ended(caller, note)["result"]["note"] == {"text": "Still here."}
    assert psutil.Process(executor).cmdline()[-1] == "executor", "it was not taken along"


def test_I7_a_tool_is_run_only_after_the_approval_of_exactly_what_it_is_given(
    equipped: RunningHub, caller: httpx.Client
) -> None:
    arguments: dict[str, object] = {
        "text": "ünïcode \u2028 \U0001f600",
        "n": 2**53 - 1,
        "deep": {"b": [None, True], "a": {}},
    }
    action = _proposed(equipped, caller, "echo", arguments)
    shown = caller.get(f"/v1/actions/{action}").json()["value"]
    assert (shown["status"], shown["arguments"]) == ("proposed", arguments)
    other = {"arguments_sha256": "0" * 64}
    problem(post(caller, f"/v1/actions/{action}/approve", other), 409, "approval_mismatch")
    assert status(caller, action) == "proposed"
    created(post(caller, f"/v1/actions/{action}/approve", {"arguments_sha256": shown["arguments_sha256"]}))
    assert _ended(caller, action)["result"] == {"said": arguments, "effect": action}
    problem(post(caller, f"/v1/actions/{action}/approve"), 409, "action_not_proposed")
    problem(post(caller, f"/v1/actions/{action}/reject", {}), 409, "action_not_proposed")
    types = [event["type"].rsplit(".", 1)[1] for event in events(caller) if event["stream_id"] == action]
    assert types == ["ActionProposed", "ActionApproved", "ActionStarted", "ActionSucceeded"]


@pytest.mark.parametrize("tools", ["nowhere:Tool", "domain.ports:Nothing", "tests.hub:until", "adapters.tools.note"])
def test_a_tool_that_cannot_be_loaded_stops_the_hub_before_it_starts(tmp_path: Path, tools: str) -> None:
    done = RunningHub(tmp_path / "none", STELE_TOOLS=tools).stele("up", "--port", "0", expect=2)
    assert done.stderr.startswith("stele: STELE_TOOLS: ")
    assert len(done.stderr.splitlines()) == 1
