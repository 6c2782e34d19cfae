"""Which lock orders the writers (docs/adr): the head row, or an advisory lock and the highest position."""

import re
from contextlib import AsyncExitStack

from psycopg import AsyncConnection

from adapters.postgres.statements import load
from tests.bench.measure import Case
from tests.bench.row import Bench, Line, row, run_sql
from tests.bench.writer import FUNCTION
from tests.bench.writers import writers

_ADVISORY = "bench.append_advisory"
_LOCK = re.compile(r"UPDATE stele\.head SET position = position \+ total RETURNING position - total INTO STRICT base;")
_ADVISORY_LOCK = (
    "PERFORM pg_advisory_xact_lock(1398031724, 0); SELECT coalesce(max(l.position), 0) INTO base FROM stele.log l;"
)
_MOVES = re.compile(r"UPDATE stele\.head [^;]*;")


@row(
    "lock",
    "The lock that orders the writers",
    """Commands a second through the log's own append function, which moves the head row, and so locks it, against the
    same function with a transaction-scoped advisory lock and the highest position of the log instead, made from it by
    replacing those statements. Each has a database of its own.""",
)
async def lock(bench: Bench) -> list[Line]:
    lines: list[Line] = []
    for count in bench.scale.lock_processes:
        for total in bench.scale.totals:
            async with AsyncExitStack() as stack:
                head = await stack.enter_async_context(bench.database("lock_head"))
                advisory = await stack.enter_async_context(bench.database("lock_advisory"))
                await _define_advisory(advisory)
                load = (count, total, bench.scale.warm_seconds, bench.scale.seconds)
                by_row = await stack.enter_async_context(writers(head, *load))
                by_lock = await stack.enter_async_context(writers(advisory, *load, "--function", _ADVISORY))
                figures = await bench.compare(
                    f"{count} × {total // count}",
                    Case("head row", "/s", by_row.sample),
                    Case("advisory lock", "/s", by_lock.sample),
                )
            work = f"{total} callers in {count} process{'es' if count > 1 else ''}, head row"
            lines.append(Line(work, figures["head row"], "advisory lock", figures["advisory lock"]))
    return lines


async def _define_advisory(conninfo: str) -> None:
    name = FUNCTION.search(load("log")["append"])
    if name is None:
        raise ValueError("the log's append statement calls no stele.append_v<n>")
    async with await AsyncConnection.connect(conninfo) as connection:
        found = await connection.execute("SELECT pg_get_functiondef(%s::regproc)", [name[0]])
        definition = str((await found.fetchone() or [""])[0])
    await run_sql(
        conninfo, f"CREATE SCHEMA bench; GRANT USAGE ON SCHEMA bench TO public; {advisory(definition, name[0])}"
    )


def advisory(definition: str, name: str) -> str:
    """The same function, ordered by an advisory lock. Raises ValueError when it does not look as expected."""
    text, locks = _LOCK.subn(_ADVISORY_LOCK, definition.replace(name, _ADVISORY))
    text, moves = _MOVES.subn("", text)
    if locks != 1 or moves != 1 or "stele.head" in text:
        raise ValueError(f"{name} takes its lock in another way than tests/bench/rows/lock.py knows; teach it")
    return text
