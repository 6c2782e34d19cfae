"""The run's own Postgres, in a folder that is gone afterwards, also when the run is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.embedded.postgres import EmbeddedPostgres

_POSTGRES = "pg"
_STOP_SECONDS_MAX = 60.0


class NoRoom(Exception):
    """The disk is too small."""


@contextmanager
def postgres(disk_bytes: int) -> Iterator[str]:
    """The connection string of a server of its own. Raises NoRoom."""
    with tempfile.TemporaryDirectory(prefix="stele-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < disk_bytes:
            raise NoRoom(
                f"{free / 1e9:.0f} GB are free in {folder.parent} and {disk_bytes / 1e9:.0f} GB are needed for the"
                " largest logs; TMPDIR chooses another place"
            )
        folder.chmod(0o755)  # Postgres does not run as root; the embedded one needs to get in
        server = EmbeddedPostgres(folder / _POSTGRES)
        with _guard(folder):
            try:
                yield server.start()
            finally:
                server.stop()


@contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """A process that outlives this one for as long as it takes to clean up after it."""
    command = [sys.executable, "-m", "tests.bench.server", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        process.communicate()  # closes its input
        process.wait()


def _clean_up(folder: Path) -> None:
    """Wait for the end of whoever has started this, then end its server, if there is one, and remove the folder."""
    sys.stdin.read()
    pid = _postmaster(folder)
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)  # at once: nobody wants what it has in memory
        deadline = time.monotonic() + _STOP_SECONDS_MAX
        while _postmaster(folder) == pid and time.monotonic() < deadline:
            time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def _postmaster(folder: Path) -> int | None:
    with suppress(FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        pid = int((folder / _POSTGRES / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
        return pid
    return None


if __name__ == "__main__":
    _clean_up(Path(sys.argv[1]))
