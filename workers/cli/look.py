"""The commands that look at one thing or at a whole topic, now or as of a position: topics, spaces, people, stream."""

from typing import Annotated, Any

import typer

from workers.cli import hub
from workers.cli.client import AsOf, Data, Json
from workers.cli.output import json_line, print_fields, print_json, uuid_of
from workers.cli.tail import for_people

topics = typer.Typer(help="Look at the topics.", no_args_is_help=True)
spaces = typer.Typer(help="Look at the spaces.", no_args_is_help=True)
people = typer.Typer(help="Look at the people.", no_args_is_help=True)
_SPACE = Annotated[str | None, typer.Option(help="Only this space: its name or id")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(topics, name="topics")
    app.add_typer(spaces, name="spaces")
    app.add_typer(people, name="people")
    app.command()(stream)


@topics.command("show")
def show_topic(
    topic: Annotated[str, typer.Argument(help="people, spaces, transcripts or actions")],
    space: _SPACE = None,
    as_of: AsOf = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Print a topic, one line an entry: cursor, key, value; the lines that `stele tail` prints."""
    _print_topic(hub.find(data), topic, space, as_of, json)


@spaces.command("list")
def list_spaces(as_of: AsOf = None, data: Data = None, json: Json = False) -> None:
    """List the spaces."""
    _print_topic(hub.find(data), "spaces", None, as_of, json)


@spaces.command("show")
def show_space(
    space: Annotated[str, typer.Argument(help="Its name or id")],
    as_of: AsOf = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show a space."""
    print_fields(hub.find(data).get(f"/v1/spaces/{hub.quoted(space)}", as_of=as_of)["value"], json)


@people.command("list")
def list_people(as_of: AsOf = None, data: Data = None, json: Json = False) -> None:
    """List the people who have spoken."""
    _print_topic(hub.find(data), "people", None, as_of, json)


@people.command("show")
def show_person(person_id: str, as_of: AsOf = None, data: Data = None, json: Json = False) -> None:
    """Show a person."""
    id = uuid_of(person_id, "a person's id", "stele people list")
    print_fields(hub.find(data).get(f"/v1/people/{id}", as_of=as_of)["value"], json)


def stream(
    stream_id: Annotated[str, typer.Argument(help="The id of an action, a space, a person or any other aggregate")],
    after: Annotated[int, typer.Option(help="A version: only what came after it", min=0)] = 0,
    as_of: AsOf = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Print one aggregate's events, in the order of their versions."""
    id = uuid_of(stream_id, "a stream's id", "stele log --json")
    for event in hub.find(data).pages(f"/v1/streams/{id}", "events", "after", after=after, as_of=as_of):
        if json:
            print_json(event)
            continue
        what = f"{event['type']:<48}  {json_line(event['data'], 120)}"
        print(f"{event['version']:>6}  {event['position']:>8}  {what}", flush=True)


def _print_topic(found: hub.Hub, topic: str, space: str | None, as_of: int | None, json: bool) -> None:
    path = f"/v1/topics/{hub.quoted(topic)}/entries"
    for entry in found.pages(path, "entries", "cursor", space=space, as_of=as_of):
        line: dict[str, Any] = {"cursor": entry["cursor"], "key": entry["key"], "value": entry["value"]}
        if json:
            print_json(line)
        elif line["value"] is not None:
            print(f"{line['cursor']}  {line['key']}  {for_people(line['value'])}", flush=True)
