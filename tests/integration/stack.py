"""A runtime over a real Postgres and a real NATS within the test's own process, and what tests ask of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from nats.js.errors import NotFoundError

from adapters.nats.commands import CommandClient, CommandServer
from adapters.nats.connect import STREAM, Client, connect
from adapters.nats.opening import OpeningServer
from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from domain import ids
from domain.actions import Action, ApproveAction, Status
from domain.events import Recorded
from domain.planning import RecordPlan
from domain.ports import Proposal, Vault
from domain.runtime import Cause, Command, Context, Runtime
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken
from tests.keys import vault
from workers.parts import SystemClock, TimeOrderedIds

AGENT = UUID(int=0xA9E47)
OTHER_AGENT = UUID(int=0xB9E47)


class MovableClock:
    """The system's time, moved by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


class Stack(Struct):
    log: PostgresLog
    runtime: Runtime
    vault: Vault
    clock: MovableClock
    client: Client
    space: UUID
    planner: CommandClient
    executor: CommandClient

    async def execute(self, command: Command, agent: UUID = AGENT) -> dict[str, Any]:
        return (await self.runtime.execute(command, Context(agent, "test"))).result

    async def say(self, *texts: str, agent: UUID = AGENT) -> list[Recorded]:
        """Record texts as one command, and return every event of it."""
        before = await self.log.head()
        spoken = tuple(Spoken("Ada", text) for text in texts)
        if agent != AGENT:
            await self.execute(CreateSpace(f"room-{before}"), agent)
        space = self.space if agent == AGENT else ids.space_id(agent, f"room-{before}")
        await self.execute(RecordTranscript(space, spoken), agent)
        return list(await self.vault.open(await self.log.read(before, 1_000)))

    async def propose(self, tool: str, arguments: dict[str, object], *, key: str | None = None) -> UUID:
        """As the planner does it: over NATS, about something that was said."""
        said = (await self.say(f"Somebody should use {tool}."))[-1]
        plan = self.plan(said, tool, arguments)
        accepted = await self.planner.send(
            plan, agent_id=AGENT, key=key or str(said.event_id), cause=Cause(said.event_id, said.correlation_id)
        )
        return UUID(accepted.result["action_ids"][0])

    def plan(self, said: Recorded, tool: str, arguments: dict[str, object]) -> RecordPlan:
        proposal = Proposal(tool, f"Use {tool}", arguments, "a test", (said.position,))
        return RecordPlan(self.space, said.event_id, (proposal,))

    async def approve(self, action: UUID) -> Recorded:
        """The event ActionApproved."""
        await self.execute(ApproveAction(action))
        return (await self.vault.open(await self.log.read_streams(AGENT, [action])))[-1]

    async def approved(self, tool: str, arguments: dict[str, object] | None = None) -> Recorded:
        return await self.approve(await self.propose(tool, arguments or {"text": "x"}))

    async def action(self, approved: Recorded) -> Action:
        action = Action(approved.stream_id)
        for recorded in await self.vault.open(await self.log.read_streams(AGENT, [action.id])):
            action.replay(recorded)
        return action

    async def status(self, approved: Recorded) -> Status | None:
        return (await self.action(approved)).status

    async def last(self, approved: Recorded) -> Any:
        """The newest event of an action."""
        return (await self.vault.open(await self.log.read_streams(AGENT, [approved.stream_id])))[-1].payload


@asynccontextmanager
async def running(database: str, nats_url: str, *, serving: bool = True) -> AsyncIterator[Stack]:
    """An empty log with a space, an empty JetStream, and, if `serving`, a runtime that answers workers."""
    await migrate(database)
    client = await connect(nats_url, "test")
    await wipe(client)
    try:
        async with Appender(database) as appender, pool(database, "test", 4) as reading:
            log, clock = PostgresLog(reading, appender), MovableClock()
            keys = vault(reading)
            runtime = Runtime(log, clock, TimeOrderedIds(), keys)
            if serving:
                await CommandServer(client, runtime).start()
                await OpeningServer(client, log, keys).start()
            made = await runtime.execute(CreateSpace("room"), Context(AGENT, "test"))
            planner, executor = CommandClient(client, "planner"), CommandClient(client, "executor")
            yield Stack(log, runtime, keys, clock, client, UUID(made.result["space_id"]), planner, executor)
    finally:
        await wipe(client)
        await client.close()


async def wipe(client: Client) -> None:
    """NATS as if it were new."""
    try:
        await client.jetstream().delete_stream(STREAM)
    except NotFoundError:
        return
