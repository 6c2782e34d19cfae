"""The commands of whoever runs a hub: projections, agents, doctor."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli import hub
from workers.cli.client import Data, Json
from workers.cli.output import CommandFailed, interactive, one_line, print_json
from workers.cli.processes import settings
from workers.settings import required

if TYPE_CHECKING:
    from rich.progress import Progress

projections = typer.Typer(help="See, rebuild and verify the projections.", no_args_is_help=True)
agents = typer.Typer(help="The agents (tenants) of a hub.", no_args_is_help=True)
_TOPIC = Annotated[str | None, typer.Argument(help="One topic [default: all of them]")]
_RATE = Annotated[
    int | None,
    typer.Option("--max-events-per-second", min=1, max=10**9, help="Go slowly, for the sake of others [default: full]"),
]
_ERROR_WIDTH = 600
"""Of a fold's error; it may quote what people said, which must not steer a terminal."""


def add_to(app: typer.Typer) -> None:
    app.add_typer(projections, name="projections")
    app.add_typer(agents, name="agents")
    app.command()(doctor)


@projections.command("list")
def list_projections(
    digest: Annotated[bool, typer.Option("--digest", help="Hash every entry, too")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the projections: version, position, lag, and the error of one that stopped."""
    answer = hub.find(data).get("/v1/projections", digest="true" if digest else None)
    for one in answer["projections"]:
        if json:
            print_json(one)
            continue
        version = f"v{one['version']}" + (f" r{one['revision']}" if one["revision"] else "")
        error = f"  stopped at {one['error_position']}: {one['error']}" if one["error"] else ""
        print(
            f"{one['topic']:<12}  {version:<7}  {one['state']:<8}  position {one['position']:>8}  "
            f"lag {one['lag']:>6}{'  ' + one['digest'] if one['digest'] else ''}{one_line(error, _ERROR_WIDTH)}"
        )


@projections.command()
def rebuild(topic: _TOPIC = None, max_events_per_second: _RATE = None, data: Data = None, json: Json = False) -> None:
    """Fold the log anew beside the live entries; the result takes over in one transaction. One that was broken off is
    gone on with.
    """
    _build("PUT", "rebuild", "rebuilt", topic, max_events_per_second, data, json)


@projections.command()
def verify(topic: _TOPIC = None, max_events_per_second: _RATE = None, data: Data = None, json: Json = False) -> None:
    """Fold the log aside and compare with what is live; exit status 1 when they differ."""
    _build("GET", "verification", "equal", topic, max_events_per_second, data, json)


def _build(
    method: str, what: str, good: str, topic: str | None, rate: int | None, data: Path | None, json: bool
) -> None:
    from projections.topics import TOPICS

    found, well = hub.find(data), True
    for name in [topic] if topic else TOPICS:
        outcome = _one(found, method, what, name, rate)
        well = well and outcome["outcome"] == good
        if json:
            print_json(outcome)
        else:
            print(_sentence(outcome))
    if not well:
        raise SystemExit(1)


def _one(found: hub.Hub, method: str, what: str, topic: str, rate: int | None) -> dict[str, Any]:
    query = f"?max_events_per_second={rate}" if rate is not None else ""
    with _progress() as progress:
        task = progress.add_task(f"{topic}: {what}", total=None, rate="")
        for line in found.stream(method, f"/v1/projections/{topic}/{what}{query}"):
            if "outcome" in line:
                return line
            if "resumed" in line:  # what was there before counts for nothing in the rate
                progress.reset(task, total=line["head"], completed=line["position"], rate="")
                continue
            speed = progress.tasks[task].speed
            shown = f"{speed:,.0f} events/s" if speed else ""
            progress.update(task, completed=line["position"], total=line["head"], rate=shown)
    raise CommandFailed(f"{topic}: the hub ended the {what} without an outcome; its log has the details")


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not interactive(),
        transient=True,
    )


def _sentence(outcome: dict[str, Any]) -> str:
    text = f"{outcome['topic']}: {outcome['outcome']}"
    if "position" in outcome:
        text += f" at position {outcome['position']}"
    if "digest" in outcome:
        text += f", digest {outcome['digest']}"
    if outcome.get("first_difference"):
        first = outcome["first_difference"]
        text += (
            f"; {outcome['differences']} entries differ, first {first['key']} at position {first['position']} "
            f"({first['what']})"
        )
    if outcome.get("cursors") == "refetched":
        text += "; clients fetch the topic anew"
    return text + (f": {one_line(outcome['detail'], _ERROR_WIDTH)}" if "detail" in outcome else "")


@agents.command("create")
def create(
    name: str,
    token_file: Annotated[Path, typer.Option(help="Where to write the new owner's token")],
    data: Data = None,
) -> None:
    """Create another agent: a tenant that shares nothing with the others. Needs the hub's database."""
    import asyncio

    from domain.refusals import Refusal
    from workers.bootstrap import create_agent

    chosen = settings(data=data)
    ready = hub.running(chosen.data)
    conninfo = ready["postgres_url"] if ready else required(chosen.postgres_url, "STELE_POSTGRES_URL")
    if token_file.exists():
        raise CommandFailed(f"{token_file} exists already; name a new file")
    try:
        agent_id = asyncio.run(create_agent(conninfo, name, token_file, chosen))
    except Refusal as refusal:
        token_file.unlink(missing_ok=True)
        raise CommandFailed(f"{refusal.code}: {refusal.detail}") from refusal
    print(f"agent {agent_id}, its owner's token is in {token_file}")


def doctor(data: Data = None, json: Json = False) -> None:
    """Look at everything that a hub needs and say what is wrong; exit status 1 when something is."""
    from workers.cli.doctor import examine

    checks = examine(data)
    for check in checks:
        if json:
            print_json({"check": check.name, "ok": check.ok, "detail": check.detail})
        else:
            print(f"{'ok  ' if check.ok else 'BAD '} {check.name}: {check.detail}")
    if not all(check.ok for check in checks):
        raise SystemExit(1)
