"""Rounds of `kill -9` against a hub under load, and what is in its log and topics afterwards."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import psutil
from msgspec import Struct, field

from tests.soak.load import Load, Said
from tests.soak.victims import VICTIMS, SoakHub

SPOKEN = "stele.transcripts.v1.TranscriptChunkRecorded"
_CLIENTS = 6
_PROGRESS_COMMANDS = 50
_HASTE = 0.2
"""How often the next death does not wait for that: what is killed is just starting."""
_BACK_SECONDS_MAX = 60.0
_CAUGHT_UP_SECONDS_MAX = 120.0
_TICK_SECONDS = 0.02


class KillOutcome(Struct):
    """All of `lost`, `duplicated`, `torn`, `misplaced` and `faults` have to be nothing, all topics equal."""

    rounds: int = 0
    seconds: float = 0.0
    killed: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    acknowledged_events: int = 0
    sent_again: int = 0
    events: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    misplaced: int = 0
    silence_seconds_max: float = 0.0
    catch_up_seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    topics: dict[str, str] = field(default_factory=dict)
    """`equal`, or what a verification said instead."""
    faults: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        wrong = self.lost or self.duplicated or self.torn or self.misplaced or self.faults
        return not wrong and bool(self.topics) and set(self.topics.values()) == {"equal"}


Show = Callable[[int, KillOutcome], None]


async def run(hub: SoakHub, rounds: int, seed: int, show: Show, *, progress: int = _PROGRESS_COMMANDS) -> KillOutcome:
    """The hub runs, and goes on running. `progress`: commands acknowledged after a death, before the next one."""
    began, outcome = time.monotonic(), KillOutcome()
    load, stop = Load(hub.ready["url"], hub.token, seed, _CLIENTS), asyncio.Event()
    loading = asyncio.create_task(load.run(stop))
    chance = random.Random(f"{seed} kill")
    try:
        await _progress(load, loading, progress)
        for outcome.rounds in range(1, rounds + 1):
            if await _death(hub, chance, outcome.killed):
                await _progress(load, loading, progress)
            outcome.acknowledged = len(load.acknowledged)
            show(outcome.rounds, outcome)
    except (AssertionError, OSError, psutil.Error) as error:  # without its `ready` file the hub has ended
        outcome.faults.append(f"round {outcome.rounds}: {error}")
    stop.set()
    await asyncio.wait([loading], timeout=_BACK_SECONDS_MAX)
    if not loading.done():
        outcome.faults.append("a client was not answered at the end")
        loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    if not loading.cancelled() and (raised := loading.exception()) is not None:
        outcome.faults.append(repr(raised))
    outcome.faults += load.faults
    outcome.answers, outcome.sent_again = load.answers, load.repeated
    outcome.silence_seconds_max = max(load.silence_seconds, default=0.0)
    try:
        await asyncio.to_thread(_judge, hub, load.acknowledged, outcome)
    except (OSError, httpx.HTTPError) as error:
        outcome.faults.append(f"the hub could not be asked: {error!r}")
    outcome.seconds = time.monotonic() - began
    return outcome


async def _death(hub: SoakHub, chance: random.Random, killed: Counter[str]) -> bool:
    """One of them dies and comes back; False when the next one is in haste. Raises AssertionError when it does not."""
    await asyncio.sleep(chance.random() * 0.3)
    victim = chance.choice(VICTIMS)
    before = hub.kill_one(victim)
    killed[victim] += before is not None
    await _until(lambda: hub.pid(victim) not in (None, before), f"{victim} did not come back")
    return chance.random() >= _HASTE


async def _progress(load: Load, loading: "asyncio.Task[None]", commands: int) -> None:
    enough = len(load.acknowledged) + commands
    await _until(lambda: len(load.acknowledged) >= enough or loading.done(), "nothing more was acknowledged")
    assert not loading.done(), "a client gave up"


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _BACK_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} within {_BACK_SECONDS_MAX:.0f} s"
        await asyncio.sleep(_TICK_SECONDS)


def _judge(hub: SoakHub, acknowledged: dict[Said, int], outcome: KillOutcome) -> None:
    with hub.client() as caller:
        outcome.catch_up_seconds = _caught_up(caller, outcome.faults)
        compare(acknowledged, _spoken(caller), outcome)
    verified = hub.stele("projections", "verify", "--json", expect=None)
    for one in map(json.loads, verified.stdout.splitlines()):
        outcome.topics[one["topic"]] = one["outcome"]
        if one["outcome"] != "equal":
            outcome.faults.append(f"stele projections verify: {one}")
    if verified.returncode not in (0, 1):
        outcome.faults.append(f"stele projections verify: {verified.stderr}")


def compare(acknowledged: dict[Said, int], spoken: list[tuple[int, str]], outcome: KillOutcome) -> None:
    """Everything that was acknowledged is in the log once, at its place; nothing else is there in part or twice."""
    outcome.acknowledged = len(acknowledged)
    outcome.acknowledged_events = sum(said.size for said in acknowledged)
    outcome.events = len(spoken)
    places: dict[str, list[int]] = {}
    for position, text in spoken:
        places.setdefault(text, []).append(position)
    outcome.duplicated = sum(len(found) > 1 for found in places.values())
    for said, last in acknowledged.items():
        found = [places.get(text, []) for text in said.texts()]
        there = sum(bool(one) for one in found)
        outcome.lost += there == 0
        outcome.torn += 0 < there < said.size
        expected = [[position] for position in range(last - said.size + 1, last + 1)]
        outcome.misplaced += there == said.size and found != expected
    known = {said.name for said in acknowledged}
    outcome.torn += len({text.split()[0] for text in places} - known)  # every client has its last answer


def _spoken(caller: httpx.Client) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    after, more = 0, True
    while more:
        page: dict[str, Any] = caller.get("/v1/log", params={"after": after, "limit": 1000}).raise_for_status().json()
        found += [(one["position"], one["data"]["text"]) for one in page["events"] if one["type"] == SPOKEN]
        after, more = page["position"], not page["caught_up"]
    return found


def _caught_up(caller: httpx.Client, faults: list[str]) -> float:
    """Seconds until every projection is at the head and the hub says that it is ready."""
    began = time.monotonic()
    while time.monotonic() - began < _CAUGHT_UP_SECONDS_MAX:
        listed = caller.get("/v1/projections").json()["projections"]
        if not any(one["lag"] for one in listed) and caller.get("/readyz").is_success:
            return time.monotonic() - began
        time.sleep(_TICK_SECONDS)
    faults.append(f"after {_CAUGHT_UP_SECONDS_MAX:.0f} s the projections were not at the head: {listed}")
    return time.monotonic() - began
