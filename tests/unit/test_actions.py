"""Every state of an action and every command about it; and what an approval and a lease are good for."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import canonical
from domain.actions import (
    POLICY_VERSION,
    ActionApproved,
    ActionFailed,
    ActionOutcomeUnknown,
    ActionProposed,
    ActionRejected,
    ActionStarted,
    ActionSucceeded,
    ApproveAction,
    FinishAction,
    RejectAction,
    StartAction,
)
from domain.events import Event
from domain.limits import APPROVAL_SECONDS, FAILURE_CHARS_MAX, LABEL_CHARS_MAX, LEASE_SECONDS, RESULT_BYTES_MAX
from domain.refusals import Refusal
from domain.runtime import Command
from tests.unit.world import OTHER, START, World

ACTION, SPACE, FIRST, SECOND = UUID(int=1), UUID(int=2), UUID(int=0xF1), UUID(int=0xF2)
ARGUMENTS = b'{"text":"buy varnish"}'
PROPOSED = ActionProposed(
    action_id=ACTION,
    space_id=SPACE,
    tool="note",
    title="Buy varnish",
    arguments_json=ARGUMENTS.decode(),
    arguments_sha256=canonical.sha256_hex(ARGUMENTS),
    rationale="somebody said so",
    rests_on=(1,),
    person_ids=(UUID(int=3),),
)

COMMANDS: dict[str, Command] = {
    "approve": ApproveAction(ACTION),
    "reject": RejectAction(ACTION, "not now"),
    "start": StartAction(ACTION, FIRST),
    "start again": StartAction(ACTION, SECOND),
    "finish": FinishAction(ACTION, FIRST, result={"done": True}),
    "fail": FinishAction(ACTION, FIRST, code="broken", detail="it broke"),
    "finish another": FinishAction(ACTION, SECOND, result={"done": True}),
}

Path = tuple[str | float, ...]
"""How an action gets into a state: commands, and seconds that pass between them."""
STATES: dict[str, Path] = {
    "proposed": ("propose",),
    "approved": ("propose", "approve"),
    "approval lapsed": ("propose", "approve", APPROVAL_SECONDS),
    "rejected": ("propose", "reject"),
    "started": ("propose", "approve", "start"),
    "lease lapsed": ("propose", "approve", "start", LEASE_SECONDS),
    "unknown": ("propose", "approve", "start", LEASE_SECONDS, "start again"),
    "succeeded": ("propose", "approve", "start", "finish"),
    "failed": ("propose", "approve", "start", "fail"),
    "expired": ("propose", "approve", APPROVAL_SECONDS, "start"),
    "succeeded late": ("propose", "approve", "start", LEASE_SECONDS, "start again", "finish"),
}

_UNDECIDABLE = ("action_not_proposed",) * 2
_UNSTARTABLE = ("action_not_approved",) * 2
_UNSTARTED = ("action_not_started",) * 3
TABLE: dict[str, tuple[str, ...]] = {
    # state:           approve, reject, start, start again, finish, fail, finish another
    "absent": ("action_not_found",) * 7,
    "proposed": ("approved", "rejected", *_UNSTARTABLE, *_UNSTARTED),
    "approved": (*_UNDECIDABLE, "started", "started", *_UNSTARTED),
    "approval lapsed": (*_UNDECIDABLE, "failed", "failed", *_UNSTARTED),
    "rejected": (*_UNDECIDABLE, *_UNSTARTABLE, *_UNSTARTED),
    "started": (*_UNDECIDABLE, "=started", "lease_held", "succeeded", "failed", "lease_lost"),
    "lease lapsed": (*_UNDECIDABLE, "=started", "unknown", "succeeded", "failed", "lease_lost"),
    "unknown": (*_UNDECIDABLE, *_UNSTARTABLE, "succeeded", "failed", "lease_lost"),
    "succeeded": (*_UNDECIDABLE, *_UNSTARTABLE, "=succeeded", "=succeeded", "lease_lost"),
    "failed": (*_UNDECIDABLE, *_UNSTARTABLE, "=failed", "=failed", "lease_lost"),
    "expired": (*_UNDECIDABLE, *_UNSTARTABLE, *_UNSTARTED),
    "succeeded late": (*_UNDECIDABLE, *_UNSTARTABLE, "=succeeded", "=succeeded", "lease_lost"),
}
"""A status, with one event; a status after "=", with none; or the code of a refusal, with none."""

EVENTS: dict[str, type[Event]] = {
    "approved": ActionApproved,
    "rejected": ActionRejected,
    "started": ActionStarted,
    "succeeded": ActionSucceeded,
    "failed": ActionFailed,
    "unknown": ActionOutcomeUnknown,
}


async def reach(state: str) -> World:
    world = World()
    for step in STATES.get(state, ()):
        match step:
            case "propose":
                await world.know(UUID(int=3))
                await world.happen(ACTION, PROPOSED)
            case str():
                await world.do(COMMANDS[step])
            case seconds:
                world.clock.move(seconds)
    return world


@pytest.mark.parametrize(
    ("state", "command", "expected"),
    [
        pytest.param(state, command, expected, id=f"{state}-{command}")
        for state, row in TABLE.items()
        for command, expected in zip(COMMANDS, row, strict=True)
    ],
)
async def test_every_state_answers_every_command(state: str, command: str, expected: str) -> None:
    world = await reach(state)
    before = await world.payloads()
    try:
        outcome = (await world.result(COMMANDS[command]))["status"]
    except Refusal as refusal:
        outcome = refusal.code
    new = (await world.payloads())[len(before) :]
    assert outcome == expected.removeprefix("=")
    assert [type(event) for event in new] == ([EVENTS[expected]] if expected in EVENTS else [])


async def test_I10_an_action_of_another_agent_is_not_found() -> None:
    world = await reach("proposed")
    for command in COMMANDS.values():
        with pytest.raises(Refusal, match="action_not_found"):
            await world.do(command, agent=OTHER)


# --- approvals ----------------------------------------------------------------------------------


async def test_I7_an_approval_binds_tool_bytes_policy_approver_and_expiry() -> None:
    world = await reach("proposed")
    await world.do(ApproveAction(ACTION, PROPOSED.arguments_sha256), actor="token:grace")
    [_, approved] = await world.payloads()
    assert isinstance(approved, ActionApproved)
    assert (approved.tool, approved.arguments_sha256, approved.policy_version, approved.approved_by) == (
        "note",
        PROPOSED.arguments_sha256,
        POLICY_VERSION,
        "token:grace",
    )
    assert (approved.expires_at - world.clock.now()).total_seconds() == APPROVAL_SECONDS


@pytest.mark.parametrize("shown", ["", "0" * 64, PROPOSED.arguments_sha256.upper()])
async def test_I7_who_was_shown_other_arguments_approves_nothing(shown: str) -> None:
    world = await reach("proposed")
    with pytest.raises(Refusal, match="approval_mismatch"):
        await world.do(ApproveAction(ACTION, shown))
    assert await world.payloads() == [PROPOSED]


@pytest.mark.parametrize(
    ("proposed", "approved_sha256"),
    [
        (PROPOSED, canonical.sha256_hex(b'{"text":"buy gold"}')),
        (msgspec.structs.replace(PROPOSED, arguments_json='{"text":"buy gold"}'), PROPOSED.arguments_sha256),
        (msgspec.structs.replace(PROPOSED, arguments_json='{"text": "buy varnish"}'), PROPOSED.arguments_sha256),
    ],
    ids=["approved other bytes", "proposed other bytes than it says", "a space more"],
)
async def test_I7_nothing_is_started_but_the_exact_bytes_that_were_approved(
    proposed: ActionProposed, approved_sha256: str
) -> None:
    world, expires_at = World(), START + timedelta(seconds=60)
    approved = ActionApproved(ACTION, SPACE, "note", approved_sha256, POLICY_VERSION, "token:ada", expires_at)
    await world.happen(ACTION, proposed, approved)
    with pytest.raises(Refusal, match="approval_mismatch"):
        await world.do(StartAction(ACTION, FIRST))
    assert await world.payloads() == [proposed, approved]


async def test_an_approval_is_good_until_it_expires_and_no_longer() -> None:
    world = await reach("approved")
    world.clock.move(APPROVAL_SECONDS - 1)
    assert (await world.result(COMMANDS["start"]))["status"] == "started"
    world = await reach("expired")
    failed = (await world.payloads())[-1]
    assert isinstance(failed, ActionFailed)
    assert (failed.code, failed.attempt_id) == ("approval_expired", None)


async def test_a_rejection_keeps_its_reason_and_bounds_it() -> None:
    world = await reach("proposed")
    with pytest.raises(Refusal, match="text_too_long"):
        await world.do(RejectAction(ACTION, "x" * (LABEL_CHARS_MAX + 1)))
    await world.do(RejectAction(ACTION, "x" * LABEL_CHARS_MAX), actor="token:grace")
    assert (await world.payloads())[-1] == ActionRejected(ACTION, SPACE, "token:grace", "x" * LABEL_CHARS_MAX)


# --- leases -------------------------------------------------------------------------------------


async def test_starting_answers_with_what_was_approved_and_the_event_that_started_it() -> None:
    world = await reach("approved")
    answer = await world.result(COMMANDS["start"], actor="worker:executor")
    [*_, event] = await world.events()
    assert answer == {
        "action_id": str(ACTION),
        "status": "started",
        "tool": "note",
        "proposed_position": 1,  # the arguments are there; an answer is kept, and they may be personal
        "event_id": str(event.event_id),
    }
    started = event.payload
    assert isinstance(started, ActionStarted)
    assert (started.attempt_id, started.executor) == (FIRST, "worker:executor")
    assert (started.lease_expires_at - world.clock.now()).total_seconds() == LEASE_SECONDS


async def test_an_attempt_that_starts_twice_gets_the_same_answer() -> None:
    world = await reach("approved")
    assert await world.result(COMMANDS["start"]) == await world.result(COMMANDS["start"])


async def test_another_attempt_is_told_when_to_come_back() -> None:
    world = await reach("started")
    world.clock.move(LEASE_SECONDS - 12)
    with pytest.raises(Refusal, match="lease_held") as refused:
        await world.do(COMMANDS["start again"])
    assert refused.value.retry_after_seconds == 12


async def test_I7_an_outcome_that_is_unknown_is_told_of_the_first_attempt_and_never_run_again() -> None:
    world = await reach("unknown")
    assert (await world.payloads())[-1] == ActionOutcomeUnknown(ACTION, SPACE, FIRST)
    for attempt in (FIRST, SECOND, UUID(int=0xF3)):
        with pytest.raises(Refusal, match="action_not_approved"):
            await world.do(StartAction(ACTION, attempt))


async def test_an_answer_about_an_action_that_is_not_started_shows_no_arguments() -> None:
    assert await (await reach("lease lapsed")).result(COMMANDS["start again"]) == {
        "action_id": str(ACTION),
        "status": "unknown",
    }


# --- outcomes -----------------------------------------------------------------------------------


async def test_a_result_is_kept_as_canonical_json() -> None:
    world = await reach("started")
    await world.do(FinishAction(ACTION, FIRST, result={"b": [1, None], "a": "ü"}))
    assert (await world.payloads())[-1] == ActionSucceeded(ACTION, SPACE, FIRST, '{"a":"ü","b":[1,null]}')


async def test_the_second_outcome_of_an_attempt_changes_nothing() -> None:
    world = await reach("succeeded")
    before = await world.payloads()
    assert (await world.result(COMMANDS["fail"]))["status"] == "succeeded"
    assert await world.payloads() == before


@pytest.mark.parametrize(
    ("told", "code", "detail"),
    [
        ({"result": {"price": 1.5}}, "result_invalid", "1.5 has a fraction"),
        ({"result": {"text": "x" * RESULT_BYTES_MAX}}, "result_too_large", f"at most {RESULT_BYTES_MAX}"),
        ({"code": "no_money", "detail": "the account is empty"}, "no_money", "the account is empty"),
        ({"detail": "x" * (FAILURE_CHARS_MAX + 1)}, "tool_error", "x" * FAILURE_CHARS_MAX),
    ],
    ids=["a fraction", "too large", "its own code", "cut"],
)
async def test_an_outcome_that_cannot_be_kept_is_a_failure(told: dict[str, Any], code: str, detail: str) -> None:
    world = await reach("started")
    assert (await world.result(FinishAction(ACTION, FIRST, **told)))["status"] == "failed"
    failed = (await world.payloads())[-1]
    assert isinstance(failed, ActionFailed)
    assert (failed.code, failed.attempt_id) == (code, FIRST)
    assert detail in failed.detail
    assert len(failed.detail) <= FAILURE_CHARS_MAX


async def test_a_result_of_just_the_largest_size_is_kept() -> None:
    world = await reach("started")
    fits = {"text": "x" * (RESULT_BYTES_MAX - len('{"text":""}'))}
    assert (await world.result(FinishAction(ACTION, FIRST, result=fits)))["status"] == "succeeded"
