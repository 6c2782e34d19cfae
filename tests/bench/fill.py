"""Logs of any size, whose events a seed decides: for measuring on them, not for measuring how they are written."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.actions import ActionApproved, ActionProposed, ActionStarted, ActionSucceeded
from domain.canonical import encode, sha256_hex
from domain.events import Event
from domain.transcripts import TranscriptChunkRecorded
from tests.bench.notes import SEED, SPEAKER, TEXT, NoteTaken
from tests.bench.ours import AGENT, SPACE

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS = (  # noqa: SIM905  a sentence reads better than a list
    "the remote control has a wooden case and a single button for the volume because people lose the others and "
    "then nobody finds the manual either so we said on friday that marketing writes one page and sends it around"
).split()
_TEXTS = 1_000
_OPEN_ACTIONS = 200
_STREAMS_AT_ONCE = 5
EVENTS_A_STREAM = 2
"""Of the notes in a mixed log."""
_PLACEHOLDER = UUID(int=0)


class Placed(NamedTuple):
    """An event and its place in its stream."""

    stream: bytes
    """The 16 bytes of its UUID."""
    version: int
    kind: type[Event]
    data: bytes


class Ids:
    """UUIDv7s (RFC 9562), as bytes, whose random bits come from the seed. Ten million of them have to be cheap."""

    def __init__(self, seed: int) -> None:
        self._bits = random.Random(seed).getrandbits
        self._milliseconds = int(BEGAN.timestamp() * 1_000)

    def new(self) -> bytes:
        self._milliseconds += 1
        bits = self._bits(74)
        fixed = self._milliseconds << 80 | 0x7 << 76 | 0b10 << 62
        return (fixed | bits >> 62 << 64 | bits & (1 << 62) - 1).to_bytes(16, "big")

    def uuid(self) -> UUID:
        return UUID(bytes=self.new())


class _Template:
    """An event's bytes, made again and again with another id in them."""

    def __init__(self, event: Event) -> None:
        self._before, self._after = encode(event).split(str(_PLACEHOLDER).encode())
        self._kind = type(event)

    def placed(self, stream: bytes, version: int) -> Placed:
        digits = stream.hex()
        text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        return Placed(stream, version, self._kind, self._before + text.encode() + self._after)


_NOTE = _Template(NoteTaken(_PLACEHOLDER, SPACE, SPEAKER, TEXT))


def notes(streams: int, each: int) -> tuple[list[UUID], Iterator[Placed]]:
    """The streams of the bench's own aggregate, and `each` events for every one of them."""
    ids = Ids(SEED)
    names = [ids.new() for _ in range(streams)]
    events = (_NOTE.placed(name, version) for version in range(1, each + 1) for name in names)
    return [UUID(bytes=name) for name in names], events


def _chunks(rng: random.Random, ids: Ids) -> list[_Template]:
    people = [(ids.uuid(), f"Speaker {n}") for n in range(6)]
    chunks = []
    for _ in range(_TEXTS):
        person, label = rng.choice(people)
        text = " ".join(rng.choices(_WORDS, k=rng.randint(4, 40)))
        chunks.append(_Template(TranscriptChunkRecorded(_PLACEHOLDER, SPACE, person, label, text)))
    return chunks


def transcripts(count: int) -> Iterator[Placed]:
    """A long talk: every chunk is a stream of its own, as in real life."""
    rng, ids = random.Random(SEED), Ids(SEED)
    chunks = _chunks(rng, ids)
    for _ in range(count):
        yield rng.choice(chunks).placed(ids.new(), 1)


def mixed(count: int) -> Iterator[Placed]:
    """Chunks, each a stream and an entry of its own, and as many notes, in streams of `EVENTS_A_STREAM`, in turn."""
    rng, ids = random.Random(SEED), Ids(SEED)
    chunks = _chunks(rng, ids)
    left = count
    while left > 0:
        names = [ids.new() for _ in range(_STREAMS_AT_ONCE)]
        for version in range(1, EVENTS_A_STREAM + 1):
            for name in names:
                yield _NOTE.placed(name, version)
                left -= 1
                if left > 0:
                    yield rng.choice(chunks).placed(ids.new(), 1)
                    left -= 1
                if left == 0:
                    return


def actions(count: int) -> Iterator[Placed]:
    """Actions from proposal to outcome, many of them under way at once, so that most events change an entry."""
    rng, ids = random.Random(SEED), Ids(SEED)
    under_way: list[list[Placed]] = [_action(ids) for _ in range(_OPEN_ACTIONS)]
    for _ in range(count):
        index = rng.randrange(_OPEN_ACTIONS)
        yield under_way[index].pop()
        if not under_way[index]:
            under_way[index] = _action(ids)


def _action(ids: Ids) -> list[Placed]:
    """What happens to one, the last first."""
    action, attempt = ids.uuid(), ids.uuid()
    arguments = encode({"text": TEXT})
    sha256 = sha256_hex(arguments)
    events: list[Event] = [
        ActionProposed(action, SPACE, "note", "Write it down", arguments.decode(), sha256, "asked", (1, 2), (AGENT,)),
        ActionApproved(action, SPACE, "note", sha256, 1, "person", BEGAN + timedelta(days=1)),
        ActionStarted(action, SPACE, attempt, "executor", BEGAN + timedelta(days=1)),
        ActionSucceeded(action, SPACE, attempt, '{"ok":true}'),
    ]
    placed = [Placed(action.bytes, version, type(event), encode(event)) for version, event in enumerate(events, 1)]
    return placed[::-1]
