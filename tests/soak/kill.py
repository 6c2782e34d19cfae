"""`python -m tests.soak.kill`: rounds of `kill -9` against a hub under load; nothing acknowledged may be lost."""

import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.soak import kill_run, report
from tests.soak.kill_run import KillOutcome
from tests.soak.victims import SoakHub

_errors = Console(stderr=True)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Deaths")] = 100,
    seed: Annotated[int | None, typer.Option(help="Who dies when [default: any]")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="A table for docs/benchmarks.md")] = False,
) -> None:
    """Exit status 1 when an acknowledged command was lost or happened twice, or a topic is not equal to its rebuild."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    _errors.print(f"seed {seed}", highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="stele-soak-"))
    folder.chmod(0o755)  # Postgres does not run as root; the embedded one needs to get in
    hub = SoakHub(folder / "hub")
    hub.start()
    try:
        outcome = _run(hub, rounds, seed)
    finally:
        hub.stop()
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode({"seed": seed, "run": outcome}), indent=2))
    elif markdown:
        print(f"Seed {seed}.\n\n{report.markdown(report.kills(outcome))}")
    else:
        Console().print(report.table(report.kills(outcome)))
    for fault in outcome.faults:
        _errors.print(fault, style="red", highlight=False)
    if not outcome.good:
        _errors.print(f"the hub's folder is {folder}", style="red", highlight=False)
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


def _run(hub: SoakHub, rounds: int, seed: int) -> KillOutcome:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_errors, transient=True, disable=not _errors.is_terminal) as progress:
        task = progress.add_task("kill -9", total=rounds)

        def show(done: int, outcome: KillOutcome) -> None:
            text = f"kill -9, {outcome.acknowledged} commands acknowledged"
            progress.update(task, completed=done, description=text)

        return uvloop.run(kill_run.run(hub, rounds, seed, show))


if __name__ == "__main__":
    typer.run(main)
