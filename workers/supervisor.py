"""Keeps child processes alive: starts them, starts them again when they fall, ends them together."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import structlog

from workers.process import LIFELINE

_RESTART_SECONDS_MIN = 0.2
_RESTART_SECONDS_MAX = 10.0
_STEADY_SECONDS = 30.0
"""A child that ran for so long is not in a crash loop."""
_STOP_SECONDS_MAX = 15.0
_LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log that is larger when its process starts is put aside as `.1`."""
_log = structlog.get_logger()


class Child:
    """One `python -m workers <command>`, in a session of its own, logging to a file."""

    def __init__(
        self, command: str, environment: dict[str, str], log: Path, lifeline: int, inherit: tuple[int, ...] = ()
    ) -> None:
        self.command = command
        self._environment = {**os.environ, **environment, LIFELINE: str(lifeline)}
        self._log = log
        self._inherit = (lifeline, *inherit)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self.restarts = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.command}")

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def _keep(self) -> None:
        pause = _RESTART_SECONDS_MIN
        while True:
            began = time.monotonic()
            try:
                self._process = await self._launch()
                code: int | str = await self._process.wait()
            except OSError as error:  # no memory, no file handles, no disk: it may pass
                code = str(error)
            pause = _RESTART_SECONDS_MIN if time.monotonic() - began > _STEADY_SECONDS else pause
            self.restarts += 1
            _log.error("child_fell", child=self.command, exit_code=code, log=str(self._log), again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _RESTART_SECONDS_MAX)

    async def _launch(self) -> asyncio.subprocess.Process:
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "workers",
                self.command,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self._inherit,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()
