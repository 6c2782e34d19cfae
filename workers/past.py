"""How the serving process gets at states of the past: finds them, or has them built by a process of their own."""

import asyncio
import json
import os
import sys
from uuid import UUID

import structlog
from msgspec import Struct

from adapters.postgres.as_of import PostgresStates
from domain.limits import AS_OF_WAIT_SECONDS_MAX, AS_OF_WAITING_MAX
from projections.past import NotBuilt, StillBuilding, TooMany, Unavailable
from projections.ports import EntryPage, GenerationGone
from projections.topics import TOPICS
from workers.process import LIFELINE

_log = structlog.get_logger()
_ATTEMPTS_MAX = 3


class _State(Struct, frozen=True):
    topic: str
    position: int


class BuiltPast:
    """Implements projections.past.Past. A state that is asked for by many is built once."""

    def __init__(self, states: PostgresStates, *, wait_seconds_max: float = AS_OF_WAIT_SECONDS_MAX) -> None:
        self._states = states
        self._wait_seconds_max = wait_seconds_max
        self._waiting: dict[_State, asyncio.Future[Exception | None]] = {}
        self._queue: asyncio.Queue[_State] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None

    async def page(
        self, topic: str, position: int, agent_id: UUID, space_id: UUID | None, after: int, limit: int
    ) -> EntryPage:
        if position == 0:
            return EntryPage((), 0, False)
        for _ in range(_ATTEMPTS_MAX):
            generation = await self._generation(_State(topic, position))
            try:
                return await self._states.page(generation, agent_id, space_id, after, limit)
            except GenerationGone:
                continue  # it was dropped just now
        raise StillBuilding

    async def _generation(self, state: _State) -> int:
        version = TOPICS[state.topic].version
        found = await self._states.find(state.topic, version, state.position)
        if found is None:
            try:
                async with asyncio.timeout(self._wait_seconds_max):
                    failed = await asyncio.shield(self._asked_for(state))
            except TimeoutError:
                raise StillBuilding from None
            if failed is not None:
                raise failed
            found = await self._states.find(state.topic, version, state.position)
        if found is None:
            raise StillBuilding  # somebody was erased just now
        return found

    def _asked_for(self, state: _State) -> asyncio.Future[Exception | None]:
        """Done when it is built, with None, or could not be, with the reason. Raises TooMany."""
        if state not in self._waiting:
            if len(self._waiting) >= AS_OF_WAITING_MAX:
                raise TooMany
            self._waiting[state] = asyncio.get_running_loop().create_future()
            self._queue.put_nowait(state)
        return self._waiting[state]

    async def run(self) -> None:
        """Have states built, one after the other, until cancelled."""
        try:
            while True:
                state = await self._queue.get()
                outcome = await self._build(state)
                self._waiting.pop(state).set_result(outcome)
        finally:
            if self._process is not None and self._process.returncode is None:
                self._process.terminate()
                await self._process.wait()

    async def _build(self, state: _State) -> Exception | None:
        """None, or why not."""
        for _ in range(2):  # the builder may have ended because nobody needed it
            if self._process is None or self._process.returncode is not None:
                try:
                    self._process = await _start()
                except OSError as error:  # no memory, no file handles: it may pass
                    return Unavailable(f"the builder cannot be started: {error}")
            answer = await _ask(self._process, {"topic": state.topic, "position": state.position})
            if answer:
                failed = json.loads(answer)["failed"]
                return None if failed is None else NotBuilt(failed)
            await self._process.wait()
        _log.error("as_of_builder_ended", topic=state.topic, position=state.position)
        return Unavailable("the builder ended; the hub's log has the details")


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "workers", "as-of"),
        stdin=asyncio.subprocess.PIPE,  # its end ends the builder, so it needs no other lifeline
        stdout=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != LIFELINE},
    )


async def _ask(process: asyncio.subprocess.Process, question: object) -> bytes:
    """The line that answers; empty when the process has ended."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the builder has no pipes")
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return b""
    return await process.stdout.readline()
