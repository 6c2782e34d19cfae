"""A runtime over a log in memory, with a clock that tests move and ids that count."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import domain.contexts  # noqa: F401  every handler is there
from adapters.memory.keys import MemoryKeyStore
from adapters.memory.log import MemoryLog
from adapters.vault.master import MasterKeys
from domain.events import Event, NewEvent, Recorded
from domain.ports import Appended, Expectation, Transaction
from domain.runtime import Accepted, Cause, Command, Context, Runtime
from tests.keys import MASTER, memory_vault

AGENT, OTHER = UUID(int=0xA), UUID(int=0xB)
START = datetime(2025, 6, 1, 9, 0, 0, tzinfo=UTC)


class MovableClock:
    """Implements domain.ports.Clock."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class CountingIds:
    """Implements domain.ports.Ids."""

    def __init__(self) -> None:
        self._given = 0

    def new(self) -> UUID:
        self._given += 1
        return UUID(int=2**96 + self._given)


class World:
    def __init__(self, log: MemoryLog | None = None, clock: MovableClock | None = None) -> None:
        self.clock = clock or MovableClock()
        self.ids = CountingIds()
        self.log = log or MemoryLog(self.clock)
        self.vault = memory_vault(self.log)
        self.runtime = Runtime(self.log, self.clock, self.ids, self.vault)

    async def do(
        self,
        command: Command,
        *,
        agent: UUID = AGENT,
        actor: str = "token:ada",
        key: str | None = None,
        fingerprint: bytes = b"request",
        cause: Cause | None = None,
        traceparent: str | None = None,
    ) -> Accepted:
        context = Context(agent, actor, key, fingerprint if key is not None else b"", cause, traceparent)
        return await self.runtime.execute(command, context)

    async def result(self, command: Command, **context: Any) -> dict[str, Any]:
        return (await self.do(command, **context)).result

    async def person(self, label: str, agent: UUID = AGENT, generation: int = 0) -> UUID:
        """Who a label is; `generation` counts those of that name who were erased."""
        return await self.vault.pseudonym(agent, f"person:{generation}:{label}")

    async def know(self, person_id: UUID, agent: UUID = AGENT) -> None:
        """A person of that id has a key, as whoever was registered has."""
        await MemoryKeyStore(self.log).add(agent, MasterKeys(lambda: MASTER).wrap(agent, person_id, bytes(32)))

    async def events(self) -> list[Recorded]:
        return list(await self.vault.open(await self.log.read(0, 10_000)))

    async def payloads(self) -> list[Event]:
        return [event.payload for event in await self.events()]

    async def happen(self, stream_id: UUID, *payloads: Event, agent: UUID = AGENT) -> int:
        """Put events into the log that no command would have made. Returns the position of the last."""
        before = len(await self.log.read_streams(agent, [stream_id]))
        events = tuple(
            NewEvent(
                self.ids.new(), stream_id, version, payload, self.clock.now(), "nobody", None, self.ids.new(), None
            )
            for version, payload in enumerate(payloads, start=before + 1)
        )
        appended = await self.log.append(Transaction(agent, events, (Expectation(stream_id, before),)))
        assert isinstance(appended, Appended)
        return appended.last_position
