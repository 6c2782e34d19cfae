"""The processes of a hub that are killed, and how to find them again."""

import contextlib
import sys
from typing import ClassVar

import psutil

from tests.hub import RunningHub

VICTIMS = ("serve", "projector", "postgres")


class SoakHub(RunningHub):
    command: ClassVar[list[str]] = [sys.executable, "-m", "tests.soak.up"]

    def pid(self, victim: str) -> int | None:
        """None while it is gone."""
        return self._postmaster() if victim == "postgres" else self._child(victim)

    def kill_one(self, victim: str) -> int | None:
        """`kill -9`. The pid that it had; None when it was gone already."""
        pid = self.pid(victim)
        if pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        return pid

    def _child(self, command: str) -> int | None:
        for child in psutil.Process(self.ready["pid"]).children():
            with contextlib.suppress(psutil.Error):
                if child.cmdline()[-1:] == [command] and child.status() != psutil.STATUS_ZOMBIE:
                    return child.pid
        return None

    def _postmaster(self) -> int | None:
        """Not what a file says that a dead one left behind."""
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self.data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))
            if process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
                return process.pid
        return None
