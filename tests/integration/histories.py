"""A history that a seed decides: two agents who meet, speak, and have actions proposed and decided, in one log."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.actions import ActionApproved, ActionProposed, ActionRejected, ActionStarted, ActionSucceeded
from domain.canonical import encode, sha256_hex
from domain.events import Event
from domain.people import PersonRegistered
from domain.spaces import SpaceCreated
from domain.transcripts import TranscriptChunkRecorded

AGENTS = (UUID(int=0xA9E47), UUID(int=0xB9E47))
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_INSERT = b"""
INSERT INTO stele.log (position, event_id, agent_id, stream_id, version, type, schema_version, data, occurred_at,
                       recorded_at, actor, causation_id, correlation_id, traceparent)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'test', NULL, %s, NULL)"""

Placed = tuple[UUID, UUID, int, Event]
"""agent, stream, version, event"""


def history(seed: int, count: int) -> list[Placed]:
    """So many events, or a few more."""
    chance = random.Random(seed)
    placed: list[Placed] = []
    under_way: list[Iterator[Placed]] = []
    while len(placed) < count:
        agent = chance.choice(AGENTS)
        what = chance.random()
        new = UUID(int=chance.getrandbits(128))
        space = UUID(int=chance.randrange(1, 4))
        if what < 0.05:
            placed.append((agent, new, 1, SpaceCreated(new, f"space-{len(placed)}", "A space")))
        elif what < 0.1:
            placed.append((agent, new, 1, PersonRegistered(new, f"Speaker {len(placed)}")))
        elif what < 0.4:
            said = TranscriptChunkRecorded(new, space, UUID(int=9), "Ada", f"Remark {len(placed)}.")
            placed.append((agent, new, 1, said))
        else:
            under_way = [*under_way, _action(agent, new, space, chance)] if len(under_way) < 20 else under_way
            step = next(one := chance.choice(under_way), None)
            placed += [step] if step is not None else []
            under_way = under_way if step is not None else [other for other in under_way if other is not one]
    return placed


def _action(agent: UUID, action: UUID, space: UUID, chance: random.Random) -> Iterator[Placed]:
    arguments = encode({"text": "x"})
    sha256, until = sha256_hex(arguments), _BEGAN + timedelta(days=1)
    events: list[Event] = [
        ActionProposed(action, space, "note", "Write it down", arguments.decode(), sha256, "asked", (1,), (action,))
    ]
    if chance.random() < 0.3:
        events.append(ActionRejected(action, space, "person", "no"))
    else:
        events.append(ActionApproved(action, space, "note", sha256, 1, "person", until))
        events.append(ActionStarted(action, space, UUID(int=action.int ^ 1), "executor", until))
        events.append(ActionSucceeded(action, space, UUID(int=action.int ^ 1), '{"ok":true}'))
    return iter([(agent, action, version, event) for version, event in enumerate(events, start=1)])


async def append(connection: AsyncConnection[Any], placed: list[Placed]) -> int:
    """Append them in this order and return the head. Nobody else may be writing."""
    async with connection.transaction(), connection.cursor() as cursor:
        row = await (await cursor.execute("SELECT position FROM stele.head FOR UPDATE")).fetchone()
        head = int(row[0]) if row is not None else 0
        rows = []
        for position, (agent, stream, version, event) in enumerate(placed, start=head + 1):
            id, at = UUID(int=position), _BEGAN + timedelta(seconds=position)
            rows.append(
                (position, id, agent, stream, version, event.type, event.schema_version, encode(event), at, at, id)
            )
        await cursor.executemany(_INSERT, rows)
        await cursor.execute("UPDATE stele.head SET position = %s", [head + len(placed)])
    return head + len(placed)
