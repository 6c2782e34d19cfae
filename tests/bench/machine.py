"""What a run ran on: without it a figure means nothing."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import psycopg

from tests.bench.peers import emmett
from tests.bench.row import settings

_PACKAGES = ("psycopg", "msgspec", "uvloop", "eventsourcing")
_SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


def describe(server: str) -> dict[str, str]:
    """Label and text, in the order in which they are shown."""
    found = settings(server, *_SETTINGS)
    postgres = found.pop("server_version")
    return {
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "Postgres": ", ".join([f"{postgres}, embedded, Unix socket", *(f"{key}={found[key]}" for key in found)]),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES) + f" (psycopg: {psycopg.pq.__impl__})",
        "peers": f"emmett-postgresql {emmett.version()} on node {_node()}",
    }


def load() -> str:
    """What else was going on: the average of the last minute, five and fifteen."""
    return "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not there"


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        return "not there"
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
