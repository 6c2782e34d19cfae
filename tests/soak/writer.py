"""A writer process of the soak: `python -m tests.soak.writer CONNINFO NAME SEED ACKS`, until SIGTERM or `kill -9`.

It executes commands of 1 to 300 events with pauses; some callers give up, some commands are refused, some are sent
again with their key until the answer is known. What it was told goes to the file ACKS, a line a command:
`number first last`, or `number 0 0` when it was told that nothing was written.
"""

import asyncio
import itertools
import os
import random
import sys
import time
from uuid import UUID, uuid5

import psycopg
from msgspec import Struct
from psycopg_pool import PoolTimeout

from adapters.postgres import appender
from domain import ids
from domain.refusals import Refusal
from domain.runtime import Command, Context, Runtime
from domain.transcripts import RecordTranscript, Spoken
from tests.soak.marks import AGENTS, SPACE, SPEAKERS, Mark, Name, runtime
from workers.process import run

_CALLERS = 5
_SIZES = (1, 1, 2, 3, 7, 20, 60, 100, 150, 200, 300, 300, 300)
_HOT_SECONDS = 2
"""A stream that several writers want stays the same for so long: its history has to be loaded again and again."""
_HOT_EVENTS_MAX = 20
_PATIENCE_SECONDS_MAX = 0.03
_OUTAGE_SECONDS = 0.2
_APPENDER_SECONDS = (1.0, 1.0, 20.0)
"""How long the appender of a life waits for an answer of Postgres: the product's time, or one that is up often."""
_NOT_WRITTEN = ("text_empty", "conflict", "overloaded")
"""Refusals that say that the log has nothing of the command."""
_UNKNOWN = ("log_unavailable", "idempotency_key_in_flight")


class Plan(Struct, frozen=True):
    """One command, who waits for it and for how long; with a key it is sent again until its answer is known."""

    name: Name
    agent: UUID
    command: Command
    keyed: bool
    patience_seconds: float | None


class Planner:
    """Thinks of commands. The same seed has the same ideas in the same order."""

    def __init__(self, writer: str, chance: random.Random) -> None:
        self._writer = writer
        self._chance = chance
        self._numbers = itertools.count(1)

    def next(self) -> Plan:
        chance = self._chance
        agent = AGENTS[chance.random() < 0.2]
        size = chance.choice(_SIZES)
        kind = chance.random()
        if kind < 0.15:
            size = min(size, _HOT_EVENTS_MAX)
        name = Name(self._writer, next(self._numbers), size)
        if kind < 0.15:
            command: Command = Mark((_hot(agent, chance.randrange(4)),), 1, size)
        elif kind < 0.25:
            refused = ("",) if chance.random() < 0.3 else ()
            texts = (*(f"{name} {n}" for n in range(size)), *refused)
            chunks = tuple(Spoken(chance.choice(SPEAKERS), text) for text in texts)
            command = RecordTranscript(ids.space_id(agent, SPACE), chunks)
        else:
            command = Mark((), chance.randint(1, 5), size)
        patience = chance.random() * _PATIENCE_SECONDS_MAX if chance.random() < 0.05 else None
        return Plan(name, agent, command, chance.random() < 0.3, patience)


def _hot(agent: UUID, n: int) -> UUID:
    return uuid5(agent, f"hot {n} {int(time.time() / _HOT_SECONDS)}")


class Caller:
    def __init__(self, own: Runtime, planner: Planner, chance: random.Random, acks: int) -> None:
        self._runtime = own
        self._planner = planner
        self._chance = chance
        self._acks = acks

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._carry_out(self._planner.next(), stop)
            if self._chance.random() < 0.3:
                await asyncio.sleep(self._chance.random() * 0.05)

    async def _carry_out(self, plan: Plan, stop: asyncio.Event) -> None:
        patience, first = plan.patience_seconds, True
        while True:
            outcome = await self._send(plan, patience)
            if outcome is not None and (outcome or first):  # a refusal tells nothing about what was sent before
                line = f"{plan.name.number} {max(0, outcome - plan.name.size + 1)} {outcome}\n"
                os.write(self._acks, line.encode())  # one call: a kill leaves a whole line or none
            if outcome is not None or not plan.keyed or stop.is_set():
                return
            patience, first = None, False

    async def _send(self, plan: Plan, patience: float | None) -> int | None:
        """The last position; 0 when nothing was written; None when nobody knows."""
        key = f"soak {plan.name.writer} {plan.name.number}" if plan.keyed else None
        context = Context(plan.agent, str(plan.name), key=key, fingerprint=b"\0" * 32)
        try:
            async with asyncio.timeout(patience):
                return (await self._runtime.execute(plan.command, context)).position
        except TimeoutError:
            return None
        except Refusal as refusal:
            if refusal.code in _NOT_WRITTEN:
                return 0
            if refusal.code not in _UNKNOWN:
                raise
        except (psycopg.Error, PoolTimeout):
            pass
        await asyncio.sleep(_OUTAGE_SECONDS)
        return None


async def _main(stop: asyncio.Event, conninfo: str, name: str, seed: str, acks: int) -> None:
    chance = random.Random(f"{seed} {name}")
    planner = Planner(name, chance)
    setattr(appender, "APPEND_OUTAGE_SECONDS_MAX", chance.choice(_APPENDER_SECONDS))  # noqa: B010  not exported
    while not stop.is_set():
        try:
            async with runtime(conninfo, f"soak {name}") as own, asyncio.TaskGroup() as callers:
                for _ in range(_CALLERS):
                    callers.create_task(Caller(own, planner, chance, acks).run(stop))
        except psycopg.OperationalError:  # Postgres is not there at the start; afterwards the callers see to it
            await asyncio.sleep(_OUTAGE_SECONDS)


def main(conninfo: str, name: str, seed: str, file: str) -> None:
    acks = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run(f"soak {name}", lambda stop: _main(stop, conninfo, name, seed, acks), level="WARNING")


if __name__ == "__main__":
    main(*sys.argv[1:5])
