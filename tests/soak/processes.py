"""Processes of the soak that are killed and come back."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.process import LIFELINE

_AGAIN_SECONDS = 0.2
_END_SECONDS_MAX = 30.0


class Kept:
    """One process, started again whenever it is gone. `command(n)` are the arguments of its n-th life, from 1."""

    def __init__(
        self, name: str, command: Callable[[int], Sequence[str]], folder: Path, lifeline: int, **environment: str
    ) -> None:
        self.name = name
        self.lives = 0
        self.falls: list[int] = []
        """Exit codes of the lives that ended by themselves."""
        self.log = folder / f"{name}.log"
        self._command = command
        self._lifeline = lifeline
        self._environment = {**os.environ, **environment, LIFELINE: str(lifeline)}
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False
        self._killed = False
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {name}")

    async def _keep(self) -> None:
        while not self._ending:
            self.lives += 1
            with self.log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command(self.lives),
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(self._lifeline,),
                    start_new_session=True,
                )
            code = await self._process.wait()
            if not self._killed and not (self._ending and code in (0, -signal.SIGTERM)):
                self.falls.append(code)
            self._killed = False
            await asyncio.sleep(_AGAIN_SECONDS)

    def send(self, signum: signal.Signals) -> None:
        """Raise nothing when it is gone just now."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._killed = self._killed or signum == signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)

    async def end(self) -> None:
        """SIGTERM, and SIGKILL for one that does not go, which counts as a fall."""
        self._ending = True
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self._keeping), _END_SECONDS_MAX)
        except TimeoutError:
            self.falls.append(-signal.SIGALRM)
            self.send(signal.SIGKILL)
            await self._keeping
