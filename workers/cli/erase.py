"""The commands about persons' keys: erasing a person, and the master keys of a hub."""

import contextlib
import sys
import time
import uuid
from typing import Annotated, Any

import typer

from domain.ids import normal_label
from workers.cli import hub
from workers.cli.client import Data, Json
from workers.cli.output import CommandFailed, interactive, one_line, print_json
from workers.cli.processes import settings
from workers.settings import Settings, required

_TOPICS_SECONDS_MAX = 10.0
keys = typer.Typer(help="The master keys that wrap the persons' keys.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(erase)
    app.add_typer(keys, name="keys")


def erase(
    person: Annotated[str, typer.Argument(help="The person's name, or id as `stele people list` shows it")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Erase a person: destroy the key that opens the name and the words, everywhere and for good."""
    found = hub.find(data)
    entry = _find(found, person)
    print(f"{one_line(entry['label'], 200)}  {entry['person_id']}", file=sys.stderr)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandFailed("erasing cannot be undone; say --yes")
        question = "Erase this person? Nobody will be able to read the name and the words again."
        typer.confirm(question, abort=True, err=True)
    answer = found.post(f"/v1/people/{entry['person_id']}/erase")
    behind = _wait_for_topics(found, answer["position"])
    if json:
        print_json(answer | {"topics_behind": behind})
    else:
        print(f"erased {answer['person_id']} at position {answer['position']}")
    if behind:
        print(
            f"stele: these topics have not come to it yet and go on showing what they show: {', '.join(behind)}; "
            "see `stele projections list`",
            file=sys.stderr,
        )
        raise SystemExit(1)


def _wait_for_topics(found: hub.Hub, position: int) -> list[str]:
    """The topics that have not come to a position after some seconds."""
    deadline = time.monotonic() + _TOPICS_SECONDS_MAX
    while True:
        listed = found.get("/v1/projections")["projections"]
        behind = [one["topic"] for one in listed if one["state"] == "live" and one["position"] < position]
        if not behind or time.monotonic() > deadline:
            return behind
        time.sleep(0.1)


def _find(found: hub.Hub, person: str) -> dict[str, Any]:
    """Raises CommandFailed unless it is exactly one."""
    wanted = normal_label(person)
    with contextlib.suppress(ValueError):
        wanted = str(uuid.UUID(wanted))
    entries = [entry["value"] for entry in found.pages("/v1/topics/people/entries", "entries", "cursor")]
    for value in entries:
        if value is not None and wanted in (value["person_id"], value["label"]):
            return dict(value)
    raise CommandFailed("nobody of that name or id; see `stele people list`")


@keys.command("new")
def new() -> None:
    """Print a new master key, for STELE_MASTER_KEYS or a file. Nothing is kept of it."""
    from adapters.vault.master import generate

    print(generate())


@keys.command("list")
def list_keys(data: Data = None, json: Json = False) -> None:
    """List the master keys by their ids, and how many persons' keys each wraps."""
    import asyncio

    from workers import keys as hub_keys

    chosen, conninfo = _here(data)
    for one in asyncio.run(hub_keys.overview(chosen, conninfo)):
        if json:
            print_json(one)
        else:
            print(f"{one['master_key_id']:<32}  {one['state']:<8}  wraps {one['wraps']}")


@keys.command("rotate")
def rotate(data: Data = None, json: Json = False) -> None:
    """Put a new master key into the hub's file and wrap every person's key anew. With STELE_MASTER_KEYS put the new key
    first there, start the hub again, and run this. It may be stopped and run again.
    """
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    from workers import keys as hub_keys

    chosen, conninfo = _here(data)
    with Progress(
        "wrapping anew", BarColumn(), MofNCompleteColumn(), console=Console(stderr=True), disable=not interactive()
    ) as progress:
        task = progress.add_task("", total=None)
        done = asyncio.run(
            hub_keys.rotate(chosen, conninfo, lambda count, total: progress.update(task, completed=count, total=total))
        )
    if json:
        print_json(done)
    else:
        print(
            f"{done['master_key_id']} wraps {done['wrapped']} more keys now; an older master key can be removed from "
            f"{done['where']} when `stele keys list` shows that it wraps none"
        )


def _here(data: Any) -> tuple[Settings, str]:
    """The settings of the hub in this folder, and its database."""
    chosen = settings(data=data)
    ready = hub.running(chosen.data)
    return chosen, ready["postgres_url"] if ready else required(chosen.postgres_url, "STELE_POSTGRES_URL")
