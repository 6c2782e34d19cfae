"""A writer process: `python -m tests.bench.writer <conninfo> <callers> <warm-up seconds> <seconds> [<function>]`.

It says `ready`, and then, for every line that it gets, runs its callers once and answers with a sample as JSON. With a
function it appends through that one instead of the log's own.
"""

import re
import sys

import msgspec
import uvloop

from adapters.postgres import appender
from tests.bench.measure import callers
from tests.bench.ours import ours

FUNCTION = re.compile(r"stele\.append_v\d+")
"""What the log's statement calls."""


async def _main(conninfo: str, count: int, warm_seconds: float, seconds: float, function: str | None) -> None:
    if function is not None:
        appender._SQL["append"] = FUNCTION.sub(function, appender._SQL["append"])
    async with ours(conninfo) as own:
        print("ready", flush=True)
        while sys.stdin.readline():
            sample = await callers(count, warm_seconds, seconds, own.to_new_stream)
            print(msgspec.json.encode(sample).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(
        _main(
            sys.argv[1],
            int(sys.argv[2]),
            float(sys.argv[3]),
            float(sys.argv[4]),
            sys.argv[5] if len(sys.argv) > 5 else None,
        )
    )
