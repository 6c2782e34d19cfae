"""`stele up` and the processes that it and compose.yaml start."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from workers.settings import NotConfigured, Settings, required


def settings(**overrides: Any) -> Settings:
    """The environment's settings with a command's own on top. Raises NotConfigured, naming what is wrong."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise NotConfigured(f"STELE_{str(first['loc'][0]).upper()}: {first['msg']}") from None


def add_to(app: typer.Typer) -> None:
    app.command()(up)
    for name, doc in (
        ("serve", "Run the serving process: runtime, HTTP and sync."),
        ("projector", "Run a projector: the log into the entries of every topic."),
        ("relay", "Run a relay: the log to JetStream."),
        ("planner", "Run a planner: transcripts into proposed actions."),
        ("executor", "Run an executor: approved actions into outcomes."),
    ):
        app.command(name, help=doc)(_process(name))
    app.command("bootstrap")(bootstrap)
    app.command("build", hidden=True)(build)
    app.command("as-of", hidden=True, help="What the serving process starts to build states of the past.")(
        _process("as_of")
    )
    app.command("openapi")(openapi)


def up(
    data: Annotated[Path | None, typer.Option(help="Where everything is kept [default: .stele]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="Where to listen; 0: any free port [default: 8420]")
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on [default: 127.0.0.1]")] = None,
) -> None:
    """Run a whole hub: Postgres, NATS and every process. Ctrl-C stops it."""
    from workers import up as process

    process.main(settings(data=data, port=port, host=host))


def _process(name: str) -> Any:
    def command() -> None:
        import importlib

        importlib.import_module(f"workers.{name}").main(settings())

    return command


def bootstrap(
    token_file: Annotated[Path, typer.Option(help="Where the owner's token is, or is to be written")],
    finish_upgrade: Annotated[
        bool, typer.Option("--finish-upgrade", help="No process of an older release runs any more: drop what they used")
    ] = False,
) -> None:
    """Bring the database up to date and make the first agent. Doing it twice changes nothing."""
    from workers import bootstrap as process
    from workers.process import run

    chosen = settings()
    conninfo = required(chosen.postgres_url, "STELE_POSTGRES_URL")
    run(
        "bootstrap",
        lambda _: process.bootstrap(conninfo, token_file, chosen, alone_here=finish_upgrade),
        level=chosen.log_level,
    )


def build(
    task: str, topic: str, max_events_per_second: Annotated[int | None, typer.Option(min=1, max=10**9)] = None
) -> None:
    """What the serving process starts to rebuild or verify a projection."""
    from workers import build as process

    process.main(settings(), task, topic, max_events_per_second)


def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface."""
    import json

    from adapters.http.app import create_app
    from adapters.http.operations import Operations

    async def nothing() -> list[str]:
        return []

    async def no_build(task: str, topic: str, rate: int | None) -> AsyncIterator[bytes]:
        yield b""

    async def no_metrics(accept: str) -> tuple[bytes, str]:
        return b"", accept

    app = create_app(None, Operations(nothing, no_build, no_metrics))
    print(json.dumps(app.openapi(), indent=1, sort_keys=True))
