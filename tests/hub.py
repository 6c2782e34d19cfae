"""A hub of real processes for acceptance tests: `stele up` in its own folder, and the command against it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import httpx

STELE = [sys.executable, "-m", "workers"]
_READY_SECONDS_MAX = 90.0


class RunningHub:
    """Start with `start`, end with `stop` or `kill`; the folder stays, so it can be started again."""

    command: ClassVar[list[str]] = STELE

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self._environment = {**os.environ, **environment, "STELE_DATA": str(data)}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Seconds until it was ready. Raises AssertionError with its output when it did not become ready."""
        began = time.monotonic()
        self.data.parent.mkdir(parents=True, exist_ok=True)
        errors = self.data.with_suffix(".err").open("w")
        up = [*self.command, "up", "--port", "0"]
        self._process = subprocess.Popen(up, env=self._environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        errors.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready "), f"{line!r}\n{self.data.with_suffix('.err').read_text()}"
        return time.monotonic() - began

    @property
    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "ready").read_text())
        return found

    @property
    def token(self) -> str:
        return (self.data / "owner.token").read_text().strip()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.ready["url"], headers={"Authorization": f"Bearer {self.token}"}, timeout=30.0)

    def stele(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a `stele` command against this hub; `expect` is its exit status, None for any."""
        done = subprocess.run(
            [*STELE, *arguments], env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )
        if expect is not None:
            assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """The JSON lines that a command prints."""
        return [json.loads(line) for line in self.stele(*arguments, "--json").stdout.splitlines()]

    def kill(self) -> None:
        """`kill -9` of `stele up` alone; its children find out by themselves."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ctrl-C."""
        self._end(signal.SIGINT)

    def _end(self, signum: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signum)
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def write_meeting(file: Path, lines: int, *, speakers: int = 4) -> list[dict[str, str]]:
    """A made-up meeting of so many lines, with a decision, a promise and a request in it, as JSON lines."""
    said = [
        {"speaker": f"Speaker {n % speakers}", "text": f"This is remark number {n} of the meeting."}
        for n in range(lines)
    ]
    said[lines // 4]["text"] = "Okay, so we decided to go with the wooden case for the first version."
    said[lines // 2]["text"] = "I'll send the cost estimate to everybody by Friday."
    said[3 * lines // 4]["text"] = "Could you please write down the open questions before the next meeting?"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in said))
    return said


def until(condition: Any, seconds: float = 20.0) -> Any:
    """Wait for a condition to hold and return what it returned. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"it did not become true within {seconds} s"
        time.sleep(0.05)
