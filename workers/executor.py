"""The executor: claims approved actions, runs their tools, records the outcomes. Only it executes (invariant I7)."""

import asyncio
import importlib
import threading
from typing import Any
from uuid import UUID

import structlog

from adapters.nats.commands import CommandClient
from adapters.nats.consumer import Consumer, Redeliver
from domain.actions import ActionApproved, FinishAction, StartAction, Status
from domain.events import Recorded
from domain.limits import LEASE_SECONDS, TOOL_SECONDS_MAX
from domain.ports import Tool, ToolFailed
from domain.refusals import Refusal
from domain.runtime import Cause
from workers import parts
from workers.process import run, run_until
from workers.settings import NotConfigured, Settings, required

_log = structlog.get_logger()


def main(settings: Settings) -> None:
    tools = load_tools(settings.tools)
    run("executor", lambda stop: _main(settings, tools, stop), level=settings.log_level)


async def _main(settings: Settings, tools: dict[str, Tool], stop: asyncio.Event) -> None:
    client = await parts.nats(required(settings.nats_url, "STELE_NATS_URL"), "executor")
    execution = Execution(tools, CommandClient(client, "executor"), parts.TimeOrderedIds())
    await run_until(stop, Consumer(client, "executor", [ActionApproved.type], execution.on_event).run())
    await client.close()


def load_tools(names: str) -> dict[str, Tool]:
    """The tools named by `module:Class`. Raises NotConfigured."""
    tools: dict[str, Tool] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        module, _, attribute = name.partition(":")
        try:
            tool: Tool = getattr(importlib.import_module(module), attribute)()
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise NotConfigured(f"STELE_TOOLS: {name!r} cannot be loaded: {error}") from error
        tools[tool.name] = tool
    return tools


class Execution:
    def __init__(self, tools: dict[str, Tool], commands: CommandClient, ids: parts.TimeOrderedIds) -> None:
        self._tools = tools
        self._commands = commands
        self._ids = ids

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
                raise Redeliver(refusal.retry_after_seconds or LEASE_SECONDS) from refusal
            _log.info("action_not_started", action=str(approved.action_id), code=refusal.code)
            return
        if started["status"] == Status.STARTED:
            outcome = await self._run(approved.action_id, attempt, started["tool"], started["arguments"])
            await self._send(event, UUID(started["event_id"]), outcome, f"{attempt}:finish")

    async def _run(self, action: UUID, attempt: UUID, name: str, arguments: dict[str, Any]) -> FinishAction:
        tool = self._tools.get(name)
        if tool is None:
            return FinishAction(
                action, attempt, code="tool_unavailable", detail=f"no executor of this hub has the tool {name!r}"
            )
        try:
            async with asyncio.timeout(TOOL_SECONDS_MAX):
                return FinishAction(action, attempt, result=await _in_a_thread(tool, arguments, action))
        except TimeoutError:
            return FinishAction(
                action, attempt, code="tool_timeout", detail=f"the tool took longer than {TOOL_SECONDS_MAX:.0f} s"
            )
        except ToolFailed as failed:
            return FinishAction(action, attempt, code=failed.code, detail=failed.detail)
        except Exception as error:  # whatever a tool raises is the action's failure, not the executor's
            return FinishAction(action, attempt, code="tool_error", detail=f"{type(error).__name__}: {error}")

    async def _send(
        self, event: Recorded, cause_id: UUID, command: StartAction | FinishAction, key: str
    ) -> dict[str, Any]:
        cause = Cause(cause_id, event.correlation_id)
        accepted = await self._commands.send(
            command, agent_id=event.agent_id, key=key, cause=cause, traceparent=event.traceparent
        )
        return accepted.result


async def _in_a_thread(tool: Tool, arguments: dict[str, Any], effect_id: UUID) -> dict[str, object]:
    """A tool that blocks, blocks a thread of its own, not the executor; one that hangs keeps that thread."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[dict[str, object]] = loop.create_future()

    def report(result: dict[str, object] | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
        else:
            outcome.set_result(result or {})

    def work() -> None:
        try:
            result = asyncio.run(tool.run(arguments, effect_id))
        except BaseException as error:
            loop.call_soon_threadsafe(report, None, error)
        else:
            loop.call_soon_threadsafe(report, result, None)

    threading.Thread(target=work, daemon=True, name=f"tool {tool.name}").start()
    return await outcome
