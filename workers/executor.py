"""The executor: claims approved actions, runs their tools, records the outcomes. Only it executes (invariant I7)."""

import asyncio
import contextlib
import importlib
import os
import signal
import threading
import traceback
from typing import Any
from uuid import UUID

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from adapters import tracing
from adapters.nats.commands import CommandClient
from adapters.nats.consumer import Consumer, Redeliver
from adapters.nats.opening import OpeningClient
from domain import canonical, upcasts
from domain.actions import ActionApproved, ActionProposed, FinishAction, StartAction, Status
from domain.events import Recorded
from domain.limits import (
    FAILURE_CHARS_MAX,
    LABEL_CHARS_MAX,
    LEASE_SECONDS,
    RESULT_BYTES_MAX,
    TOOL_SECONDS_MAX,
    TOOLS_HUNG_MAX,
)
from domain.personal import ERASED
from domain.ports import Tool, ToolFailed
from domain.refusals import Refusal
from domain.runtime import Cause
from workers import parts
from workers.process import run, run_until
from workers.settings import NotConfigured, Settings, required

_FAILURES = frozenset({"tool_unavailable", "tool_timeout", "tool_error", "result_invalid", "result_too_large"})
_ACTIONS = Counter(
    "stele_executor_actions_total",
    "Approved actions by what came of them: succeeded, tool_failed, lease_held, not_started, or how the tool failed.",
    ("outcome",),
)
_SECONDS = Histogram(
    "stele_executor_tool_seconds",
    "How long a tool ran.",
    ("tool",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    tools = load_tools(settings.tools)
    run("executor", lambda stop: _main(settings, tools, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, tools: dict[str, Tool], stop: asyncio.Event) -> None:
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "executor")
    execution = Execution(tools, CommandClient(client, "executor"), OpeningClient(client), parts.TimeOrderedIds())
    await run_until(stop, Consumer(client, "executor", upcasts.names(ActionApproved.type), execution.on_event).run())
    await client.close()


def load_tools(names: str) -> dict[str, Tool]:
    """The tools named by `module:Class`. Raises NotConfigured."""
    tools: dict[str, Tool] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        module, _, attribute = name.partition(":")
        try:
            tool: Tool = getattr(importlib.import_module(module), attribute)()
            tools[tool.name] = tool
        except Exception as error:  # a module can raise anything when it is imported
            raise NotConfigured(f"STELE_TOOLS: {name!r} cannot be loaded: {error}") from error
    return tools


class Execution:
    def __init__(
        self,
        tools: dict[str, Tool],
        commands: CommandClient,
        opening: OpeningClient,
        ids: parts.TimeOrderedIds,
        *,
        seconds_max: float = TOOL_SECONDS_MAX,
    ) -> None:
        self._tools = tools
        self._commands = commands
        self._opening = opening
        self._ids = ids
        self._seconds_max = seconds_max
        self._late: set[threading.Thread] = set()

    async def on_event(self, event: Recorded) -> None:
        """Carry out one approved action, once: whoever holds the lease runs it, and only its outcome counts."""
        approved = event.payload
        if not isinstance(approved, ActionApproved):
            return
        attempt = self._ids.new()
        try:
            started = await self._send(
                event, event.event_id, StartAction(approved.action_id, attempt), f"{attempt}:start"
            )
        except Refusal as refusal:
            if refusal.code == "lease_held":
                _ACTIONS.labels("lease_held").inc()
                raise Redeliver(refusal.retry_after_seconds or LEASE_SECONDS) from refusal
            _ACTIONS.labels("not_started").inc()
            _log.info("action_not_started", action=str(approved.action_id), code=refusal.code)
            return
        if started["status"] == Status.STARTED:
            arguments = await self._arguments(event, started["proposed_position"])
            outcome = (
                await self._observed(approved.action_id, attempt, started["tool"], arguments)
                if arguments is not None
                else _failed(approved.action_id, attempt, "person_erased", "it is about somebody who was erased")
            )
            await self._report(event, UUID(started["event_id"]), outcome)
            _ACTIONS.labels(_named(outcome)).inc()
            self._look_after_threads()

    async def _arguments(self, event: Recorded, position: int) -> dict[str, Any] | None:
        """What the runtime has found to be the bytes that were approved; None when nobody can read them any more. The
        lease is ours: a runtime that is away is waited for.
        """
        while True:
            try:
                proposed = await self._opening.read(event.agent_id, position)
            except TimeoutError:
                _log.warning("arguments_wait_for_the_runtime", position=position)
                continue
            if not isinstance(proposed, ActionProposed) or proposed.arguments_json == ERASED:
                return None
            arguments: dict[str, Any] = msgspec.json.decode(proposed.arguments_json)
            return arguments

    def _look_after_threads(self) -> None:
        """A thread cannot be ended. With too many that hang, the process ends, and whoever keeps it starts another."""
        self._late = {thread for thread in self._late if thread.is_alive()}
        if len(self._late) >= TOOLS_HUNG_MAX:
            _log.error("too_many_tools_hang", tools=len(self._late))
            os.kill(os.getpid(), signal.SIGTERM)

    async def _report(self, event: Recorded, started_id: UUID, outcome: FinishAction) -> None:
        """An outcome that is known is reported however long the runtime is away: nobody else can know it."""
        while True:
            try:
                await self._send(event, started_id, outcome, f"{outcome.attempt_id}:finish")
                return
            except TimeoutError:
                _log.warning("outcome_waits_for_the_runtime", action=str(outcome.action_id))

    async def _observed(self, action: UUID, attempt: UUID, name: str, arguments: dict[str, Any]) -> FinishAction:
        known = name if name in self._tools else "unknown"  # a model may have made the name up
        span = tracing.start("tool", tracing.here(), {"stele.tool": known})
        with tracing.current(span), _SECONDS.labels(known).time():
            outcome = await self._run(action, attempt, name, arguments)
            span.set_attribute("stele.outcome", _named(outcome))
            return outcome

    async def _run(self, action: UUID, attempt: UUID, name: str, arguments: dict[str, Any]) -> FinishAction:
        tool = self._tools.get(name)
        if tool is None:
            return _failed(action, attempt, "tool_unavailable", f"no executor of this hub has the tool {name!r}")
        try:
            async with asyncio.timeout(self._seconds_max) as limit:
                result = await _in_a_thread(tool, arguments, action, self._late)
        except ToolFailed as failed:
            return _failed(action, attempt, str(failed.code), str(failed.detail))
        except Exception as error:  # whatever a tool raises is the action's failure, not the executor's
            if limit.expired():
                return _failed(action, attempt, "tool_timeout", f"the tool took longer than {self._seconds_max:g} s")
            return _failed(action, attempt, "tool_error", "".join(traceback.format_exception_only(error)).strip())
        return _succeeded(action, attempt, result)

    async def _send(
        self, event: Recorded, cause_id: UUID, command: StartAction | FinishAction, key: str
    ) -> dict[str, Any]:
        cause = Cause(cause_id, event.correlation_id)
        accepted = await self._commands.send(
            command, agent_id=event.agent_id, key=key, cause=cause, traceparent=event.traceparent
        )
        return accepted.result


def _named(outcome: FinishAction) -> str:
    """One of few words; a tool's own codes are of its own making."""
    if outcome.code is None:
        return "succeeded"
    return outcome.code if outcome.code in _FAILURES else "tool_failed"


def _succeeded(action: UUID, attempt: UUID, result: object) -> FinishAction:
    """What cannot travel to the runtime ends here: unsent, it would leave the outcome unknown."""
    if not isinstance(result, dict):
        return _failed(action, attempt, "result_invalid", f"the tool returned {type(result).__name__}, not a dict")
    try:
        size = len(canonical.encode_any(result))
    except ValueError as error:
        return _failed(action, attempt, "result_invalid", f"the tool's result is not canonical JSON: {error}")
    if size > RESULT_BYTES_MAX:
        return _failed(
            action, attempt, "result_too_large", f"the tool's result has {size} bytes; at most {RESULT_BYTES_MAX}"
        )
    return FinishAction(action, attempt, result=result)


def _failed(action: UUID, attempt: UUID, code: str, detail: str) -> FinishAction:
    """Tools fail with any text at any length, also with half of a surrogate pair."""
    detail = detail[:FAILURE_CHARS_MAX].replace("\0", " ").encode("utf-8", "replace").decode()
    return FinishAction(action, attempt, code=code[:LABEL_CHARS_MAX].encode("ascii", "replace").decode(), detail=detail)


async def _in_a_thread(tool: Tool, arguments: dict[str, Any], effect_id: UUID, late: set[threading.Thread]) -> object:
    """A tool that blocks, blocks a thread of its own, not the executor; one that hangs keeps it, and it is added to
    `late`.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[object] = loop.create_future()

    def report(result: dict[str, object] | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        else:
            outcome.set_result({} if result is None else result)

    def work() -> None:
        result: dict[str, object] | None = None
        raised: BaseException | None = None
        try:
            result = asyncio.run(tool.run(arguments, effect_id))
        except BaseException as error:
            raised = error
        with contextlib.suppress(RuntimeError):  # the executor has ended meanwhile
            loop.call_soon_threadsafe(report, result, raised)

    thread = threading.Thread(target=work, daemon=True, name=f"tool {tool.name}")
    thread.start()
    try:
        return await outcome
    except asyncio.CancelledError:
        late.add(thread)
        raise
