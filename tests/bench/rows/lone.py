"""How long one command takes when nothing else is going on."""

from functools import partial

from tests.bench.fill import fill, notes
from tests.bench.measure import Case, one_by_one
from tests.bench.ours import ours
from tests.bench.peers.raw import raw
from tests.bench.row import Bench, Line, row

_NEW, _EXISTING, _RAW = "ours, new stream", "ours, existing stream", "raw INSERT and COMMIT"
_EVENTS_A_STREAM = 3


@row(
    "lone",
    "One command alone",
    """The median time of one command after the other, nothing else going on, against one INSERT and its COMMIT of
    the same row on one connection.""",
)
async def lone(bench: Bench) -> list[Line]:
    calls = bench.scale.calls
    async with bench.database("lone") as conninfo:
        streams, placed = notes(bench.scale.streams, _EVENTS_A_STREAM)
        await fill(conninfo, placed)
        async with ours(conninfo, streams) as own, raw(conninfo) as floor:
            figures = await bench.compare(
                "lone",
                Case(_NEW, "ms", partial(one_by_one, calls, own.to_new_stream)),
                Case(_EXISTING, "ms", partial(one_by_one, calls, own.to_existing_stream)),
                Case(_RAW, "ms", partial(one_by_one, calls, floor.insert)),
            )
    return [
        Line("one command, new stream", figures[_NEW], _RAW, figures[_RAW]),
        Line("one command, existing stream", figures[_EXISTING], _RAW, figures[_RAW]),
    ]
