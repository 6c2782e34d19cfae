"""A writer process: `python -m tests.bench.writer CONNINFO CALLERS WARM_SECONDS SECONDS [--function F | --mixture N]`.

It says `ready`, and then, for every line that it gets, runs its callers once and answers with a sample as JSON. With a
function it appends through that one instead of the log's own. With a mixture it writes to new streams, to some of the
streams that the log's first N events are in, chunks, and with keys; and it has everything loaded that serves a hub.
"""

import argparse
import re
import sys
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from adapters.postgres import appender
from tests.bench.measure import callers
from tests.bench.ours import Ours, existing, ours
from workers.memory import settle

FUNCTION = re.compile(r"stele\.append_v\d+")
"""What the log's statement calls."""
_STREAMS = 20_000


class Arguments(argparse.Namespace):
    conninfo: str
    callers: int
    warm_seconds: float
    seconds: float
    function: str | None
    mixture: int | None


async def _main(wanted: Arguments) -> None:
    if wanted.function is not None:
        appender._SQL["append"] = FUNCTION.sub(wanted.function, appender._SQL["append"])
    async with ours(wanted.conninfo) as own:
        call = await _work(own, wanted)
        settle()
        print("ready", flush=True)
        while sys.stdin.readline():
            sample = await callers(wanted.callers, wanted.warm_seconds, wanted.seconds, call)
            print(msgspec.json.encode(sample).decode(), flush=True)


async def _work(own: Ours, wanted: Arguments) -> Callable[[int], Awaitable[object]]:
    if wanted.mixture is None:
        return own.to_new_stream
    import workers.serve  # noqa: F401  what it takes in memory counts

    await own.open_space()
    return own.mixture(await existing(wanted.conninfo, wanted.mixture, _STREAMS))


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser()
    parser.add_argument("conninfo")
    parser.add_argument("callers", type=int)
    parser.add_argument("warm_seconds", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--function")
    parser.add_argument("--mixture", type=int)
    return parser.parse_args(namespace=Arguments())


if __name__ == "__main__":
    uvloop.run(_main(_arguments()))
