"""The whole log, read once more at the end: is every command in it as its writer was told?"""

from pathlib import Path

from msgspec import Struct

from tests.soak.admin import connect
from tests.soak.marks import Name
from tests.soak.watch import Seen, mark

_PAGE = 5_000


class Commands(Struct):
    """What the log has of the writers' commands. All but the first three have to be 0."""

    acknowledged: int = 0
    acknowledged_events: int = 0
    unanswered: int = 0
    """Commands in the log whose writer was killed, or gave up, before it had an answer."""
    lost: int = 0
    """Acknowledged, and not in the log."""
    misplaced: int = 0
    """Not at the positions that their writer was told."""
    doubled: int = 0
    """More events than the command has."""
    torn: int = 0
    """Fewer events than the command has, or others between them."""
    refused_but_written: int = 0
    holes: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.misplaced or self.doubled or self.torn or self.refused_but_written or self.holes)


class _Found(Struct):
    size: int
    first: int
    last: int
    count: int


class Audit:
    """`log` and `commands` are there after `run`."""

    def __init__(self) -> None:
        self.log: list[Seen] = []
        self.commands = Commands()
        self._found: dict[tuple[str, int], _Found] = {}

    async def run(self, conninfo: str, acks: Path) -> None:
        """`acks` is the folder of the writers' files, named as the writers are. Raises psycopg.Error."""
        await self._scan(conninfo)
        told: set[tuple[str, int]] = set()
        for file in sorted(acks.iterdir()):
            for line in file.read_text().splitlines():
                number, first, last = (int(part) for part in line.split())
                told.add((file.name, number))
                self._compare((file.name, number), first, last)
        for name, found in self._found.items():
            self.commands.unanswered += name not in told
            self.commands.doubled += found.count > found.size
            torn = found.count < found.size or found.last - found.first + 1 != found.count
            self.commands.torn += torn and found.count <= found.size

    async def _scan(self, conninfo: str) -> None:
        async with await connect(conninfo) as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 0")
            async with connection.cursor("audit", binary=True) as cursor:
                cursor.itersize = _PAGE
                await cursor.execute("SELECT position, event_id, actor FROM stele.log ORDER BY position")
                async for position, event_id, actor in cursor:
                    self.commands.holes += position != len(self.log) + 1
                    self.log.append((position, mark(event_id.int)))
                    self._note(position, actor)

    def _note(self, position: int, actor: str) -> None:
        name = Name.of(actor)
        if name is None:
            return
        found = self._found.setdefault((name.writer, name.number), _Found(name.size, position, position, 0))
        found.last = position
        found.count += 1

    def _compare(self, name: tuple[str, int], first: int, last: int) -> None:
        found = self._found.get(name)
        if last == 0:
            self.commands.refused_but_written += found is not None
            return
        self.commands.acknowledged += 1
        self.commands.acknowledged_events += last - first + 1
        if found is None:
            self.commands.lost += 1
        elif (found.first, found.last) != (first, last):
            self.commands.misplaced += 1
