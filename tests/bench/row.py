"""What a row is, what it gets, and what it gives. A row lives in `rows/`, one file a group."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from adapters.postgres.migrate import migrate
from tests.bench.copying import fill
from tests.bench.fill import mixed
from tests.bench.measure import Case, Figure, interleave
from tests.bench.scale import Scale


class Target(Struct, frozen=True, omit_defaults=True):
    """What ours ÷ baseline has to be, and what ours has to be by itself."""

    least: float | None = None
    most: float | None = None
    own_least: float | None = None
    own_most: float | None = None

    def met(self, own: float, ratio: float | None) -> bool | None:
        """None: what it is about was not measured."""
        if ratio is None and (self.least is not None or self.most is not None):
            return None
        return _within(ratio, self.least, self.most) and _within(own, self.own_least, self.own_most)


def _within(value: float | None, least: float | None, most: float | None) -> bool:
    return value is None or ((least is None or value >= least) and (most is None or value <= most))


class Line(Struct, frozen=True):
    """One line of the table. `missing` says why a baseline has no figure."""

    work: str
    ours: Figure
    baseline: str
    theirs: Figure | None = None
    target: Target | None = None
    missing: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours ÷ baseline: of rates, more is better; of times and sizes, less is better."""
        return self.ours.value / self.theirs.value if self.theirs is not None and self.theirs.value else None

    @property
    def met(self) -> bool | None:
        return self.target.met(self.ours.value, self.ratio) if self.target is not None else None


class Bench:
    """What rows share: one Postgres, the scale, and a place to say what is going on."""

    def __init__(self, server: str, scale: Scale, say: Callable[[str], None]) -> None:
        self.server = server
        self.scale = scale
        self.say = say
        self._grown: dict[int, str] = {}

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A database of its own with our schema in it, dropped afterwards."""
        yield await self._create(name)
        await self._drop(name)  # after a failure or a stop everything goes, the server with it

    async def grown(self, size: int) -> str:
        """A database whose log has so many events, kept until the end of the run: it took its time."""
        if size not in self._grown:
            conninfo = await self._create(f"grown_{size}")
            await fill(conninfo, mixed(size), lambda done: self.say(f"filling {grouped(done)} of {grouped(size)}"))
            self._grown[size] = conninfo
        return self._grown[size]

    async def _create(self, name: str) -> str:
        await self._drop(name)
        async with await AsyncConnection.connect(self.server, autocommit=True) as connection:
            await connection.execute(sql.SQL("CREATE DATABASE {}").format(_identifier(name)))
        conninfo = make_conninfo(self.server, dbname=f"bench_{name}")
        await migrate(conninfo)
        return conninfo

    async def _drop(self, name: str) -> None:
        async with await AsyncConnection.connect(self.server, autocommit=True) as connection:
            await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(_identifier(name)))

    async def compare(self, what: str, *cases: Case) -> dict[str, Figure]:
        """Sample the cases in turn, as often as the scale says."""

        async def before(case: str, repeat: int) -> None:
            self.say(f"{what}: {case} ({repeat}/{self.scale.repeats})")
            if self.scale.checkpoints:
                async with await AsyncConnection.connect(self.server, autocommit=True) as connection:
                    await connection.execute("CHECKPOINT")

        return await interleave(cases, self.scale.repeats, before)

    async def against(
        self, work: str, own: Case, other: Case | None, name: str, target: Target | None = None, missing: str = ""
    ) -> Line:
        """One line: our case and one other, which may be missing."""
        figures = await self.compare(work, *([own] if other is None else [own, other]))
        return Line(work, figures[own.name], name, figures.get(other.name) if other else None, target, missing)


class Row(Struct, frozen=True):
    name: str
    title: str
    note: str
    """What is measured, for the reader of the table."""
    run: Callable[[Bench], Awaitable[list[Line]]]


def row(name: str, title: str, note: str) -> Callable[[Callable[[Bench], Awaitable[list[Line]]]], Row]:
    """Make a row of the function that measures it. `rows/__init__.py` lists them."""
    return lambda run: Row(name, title, " ".join(note.split()), run)


async def run_sql(conninfo: str, text: str) -> None:
    """Run a script of several statements."""
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        await connection.execute(text.encode())


def settings(server: str, *names: str) -> dict[str, Any]:
    """Postgres settings by name."""
    with psycopg.connect(server) as connection:
        return {
            name: (connection.execute("SELECT current_setting(%s)", [name]).fetchone() or [""])[0] for name in names
        }


def grouped(number: int) -> str:
    """A number for people: thousands apart."""
    return f"{number:_}".replace("_", " ")


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier(f"bench_{name}")
