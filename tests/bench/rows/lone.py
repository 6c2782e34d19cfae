"""How long one command takes when nothing else is going on."""

from functools import partial

from tests.bench.copying import fill
from tests.bench.fill import notes
from tests.bench.measure import Case, one_by_one
from tests.bench.ours import ours
from tests.bench.peers.raw import raw
from tests.bench.row import Bench, Line, Target, row, run_sql

_RAW = "raw INSERT and COMMIT"
_NEW, _HOT = "new stream", "existing stream, in the cache"
_COLD = "existing stream, not in the cache"
_EVENTS_A_STREAM = 3
_HOT_STREAMS = 10
_TARGET = Target(most=1.5)


@row(
    "lone",
    "One command alone",
    """The median time of one command after the other, nothing else going on, against one INSERT and its COMMIT of
    the same row on one connection. One that is not in the cache is read first: a round trip more. *No flush*: both with
    synchronous_commit = off, which shows what the disk has to do with it.""",
)
async def lone(bench: Bench) -> list[Line]:
    calls = bench.scale.calls
    async with bench.database("lone") as conninfo:
        streams, placed = notes(bench.scale.streams, _EVENTS_A_STREAM)
        await fill(conninfo, placed)
        async with ours(conninfo) as own, raw(conninfo) as floor:
            hot, cold = own.to(streams[:_HOT_STREAMS]), own.to(streams[_HOT_STREAMS:])
            figures = await bench.compare(
                "lone",
                Case(_NEW, "ms", partial(one_by_one, calls, own.to_new_stream)),
                Case(_HOT, "ms", partial(one_by_one, calls, partial(hot, 0))),
                Case(_COLD, "ms", partial(one_by_one, calls, partial(cold, 0))),
                Case(_RAW, "ms", partial(one_by_one, calls, floor.insert)),
            )
    return [
        *(
            Line(f"one command, {case}", figures[case], _RAW, figures[_RAW], target)
            for case, target in ((_NEW, _TARGET), (_HOT, _TARGET), (_COLD, None))
        ),
        await _without_flush(bench),
    ]


async def _without_flush(bench: Bench) -> Line:
    calls = bench.scale.calls
    async with bench.database("lone_unflushed") as conninfo:
        await run_sql(conninfo, "ALTER DATABASE bench_lone_unflushed SET synchronous_commit = off")
        async with ours(conninfo) as own, raw(conninfo) as floor:
            figures = await bench.compare(
                "lone, no flush",
                Case(_NEW, "ms", partial(one_by_one, calls, own.to_new_stream)),
                Case(_RAW, "ms", partial(one_by_one, calls, floor.insert)),
            )
    return Line(f"one command, {_NEW}, no flush", figures[_NEW], f"{_RAW}, no flush", figures[_RAW])
