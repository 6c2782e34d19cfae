"""A writer process for the no-skip test: commands of one to many events, in bursts, with some that are refused.

`python -m tests.integration.order_writer CONNINFO SEED SECONDS` prints the number of events that were acknowledged.
"""

import asyncio
import random
import sys
import time
from uuid import UUID

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from domain import ids
from domain.refusals import Refusal
from domain.runtime import Context, Runtime
from domain.transcripts import RecordTranscript, Spoken
from tests.keys import vault
from workers import parts

AGENT = UUID(int=7)
SPACE = ids.space_id(AGENT, "order")


async def write(conninfo: str, seed: int, seconds: float) -> int:
    chance = random.Random(seed)
    acknowledged = 0

    async def one(runtime: Runtime, size: int, refused: bool) -> None:
        nonlocal acknowledged
        texts = [f"{seed} {n}" for n in range(size)] + ([""] if refused else [])
        chunks = tuple(Spoken(f"writer {seed}", text) for text in texts)
        try:
            await runtime.execute(RecordTranscript(SPACE, chunks), Context(AGENT, f"writer:{seed}"))
        except Refusal as refusal:
            if refusal.code != "text_empty":
                raise
        else:
            acknowledged += size

    async with Appender(conninfo) as appender, pool(conninfo, f"writer {seed}", 2) as reading:
        runtime = Runtime(PostgresLog(reading, appender), parts.SystemClock(), parts.TimeOrderedIds(), vault(reading))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            burst = [one(runtime, chance.choice((1, 1, 2, 5, 40)), chance.random() < 0.1) for _ in range(12)]
            await asyncio.gather(*burst)
            await asyncio.sleep(chance.random() * 0.02)
    return acknowledged


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
