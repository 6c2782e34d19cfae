"""Fills the log by COPY with events that a seed decides: for measuring reads and rebuilds, not writes."""

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg import AsyncConnection

from domain.actions import ActionApproved, ActionProposed, ActionStarted, ActionSucceeded
from domain.canonical import encode, sha256_hex
from domain.events import Event
from domain.transcripts import TranscriptChunkRecorded
from tests.bench.notes import SPEAKER, TEXT, NoteTaken
from tests.bench.ours import AGENT, SPACE

SEED = 20_261_121
_ROWS_PER_WRITE = 2_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = (  # noqa: SIM905  a sentence reads better than a list
    "the remote control has a wooden case and a single button for the volume because people lose the others and "
    "then nobody finds the manual either so we said on friday that marketing writes one page and sends it around"
).split()
_OPEN_ACTIONS = 200

Placed = tuple[UUID, int, Event]
"""stream_id, version, event"""


class Ids:
    """UUIDv7s (RFC 9562) whose random bits come from the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._milliseconds = int(_BEGAN.timestamp() * 1_000)

    def new(self) -> UUID:
        self._milliseconds += 1
        bits = self._rng.getrandbits(74)
        return UUID(int=self._milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1)


def notes(streams: int, each: int) -> tuple[list[UUID], Iterator[Placed]]:
    """The streams of the bench's own aggregate, and `each` events for every one of them."""
    ids = Ids(random.Random(SEED))
    names = [ids.new() for _ in range(streams)]
    return names, (
        (stream, version, NoteTaken(stream, SPACE, SPEAKER, TEXT)) for version in range(1, each + 1) for stream in names
    )


def transcripts(count: int) -> Iterator[Placed]:
    """A long talk: every chunk is a stream of its own, as in real life."""
    rng = random.Random(SEED)
    ids = Ids(rng)
    people = [(ids.new(), f"Speaker {n}") for n in range(6)]
    for _ in range(count):
        chunk, (person, label) = ids.new(), rng.choice(people)
        text = " ".join(rng.choices(_WORDS, k=rng.randint(4, 40)))
        yield chunk, 1, TranscriptChunkRecorded(chunk, SPACE, person, label, text)


def actions(count: int) -> Iterator[Placed]:
    """Actions from proposal to outcome, many of them under way at once, so that most events change an entry."""
    rng = random.Random(SEED)
    ids = Ids(rng)
    under_way: list[Iterator[Placed]] = []
    for _ in range(count):
        if len(under_way) < _OPEN_ACTIONS:
            under_way.append(_action(ids.new(), ids))
        index = rng.randrange(len(under_way))
        yield next(under_way[index])
        if under_way[index].__length_hint__() == 0:  # type: ignore[attr-defined]  # a list's iterator has it
            under_way[index] = _action(ids.new(), ids)


def _action(action: UUID, ids: Ids) -> Iterator[Placed]:
    arguments = encode({"text": TEXT})
    sha256, attempt = sha256_hex(arguments), ids.new()
    events: list[Event] = [
        ActionProposed(action, SPACE, "note", "Write it down", arguments.decode(), sha256, "asked", (1, 2), (AGENT,)),
        ActionApproved(action, SPACE, "note", sha256, 1, "person", _BEGAN + timedelta(days=1)),
        ActionStarted(action, SPACE, attempt, "executor", _BEGAN + timedelta(days=1)),
        ActionSucceeded(action, SPACE, attempt, '{"ok":true}'),
    ]
    return iter([(action, version, event) for version, event in enumerate(events, start=1)])


async def fill(conninfo: str, placed: Iterable[Placed]) -> int:
    """Append the events in this order and return the head. Nobody else may be writing."""
    ids = Ids(random.Random(SEED + 1))
    position = 0
    async with await AsyncConnection.connect(conninfo) as connection:
        async with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at, recorded_at, actor, causation_id, correlation_id, traceparent) FROM STDIN"
            ) as copy,
        ):
            lines: list[str] = []
            for position, (stream, version, event) in enumerate(placed, start=1):
                lines.append(_line(position, ids.new(), stream, version, event))
                if len(lines) == _ROWS_PER_WRITE:
                    await copy.write("".join(lines))
                    lines.clear()
            await copy.write("".join(lines))
        await connection.execute("UPDATE stele.head SET position = %s", [position])
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute("VACUUM (ANALYZE) stele.log")
    return position


def _line(position: int, event_id: UUID, stream: UUID, version: int, event: Event) -> str:
    at = _BEGAN + timedelta(seconds=position)
    return (
        f"{position}\t{event_id}\t{AGENT}\t{stream}\t{version}\t{event.type}\t{event.schema_version}\t"
        f"\\\\x{encode(event).hex()}\t{at}\t{at}\tbench\t\\N\t{event_id}\t\\N\n"
    )
