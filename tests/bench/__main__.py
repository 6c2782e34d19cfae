"""`python -m tests.bench`: how fast this is, against baselines measured in the same run."""

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.machine import describe, load
from tests.bench.peers import stock
from tests.bench.report import Outcome, Outcomes, Places, as_json, table
from tests.bench.row import Bench, Row
from tests.bench.rows import ROWS
from tests.bench.scale import QUICK, USUAL, Scale
from tests.bench.server import NoRoom, postgres
from workers.memory import settle

_PLACES = Places.under(Path(__file__).parents[2])
_STOPPED = 130
_TOLD_SECONDS = 20.0
_COLUMNS = 160
"""Of tables that are not shown on a terminal."""
_errors = Console(stderr=True)


def main(
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help=f"One of: {', '.join(ROWS)}. Repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds in all: does every row run?")] = False,
    repeats: Annotated[int | None, typer.Option(min=1, help=f"Samples of each case [default: {USUAL.repeats}]")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of tables.")] = False,
    page: Annotated[bool, typer.Option("--page", help="Write the page from what was measured before.")] = False,
) -> None:
    """Measure, and write docs/benchmarks.md, row by row; a quick run writes nothing."""
    if unknown := set(only or ()) - ROWS.keys():
        raise typer.BadParameter(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if page:
        _PLACES.write(ROWS.values())
        return
    scale = QUICK if quick else USUAL
    scale = scale if repeats is None else msgspec.structs.replace(scale, repeats=repeats)
    rows = [row for name, row in ROWS.items() if not only or name in only]
    try:
        with postgres(scale.disk_bytes) as server:
            outcomes = uvloop.run(_measure(server, scale, rows))
    except asyncio.CancelledError:
        _errors.print("stopped")
        sys.exit(_STOPPED)
    except NoRoom as error:
        _errors.print(str(error), highlight=False)
        sys.exit(2)
    if json:
        sys.stdout.buffer.write(as_json(outcomes) + b"\n")
    else:
        console = Console(width=None if sys.stdout.isatty() else _COLUMNS)
        for row in rows:
            console.print(table(row, outcomes[row.name].lines))


async def _measure(server: str, scale: Scale, rows: list[Row]) -> Outcomes:
    _end_on_signals()
    stock.load()
    settle()
    machine, before, outcomes = describe(server), load(), Outcomes()
    command = " ".join(["python -m tests.bench", *sys.argv[1:]])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        telling = _Telling(progress, len(rows))
        bench = Bench(server, scale, telling.say)
        for row in rows:
            telling.begin(row.name)
            today = datetime.now(UTC).date()
            outcome = Outcome(today, command, scale.repeats, before, machine, await row.run(bench))
            outcomes[row.name] = outcome
            if scale.name == USUAL.name:
                _PLACES.keep({row.name: outcome}, ROWS.values())
            telling.end()
    return outcomes


class _Telling:
    """Says what is going on: in a bar on a terminal, elsewhere a line for every row and one now and then."""

    def __init__(self, progress: Progress, rows: int) -> None:
        self._progress, self._task = progress, progress.add_task("", total=rows)
        self._row, self._told = "", 0.0

    def begin(self, row: str) -> None:
        self._row, self._told = row, 0.0
        self.say("begins")

    def say(self, what: str) -> None:
        text = f"{self._row}: {what}"
        self._progress.update(self._task, description=text)
        if not _errors.is_terminal and time.monotonic() > self._told + _TOLD_SECONDS:
            self._told = time.monotonic()
            _errors.print(f"{datetime.now(UTC):%H:%M:%S} {text}", highlight=False)

    def end(self) -> None:
        self._progress.advance(self._task)


def _end_on_signals() -> None:
    """Cancel, so that everything that was started is ended; a terminal that is closed counts as well."""
    task = asyncio.current_task()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signum, task.cancel)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app(prog_name="python -m tests.bench")
