"""Actions from proposal to outcome: who may do what, what is run and how often, and what tools can do to a hub."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from adapters.nats import commands
from adapters.nats.commands import CommandClient, CommandServer
from adapters.nats.connect import command_subject
from adapters.nats.consumer import Redeliver
from adapters.nats.opening import OpeningClient, OpeningServer
from adapters.tools.note import NoteTool
from domain.actions import (
    ActionFailed,
    ActionSucceeded,
    ApproveAction,
    FinishAction,
    RejectAction,
    StartAction,
    Status,
)
from domain.agents import IssueToken
from domain.events import Recorded
from domain.limits import FAILURE_CHARS_MAX, LEASE_SECONDS
from domain.ports import Log, Tool, Transaction, Verdict
from domain.refusals import Refusal
from domain.runtime import Cause, Command, Runtime
from domain.spaces import CreateSpace
from tests.integration.bad_tools import BAD, Behaving, released, returns
from tests.integration.stack import AGENT, OTHER_AGENT, Stack, running
from workers.executor import Execution
from workers.parts import TimeOrderedIds

_TOOL_SECONDS_MAX = 0.3


@pytest.fixture
async def stack(database: str, nats_url: str) -> AsyncIterator[Stack]:
    async with running(database, nats_url) as found:
        yield found


@pytest.fixture(autouse=True, scope="module")
def _release() -> Iterator[None]:
    yield
    released.set()


def _execution(stack: Stack, *tools: Tool) -> Execution:
    every: tuple[Tool, ...] = (NoteTool(), *tools)
    named = {tool.name: tool for tool in every}
    return Execution(
        named, stack.executor, OpeningClient(stack.client), TimeOrderedIds(), seconds_max=_TOOL_SECONDS_MAX
    )


async def test_what_a_tool_does_wrong_ends_as_a_failed_action_and_the_next_one_runs(stack: Stack) -> None:
    tools = [Behaving(name, behave) for name, (behave, _) in BAD.items()]
    execution = _execution(stack, *tools)
    ended: dict[str, str] = {}
    for tool in tools:
        approved = await stack.approved(tool.name)
        await execution.on_event(approved)
        failed = await stack.last(approved)
        assert isinstance(failed, ActionFailed), (tool.name, failed)
        assert len(failed.detail) <= FAILURE_CHARS_MAX
        assert tool.effects == [approved.stream_id]
        ended[tool.name] = failed.code
        note = await stack.approved("note", {"text": f"after: {tool.name}"})
        await execution.on_event(note)
        assert isinstance(await stack.last(note), ActionSucceeded), tool.name
    assert ended == {name: code for name, (_, code) in BAD.items()}


async def test_an_action_without_a_tool_fails(stack: Stack) -> None:
    approved = await stack.approved("teleport")
    await _execution(stack).on_event(approved)
    assert (await stack.last(approved)).code == "tool_unavailable"


async def test_a_tool_that_returns_nothing_has_succeeded(stack: Stack) -> None:
    approved = await stack.approved("quiet")
    await _execution(stack, Behaving("quiet", returns(None))).on_event(approved)
    assert (await stack.last(approved)).result_json == "{}"


@pytest.mark.parametrize(
    ("worker", "command"),
    [
        ("planner", ApproveAction(uuid4())),
        ("planner", StartAction(uuid4(), uuid4())),
        ("planner", FinishAction(uuid4(), uuid4(), result={})),
        ("executor", ApproveAction(uuid4())),
        ("executor", RejectAction(uuid4())),
        ("executor", CreateSpace("mine")),
        ("executor", IssueToken(uuid4(), "0" * 64)),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
async def test_I7_a_worker_may_only_do_its_own_work(stack: Stack, worker: str, command: Command) -> None:
    head = await stack.log.head()
    with pytest.raises(Refusal) as refused:
        await _send(CommandClient(stack.client, worker), command)
    assert refused.value.code == "forbidden"
    assert await stack.log.head() == head


@pytest.mark.parametrize("data", [b"", b"x", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"data":' + b"[" * 100_000])
async def test_what_is_no_command_is_refused_and_the_runtime_goes_on(stack: Stack, data: bytes) -> None:
    for worker in commands.ALLOWED:
        answer = await stack.client.request(command_subject(worker), data, timeout=5.0)
        assert b'"refusal_code":"invalid_command"' in answer.data
        await stack.client.publish(command_subject(worker), data)  # nobody waits for an answer
    assert await stack.propose("note", {"text": "x"})


async def test_I7_only_an_approved_action_is_started(stack: Stack) -> None:
    tool = Behaving("tool", returns({}))
    execution = _execution(stack, tool)
    rejected = await stack.propose("tool", {})
    proposed = await stack.propose("tool", {})
    await stack.execute(RejectAction(rejected))
    approved = await stack.approved("tool")
    for action in (proposed, rejected, UUID(int=7)):
        await execution.on_event(_forged(approved, action))
    assert tool.effects == []
    with pytest.raises(Refusal, match=r"lease_lost|action_not_started"):
        await _send(stack.executor, FinishAction(proposed, uuid4(), result={}))


def _forged(approved: Recorded, action: UUID) -> Recorded:
    """An approval that nobody gave, as somebody with a hand on NATS could make it."""
    return replace(approved, data=approved.data.replace(str(approved.stream_id).encode(), str(action).encode()))


async def test_I7_an_approval_is_run_with_the_arguments_that_were_approved(stack: Stack) -> None:
    seen: list[dict[str, object]] = []

    class Watching:
        name = "watching"

        async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
            seen.append(arguments)
            return {}

    arguments: dict[str, object] = {"text": "ünï\u2028code", "n": 2**53 - 1, "deep": [{"a": [None, True]}]}
    await _execution(stack, Watching()).on_event(await stack.approved("watching", arguments))
    assert seen == [arguments]


async def test_I6_a_plan_that_is_sent_twice_is_recorded_once(stack: Stack) -> None:
    said = (await stack.say("We decided to test."))[-1]
    cause = Cause(said.event_id, said.correlation_id)
    plan, other = stack.plan(said, "note", {"text": "x"}), stack.plan(said, "note", {"text": "another thought"})

    async def send(command: Command, key: str, agent: UUID = AGENT) -> object:
        return (await stack.planner.send(command, agent_id=agent, key=key, cause=cause)).result

    answers = await asyncio.gather(*(send(plan, "one") for _ in range(5)), send(plan, "two"))
    assert all(answer == answers[0] for answer in answers)
    with pytest.raises(Refusal, match="idempotency_key_reused"):
        await send(other, "one")
    await send(other, "three")
    events = await stack.log.read(said.position, 100)
    assert [event.type for event in events] == ["stele.actions.v1.ActionProposed"]
    with pytest.raises(Refusal, match="evidence_unknown"):
        await send(plan, "four", OTHER_AGENT)


async def test_I6_an_approval_that_is_delivered_again_runs_the_tool_once(stack: Stack) -> None:
    tool = Behaving("tool", returns({"done": True}))
    approved = await stack.approved("tool")
    executions = [_execution(stack, tool) for _ in range(3)]
    first = await asyncio.gather(*(one.on_event(approved) for one in executions), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, Redeliver) for outcome in first)
    for one in executions:
        await one.on_event(approved)
    assert tool.effects == [approved.stream_id]
    assert await stack.status(approved) is Status.SUCCEEDED
    events = await stack.log.read_streams(AGENT, [approved.stream_id])
    assert [event.type.rsplit(".", 1)[1] for event in events] == [
        "ActionProposed",
        "ActionApproved",
        "ActionStarted",
        "ActionSucceeded",
    ]


async def test_I7_what_an_executor_left_undone_is_unknown_and_never_run_again(stack: Stack) -> None:
    tool = Behaving("tool", returns({}))
    execution = _execution(stack, tool)
    approved, dead = await stack.approved("tool"), uuid4()
    await _send(stack.executor, StartAction(approved.stream_id, dead))
    with pytest.raises(Redeliver) as later:
        await execution.on_event(approved)
    assert 0 < later.value.seconds <= LEASE_SECONDS
    stack.clock.ahead = timedelta(seconds=LEASE_SECONDS)
    for _ in range(3):
        await execution.on_event(approved)
        assert await stack.status(approved) is Status.UNKNOWN
    assert tool.effects == []
    with pytest.raises(Refusal, match="lease_lost"):
        await _send(stack.executor, FinishAction(approved.stream_id, uuid4(), result={}))
    await _send(stack.executor, FinishAction(approved.stream_id, dead, result={"late": True}))
    assert await stack.status(approved) is Status.SUCCEEDED


async def test_an_approval_that_has_expired_is_not_run(stack: Stack) -> None:
    tool = Behaving("tool", returns({}))
    approved = await stack.approved("tool")
    stack.clock.ahead = timedelta(days=1, seconds=1)
    await _execution(stack, tool).on_event(approved)
    assert (await stack.last(approved)).code == "approval_expired"
    assert tool.effects == []


class _Overloaded:
    """A log that cannot take more just now, so many times."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.times = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, transaction: Transaction) -> Verdict:
        if self.times > 0:
            self.times -= 1
            raise Refusal("overloaded", "later", retry_after_seconds=0.05)
        return await self._log.append(transaction)


@pytest.fixture
async def overloaded(
    database: str, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Stack, _Overloaded]]:
    """A runtime that puts off the workers, who lose patience soon."""
    monkeypatch.setattr(commands, "COMMAND_REPLY_SECONDS_MAX", 1.0)
    async with running(database, nats_url, serving=False) as stack:
        log = _Overloaded(stack.log)
        await CommandServer(stack.client, Runtime(log, stack.clock, TimeOrderedIds(), stack.vault)).start()
        await OpeningServer(stack.client, stack.log, stack.vault).start()
        yield stack, log


async def test_what_the_runtime_cannot_take_just_now_is_sent_again(overloaded: tuple[Stack, _Overloaded]) -> None:
    """A refusal about the moment is not one about the action: approved and forgotten would be the worst outcome."""
    stack, log = overloaded
    tool = Behaving("tool", returns({}))
    approved = await stack.approved("tool")
    log.times = 3
    await _execution(stack, tool).on_event(approved)
    assert await stack.status(approved) is Status.SUCCEEDED
    assert tool.effects == [approved.stream_id]
    approved = await stack.approved("tool")
    log.times = 1_000
    with pytest.raises(TimeoutError):  # the event is not acknowledged: it comes again
        await _execution(stack, tool).on_event(approved)
    log.times = 0
    await _execution(stack, tool).on_event(approved)
    assert await stack.status(approved) is Status.SUCCEEDED


async def test_an_outcome_waits_for_a_runtime_that_is_away(overloaded: tuple[Stack, _Overloaded]) -> None:
    """Longer than one reply may take: the executor is the only one who knows what its tool did."""
    stack, log = overloaded

    async def overload() -> object:
        log.times = 40
        return {"kept": True}

    approved = await stack.approved("tool")
    await _execution(stack, Behaving("tool", overload)).on_event(approved)
    assert (await stack.last(approved)).result_json == '{"kept":true}'


async def _send(client: CommandClient, command: Command) -> object:
    return await client.send(command, agent_id=AGENT, key=str(uuid4()), cause=Cause(uuid4(), uuid4()))
