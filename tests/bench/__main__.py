"""`python -m tests.bench`: how fast this is, against baselines measured in the same run."""

import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from adapters.embedded.postgres import EmbeddedPostgres
from tests.bench.machine import describe
from tests.bench.report import Outcome, Run, as_json, markdown, table
from tests.bench.row import Bench, Row
from tests.bench.rows import ROWS
from tests.bench.scale import FULL, QUICK, USUAL, Scale

_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_errors = Console(stderr=True)


def main(
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help=f"One of: {', '.join(ROWS)}. Repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds in all: does every row run?")] = False,
    full: Annotated[bool, typer.Option("--full", help="A log of a million events, longer samples.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of tables.")] = False,
) -> None:
    """Measure. A whole run that is not quick writes docs/benchmarks.md."""
    if unknown := set(only or ()) - ROWS.keys():
        raise typer.BadParameter(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    scale = QUICK if quick else FULL if full else USUAL
    rows = [row for name, row in ROWS.items() if not only or name in only]
    with tempfile.TemporaryDirectory(prefix="stele-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # Postgres does not run as root; the embedded one needs to get in
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            run = uvloop.run(_measure(server.start(), scale, rows))
        finally:
            server.stop()
    if json:
        sys.stdout.buffer.write(as_json(run) + b"\n")
    else:
        for outcome in run.outcomes:
            Console().print(table(outcome))
    if not quick and not only:
        _PAGE.write_text(markdown(run))
        _errors.print(f"wrote {_PAGE.relative_to(Path.cwd()) if _PAGE.is_relative_to(Path.cwd()) else _PAGE}")


async def _measure(server: str, scale: Scale, rows: list[Row]) -> Run:
    machine, outcomes = describe(server), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        task = progress.add_task("", total=len(rows))
        for row in rows:
            bench = Bench(server, scale, partial(_say, progress, task, row.name))
            outcomes.append(Outcome(row, await row.run(bench)))
            progress.advance(task)
    command = "python -m tests.bench" + (f" --{scale.name}" if scale is not USUAL else "")
    return Run(command, scale.name, scale.repeats, datetime.now(UTC).date(), machine, outcomes)


def _say(progress: Progress, task: TaskID, row: str, what: str) -> None:
    progress.update(task, description=f"{row}: {what}")


if __name__ == "__main__":
    typer.run(main)
