"""The commands of a hub's users: ingest, tail, actions, log."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.cli import hub
from workers.cli.output import CommandFailed, json_line, one_line, print_fields, print_json, uuid_of

Data = Annotated[Path | None, typer.Option(help="The data folder of a running hub [default: $STELE_DATA or .stele]")]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON value a line")]
AsOf = Annotated[int | None, typer.Option(help="A position: as it was when the log ended there", min=0)]

actions = typer.Typer(help="List, approve and reject proposed actions.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(ingest)
    app.command()(tail)
    app.command()(log)
    app.add_typer(actions, name="actions")


def ingest(
    file: Annotated[Path, typer.Argument(help="JSON lines: speaker, text; optional id, started_at, ended_at")],
    space: Annotated[str, typer.Option(help="The space's name; it is created if it is not there")],
    rate: Annotated[float | None, typer.Option(help="Lines a second, as if people were talking")] = None,
    source: Annotated[
        str | None, typer.Option(help="What names the file when it is sent again [default: its name]")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Record a transcript file in a space. Run twice, it adds nothing."""
    from workers.cli import ingest as command

    command.run(hub.find(data, patient=True), file, space, rate, source or file.name, json)


def tail(
    topic: Annotated[str, typer.Argument(help="people, spaces, transcripts or actions")],
    space: Annotated[str | None, typer.Option(help="Only this space: its name or id")] = None,
    after: Annotated[str | None, typer.Option(help="A cursor: only what changed after it")] = None,
    until_head: Annotated[bool, typer.Option("--until-head", help="End when there is no more just now")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Follow a topic, one line an entry: cursor, key, value."""
    from workers.cli import tail as command

    command.run(hub.find(data), topic, space, after, until_head, json)


def log(
    after: Annotated[int, typer.Option(help="A position: only what came after it", min=0)] = 0,
    as_of: AsOf = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Print the agent's events, up to the head of the log or to another position."""
    for event in hub.find(data).pages("/v1/log", "events", "position", after=after, as_of=as_of):
        if json:
            print_json(event)
        else:
            print(f"{event['position']:>8}  {event['type']:<48}  {json_line(event['data'], 120)}", flush=True)


@actions.command("list")
def list_actions(
    status: Annotated[str | None, typer.Option(help="proposed, approved, started, succeeded, failed, …")] = None,
    space: Annotated[str | None, typer.Option(help="Only this space: its name or id")] = None,
    as_of: AsOf = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List actions, with the positions that they rest on."""
    found = hub.find(data)
    for entry in found.pages("/v1/actions", "entries", "cursor", status=status, space=space, as_of=as_of):
        value = entry["value"]
        if json:
            print_json(value)
            continue
        rests_on = ",".join(str(position) for position in value["rests_on"])
        print(
            f"{value['action_id']}  {value['status']:<9}  {one_line(value['tool'], 40):<9}  "
            f"{one_line(value['title'], 80)}  (rests on {rests_on}){_failure(value)}",
            flush=True,
        )


@actions.command()
def show(action_id: str, as_of: AsOf = None, data: Data = None, json: Json = False) -> None:
    """Show an action: its tool, its arguments, what it rests on, and what became of it."""
    print_fields(hub.find(data).get(f"/v1/actions/{_id(action_id)}", as_of=as_of)["value"], json)


@actions.command()
def approve(
    action_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Approve an action: exactly the arguments that are shown, as long as nothing has happened to it since. An executor
    then runs it once.
    """
    from domain.personal import ERASED

    found = hub.find(data)
    entry, etag = found.get_tagged(f"/v1/actions/{_id(action_id)}")
    shown = entry["value"]
    if shown["arguments_sha256"] == ERASED:
        raise CommandFailed("person_erased: it is about somebody who was erased; nobody can read it any more")
    arguments = json_line(shown["arguments"], 40_000)
    print(f"{one_line(shown['tool'], 40)}  {arguments}  (SHA-256 {shown['arguments_sha256']})", file=sys.stderr)
    if sys.stdin.isatty() and not yes:
        typer.confirm("Approve exactly this?", abort=True, err=True)
    seen = {"arguments_sha256": shown["arguments_sha256"]}
    _decided(found.post(f"/v1/actions/{shown['action_id']}/approve", seen, if_match=etag), json)


@actions.command()
def reject(
    action_id: str,
    reason: Annotated[str, typer.Option(help="Why; kept with the decision")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Reject a proposed action."""
    _decided(hub.find(data).post(f"/v1/actions/{_id(action_id)}/reject", {"reason": reason}), json)


def _id(action_id: str) -> str:
    return uuid_of(action_id, "an action's id", "stele actions list")


def _failure(value: dict[str, Any]) -> str:
    return f"  {one_line(value['failure']['code'], 60)}" if value.get("failure") else ""


def _decided(answer: dict[str, Any], json: bool) -> None:
    if json:
        print_json(answer)
    else:
        print(f"{answer['action_id']}  {answer['status']}  (position {answer['position']})")
