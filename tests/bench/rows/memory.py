"""What a runtime, a projector and a rebuild take in memory, however long the log is."""

import asyncio
import json
import time
from typing import Any

from psycopg import AsyncConnection

from projections.topics import TOPICS
from projections.transcripts import TRANSCRIPTS
from tests.bench.measure import Sample, figure
from tests.bench.resident import Resident, watching, worker
from tests.bench.row import Bench, Line, Target, grouped, row
from tests.bench.writers import writers

_FLAT = 1.3
_MEGABYTES_MAX = 300.0
_PROJECTOR_SECONDS_MAX = 1_800.0
_RUNTIME, _REBUILD = "runtime under load", "rebuild beside the live one"
_FIRST, _PROJECTOR = "projector from the first event", "projector following"
_CHECKPOINT = "SELECT coalesce(max(position), -1) FROM stele.checkpoints WHERE topic = %s AND live"


@row(
    "memory",
    "Memory as the log grows",
    """Megabytes resident, each in a process of its own, on the logs of *Cost as the log grows*. A *projector* that has
    nothing but the log folds every topic at once, from the first event to the last. The *rebuild* is `stele projections
    rebuild transcripts` after that, compared with the live entries before it takes over. The *runtime* has callers that
    write to new streams, to existing ones from anywhere in the log, transcript chunks, and with idempotency keys, as
    fast as it lets them; everything that a serving process imports is in it, and no sockets. Meanwhile a projector that
    begins at the head of the log *follows*, falls behind, and catches up. The highest that there was, and below it, by
    how much that was above what the process took when it was ready to work. Once for each size. Nothing in these logs
    is sealed: of persons' keys a process keeps a bounded number.""",
)
async def memory(bench: Bench) -> list[Line]:
    found: dict[str, list[Resident]] = {_RUNTIME: [], _FIRST: [], _PROJECTOR: [], _REBUILD: []}
    for size in bench.scale.memory_sizes:
        conninfo = await bench.grown(size)
        found[_FIRST].append(await _from_the_first(bench, conninfo, size))
        found[_REBUILD].append(await _rebuild(bench, conninfo, size))
        runtime, projector = await _follow(bench, conninfo, size)
        found[_RUNTIME].append(runtime)
        found[_PROJECTOR].append(projector)
    return [line for subject, sizes in found.items() for line in _lines(subject, bench.scale.memory_sizes, sizes)]


async def _from_the_first(bench: Bench, conninfo: str, size: int) -> Resident:
    """Every topic has all of the log to read, and all of its entries are new."""
    bench.say(f"projector from the first event of {grouped(size)}")
    async with worker(conninfo, "projector") as projector:
        await _reached(conninfo, projector.process, 0)
        projector.watch.begin()
        await _caught_up(conninfo, projector.process)
        return projector.watch.end()


async def _rebuild(bench: Bench, conninfo: str, size: int) -> Resident:
    async with worker(conninfo, "build", "rebuild", TRANSCRIPTS.topic) as building:
        said: dict[str, object] = {}
        async for line in building.lines():
            if not said:
                building.watch.begin()
            said = json.loads(line)
            bench.say(f"rebuild of {grouped(size)}: {said.get('position', '')}")
        if said.get("outcome") != "rebuilt":
            raise RuntimeError(f"the rebuild ended with {said}")
        return building.watch.end()


async def _follow(bench: Bench, conninfo: str, size: int) -> tuple[Resident, Resident]:
    """A runtime under load, and a projector that follows it."""
    scale = bench.scale
    bench.say(f"runtime and projector on {grouped(size)}")
    async with worker(conninfo, "projector") as projector:
        load = (1, scale.growth_callers, scale.warm_seconds, scale.memory_seconds, "--mixture", str(size))
        async with writers(conninfo, *load) as writing, watching(writing.pids[0]) as runtime:
            await _caught_up(conninfo, projector.process)  # it has appended a space
            runtime.begin()
            projector.watch.begin()
            await writing.sample()
            of_runtime = runtime.end()
        await _caught_up(conninfo, projector.process)
        return of_runtime, projector.watch.end()


async def _caught_up(conninfo: str, projector: asyncio.subprocess.Process) -> None:
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        head = await _number(connection, "SELECT position FROM stele.head")
    await _reached(conninfo, projector, head)


async def _reached(conninfo: str, projector: asyncio.subprocess.Process, position: int) -> None:
    """Every topic is there."""
    deadline = time.monotonic() + _PROJECTOR_SECONDS_MAX
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        for topic in TOPICS:
            while await _number(connection, _CHECKPOINT, topic) < position:
                if projector.returncode is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the projector of {topic} does not get to {position}")
                await asyncio.sleep(0.05)


async def _number(connection: AsyncConnection[Any], query: str, *arguments: str) -> int:
    row = await (await connection.execute(query.encode(), arguments)).fetchone()
    return int(row[0]) if row else 0


def _lines(subject: str, sizes: tuple[int, ...], found: list[Resident]) -> list[Line]:
    peaks = [figure("MB", [Sample(resident.peak)]) for resident in found]
    grown = [figure("MB", [Sample(resident.grown)]) for resident in found]
    first = f"at {grouped(sizes[0])}"
    names = [f"{subject}, {grouped(size)} events" for size in sizes]
    within = Target(own_most=_MEGABYTES_MAX)
    flat = Target(most=_FLAT, own_most=_MEGABYTES_MAX)
    return [
        Line(names[0], peaks[0], "", target=within),
        *(Line(name, peak, first, peaks[0], flat) for name, peak in zip(names[1:], peaks[1:], strict=True)),
        *(Line(f"{name}: growth", more, "") for name, more in zip(names, grown, strict=True)),
    ]
