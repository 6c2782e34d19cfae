"""`python -m tests.soak.no_skip`: does any reader ever miss an event? Ours must not; a recorder that does is caught."""

import asyncio
import logging
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.soak import report, stock
from tests.soak.admin import connect
from tests.soak.outcome import Outcome
from tests.soak.stele import READERS, Plan, Run, Servers, Show
from tests.soak.stock import StockPlan

_EVENTS = 1_000_000
_SECONDS_MAX = 1_200.0
"""A run that has not written its events by then has failed."""
_STOCK_SECONDS = 15.0
_errors = Console(stderr=True)


def main(
    events: Annotated[int | None, typer.Option(help=f"End when the log has so many [default: {_EVENTS}]")] = None,
    seconds: Annotated[float | None, typer.Option(help="End after so long")] = None,
    writers: Annotated[int, typer.Option(help="Writer processes")] = 4,
    seed: Annotated[int | None, typer.Option(help="What goes wrong when [default: any]")] = None,
    only: Annotated[str | None, typer.Option(help="`stele` or `stock`: one half of it")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of tables")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables for docs/benchmarks.md")] = False,
) -> None:
    """Exit status 1 when a reader of Stele missed anything, or when the faulty recorder was not caught."""
    if only not in (None, "stele", "stock"):
        raise typer.BadParameter("--only is `stele` or `stock`")
    logging.disable()  # of a Postgres that does not start at the first attempt; the runs' logs are in files
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    _errors.print(f"seed {seed}", highlight=False)
    bound = seconds if seconds is not None else _SECONDS_MAX
    wanted = events if events is not None else sys.maxsize if seconds is not None else _EVENTS
    plan = Plan(wanted, bound, seed, writers)
    folder = Path(tempfile.mkdtemp(prefix="stele-soak-"))
    folder.chmod(0o755)  # Postgres does not run as root; the embedded one needs to get in
    servers = Servers.under(folder)
    try:
        outcomes = uvloop.run(_all(plan, servers, only))
    finally:
        servers.nats.stop()
        servers.postgres.stop()
    if seconds is None and outcomes[0].events < wanted and only != "stock":
        outcomes[0].faults.append(f"{outcomes[0].events} events after {bound:.0f} s; {wanted} were wanted")
    _print(seed, outcomes, json=json, markdown=markdown)
    for fault in [fault for outcome in outcomes for fault in outcome.faults]:
        _errors.print(fault, style="red", highlight=False)
    if not all(outcome.as_expected for outcome in outcomes):
        _errors.print(f"the database and the processes' logs are in {folder}", style="red", highlight=False)
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


async def _all(plan: Plan, servers: Servers, only: str | None) -> list[Outcome]:
    outcomes = []
    if only != "stock":
        with _progress(plan) as show:
            outcomes.append(await Run(plan, servers, show).run())
    if only != "stele":
        outcomes += [await _stock(servers, StockPlan(flag, _STOCK_SECONDS, plan.seed)) for flag in (True, False)]
    return outcomes


async def _stock(servers: Servers, plan: StockPlan) -> Outcome:
    server = await asyncio.to_thread(servers.postgres.start)
    name = f"stock_{plan.functions:d}"
    async with await connect(server) as connection:
        await connection.execute(f"CREATE DATABASE {name}".encode())
    with _errors.status(f"stock recorder, {plan.seconds:.0f} s ..."):
        return await stock.run(plan, server.replace("/postgres?", f"/{name}?"), servers.folder / name)


@contextmanager
def _progress(plan: Plan) -> Iterator[Show]:
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        total = plan.events if plan.events < sys.maxsize else None
        tasks = {name: progress.add_task(name, total=total) for name in ("log", *READERS)}

        def show(head: int, positions: dict[str, int]) -> None:
            for name, position in {"log": head, **positions}.items():
                progress.update(tasks[name], completed=position)

        yield show


def _print(seed: int, outcomes: list[Outcome], *, json: bool, markdown: bool) -> None:
    if json:
        sys.stdout.buffer.write(report.as_json(seed, outcomes) + b"\n")
        return
    rows = [report.readers(outcomes), report.writers(outcomes)]
    if markdown:
        took = ", ".join(f"{outcome.subject}: {outcome.seconds:.0f} s" for outcome in outcomes)
        print(f"Seed {seed}. {took}.\n")
        print("\n".join(report.markdown(row) for row in rows))
        return
    for row in rows:
        if row.lines:
            Console().print(report.table(row))


if __name__ == "__main__":
    typer.run(main)
