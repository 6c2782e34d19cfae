"""A log to project, projectors as real processes, and what tests ask of both."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from pydantic import SecretStr

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from adapters.postgres.topics import PostgresTopics
from domain.events import Event, NewEvent
from domain.people import PersonRegistered
from domain.ports import Appended, Transaction
from domain.transcripts import TranscriptChunkRecorded
from projections.ports import Listed, Serving
from projections.topics import TOPICS
from tests.keys import MASTER
from workers import build
from workers.parts import TimeOrderedIds
from workers.settings import Settings

T = TypeVar("T")
AGENT, SPACE = UUID(int=0xA9E47), UUID(int=0x5)
_BATCH = 500
_IDS = TimeOrderedIds()


class Projected:
    """A database with a log in it; `owner` is whoever owns the database."""

    def __init__(self, conninfo: str, log: PostgresLog, topics: PostgresTopics, owner: AsyncConnection[Any]) -> None:
        self.conninfo = conninfo
        self.log = log
        self.topics = topics
        self.owner = owner

    async def append(self, *payloads: Event) -> int:
        """Each as a stream of its own. Returns the head."""
        last = await self.log.head()
        for start in range(0, len(payloads), _BATCH):
            events = tuple(_new(payload) for payload in payloads[start : start + _BATCH])
            appended = await self.log.append(Transaction(AGENT, events, ()))
            assert isinstance(appended, Appended)
            last = appended.last_position
        return last

    async def register(self, *labels: str) -> int:
        return await self.append(*(PersonRegistered(_IDS.new(), label) for label in labels))

    async def talk(self, chunks: int) -> int:
        person = _IDS.new()
        return await self.append(
            *(TranscriptChunkRecorded(_IDS.new(), SPACE, person, "Ada", f"Remark {n}.") for n in range(chunks))
        )

    async def serving(self, topic: str) -> Serving | None:
        return await self.topics.serving(topic)

    async def reach(self, position: int, *topics: str) -> None:
        """Wait until these topics, or all, are served up to there."""

        async def there() -> bool:
            served = [await self.topics.serving(topic) for topic in topics or TOPICS]
            return all(one is not None and one.position >= position for one in served)

        await until(there)

    async def listed(self, topic: str, *, live: bool = True) -> Listed | None:
        return next((one for one in await self.topics.list() if (one.topic, one.live) == (topic, live)), None)

    async def digest(self, topic: str) -> str:
        serving = await self.topics.serving(topic)
        assert serving is not None
        return await self.topics.digest(serving.generation)

    async def built(self, task: str, topic: str, rate: int | None = None) -> list[dict[str, Any]]:
        """Everything that a rebuild or a verification says."""
        said: list[dict[str, Any]] = []
        work = {"rebuild": build.rebuild, "verify": build.verify}[task]
        settings = Settings(postgres_url=self.conninfo, master_keys=SecretStr(MASTER))
        await work(settings, TOPICS[topic], rate, said.append)
        return said


def _new(payload: Event) -> NewEvent:
    id = _IDS.new()
    return NewEvent(id, id, 1, payload, datetime.now(UTC), "test", None, id, None)


@contextlib.asynccontextmanager
async def projected(database: str) -> AsyncIterator[Projected]:
    await migrate(database)
    async with (
        Appender(database) as appender,
        pool(database, "test", 4) as reading,
        await AsyncConnection.connect(database, autocommit=True) as owner,
    ):
        yield Projected(database, PostgresLog(reading, appender), PostgresTopics(reading), owner)


@contextlib.contextmanager
def process(conninfo: str, *command: str) -> Any:
    """`python -m <command>` on this database, killed at the end if it still runs."""
    environment = {**os.environ, "STELE_POSTGRES_URL": conninfo, "STELE_MASTER_KEYS": MASTER}
    running = subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


async def until(condition: Callable[[], Awaitable[T]], seconds: float = 30.0) -> T:
    """Ask again and again, until the answer is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not (answer := await condition()):
            await asyncio.sleep(0.02)
    return answer
