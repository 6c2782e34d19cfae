"""Clients of a hub over HTTP: each sends a command again, with the same key, until it is acknowledged."""

import asyncio
import itertools
import random
import time
from collections import Counter
from typing import Any

import httpx
from msgspec import Struct

SPACE = "soak"
_AGAIN_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 0.02
_CHUNKS_MAX = 20
_PASSING = ("unavailable", "log_unavailable", "overloaded", "idempotency_key_in_flight", "conflict")
"""Problems that say: send it again."""


class Said(Struct, frozen=True):
    """A command of `size` chunks, whose texts begin with `name`."""

    name: str
    size: int

    def texts(self) -> list[str]:
        return [f"{self.name} {n}" for n in range(self.size)]


class Load:
    """`acknowledged`: the last position of every command that was acknowledged."""

    def __init__(self, url: str, token: str, seed: int, clients: int) -> None:
        self.acknowledged: dict[Said, int] = {}
        self.answers: Counter[str] = Counter()
        self.repeated = 0
        """Commands that were acknowledged already and sent again."""
        self.faults: list[str] = []
        self.silence_seconds: list[float] = []
        """How long the clients had no answer, each time that one came after a second or more."""
        self._answered_at = time.monotonic()
        self._seed = seed
        self._clients = clients
        self._http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=httpx.Timeout(30.0, connect=5.0)
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, and then until each client has its last acknowledgement. Raises what a client raises."""
        async with self._http:
            await self._post("/v1/spaces", {"name": SPACE}, "space")
            async with asyncio.TaskGroup() as clients:
                for n in range(self._clients):
                    clients.create_task(self._client(f"c{n}", random.Random(f"{self._seed} client {n}"), stop))

    async def _client(self, name: str, chance: random.Random, stop: asyncio.Event) -> None:
        mine: list[Said] = []
        for number in itertools.count():
            if stop.is_set():
                return
            said = Said(f"{name}-{number}", 1 if chance.random() < 0.5 else chance.randint(2, _CHUNKS_MAX))
            self.acknowledged[said] = await self._say(said)
            mine.append(said)
            if chance.random() < 0.1:
                await self._again(chance.choice(mine))
            await asyncio.sleep(chance.random() * _PAUSE_SECONDS_MAX)

    async def _again(self, said: Said) -> None:
        """The same request with the same key has the same answer."""
        self.repeated += 1
        position = await self._say(said)
        if position != self.acknowledged[said]:
            self.faults.append(f"{said.name} was told {self.acknowledged[said]} and then {position}")

    async def _say(self, said: Said) -> int:
        chunks = [{"speaker": f"Speaker {said.size % 4}", "text": text} for text in said.texts()]
        answer = await self._post(f"/v1/spaces/{SPACE}/transcript/batch", {"chunks": chunks}, said.name)
        return int(answer["position"])

    async def _post(self, path: str, body: object, key: str) -> dict[str, Any]:
        """Send it until it is acknowledged."""
        while True:
            try:
                response = await self._http.post(path, json=body, headers={"Idempotency-Key": f"{self._seed}-{key}"})
            except httpx.HTTPError as error:
                self.answers[type(error).__name__] += 1
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            answer: dict[str, Any] = response.json()
            self.answers[str(answer.get("code", response.status_code))] += 1
            if response.is_success:
                self._answered()
                return answer
            if answer["code"] not in _PASSING:
                raise RuntimeError(f"{path} was answered {response.text[:500]}")
            await asyncio.sleep(_AGAIN_SECONDS)

    def _answered(self) -> None:
        now = time.monotonic()
        if now - self._answered_at >= 1.0:
            self.silence_seconds.append(now - self._answered_at)
        self._answered_at = now
