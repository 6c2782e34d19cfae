"""What every process has in common: it ends when it is told to."""

import asyncio
import time

import pytest

from workers import process
from workers.process import run_until


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_CANCEL_AGAIN_SECONDS", 0.05)


async def _forever() -> None:
    await asyncio.sleep(3_600)


async def test_a_task_whose_cancellation_gets_lost_is_cancelled_again() -> None:
    """`asyncio.wait_for` loses one, before Python 3.12, when what it waits for is done at the same moment."""

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await _forever()
            except asyncio.CancelledError:
                continue
        await _forever()

    stop = asyncio.Event()
    running = asyncio.create_task(run_until(stop, stubborn(), _forever()))
    await asyncio.sleep(0.05)
    stop.set()
    async with asyncio.timeout(5):
        await running


async def test_the_first_task_that_fails_ends_them_all_and_its_error_is_raised() -> None:
    ended: list[str] = []

    async def other() -> None:
        try:
            await _forever()
        finally:
            ended.append("other")

    async def fails() -> None:
        await asyncio.sleep(0.05)
        raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        await run_until(asyncio.Event(), other(), fails())
    assert ended == ["other"]


async def test_what_takes_its_time_to_end_is_waited_for() -> None:
    stop, began = asyncio.Event(), time.monotonic()

    async def tidy() -> None:
        try:
            await _forever()
        finally:
            end = asyncio.get_running_loop().time() + 0.3
            while asyncio.get_running_loop().time() < end:
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

    running = asyncio.create_task(run_until(stop, tidy()))
    await asyncio.sleep(0.05)
    stop.set()
    await running
    assert time.monotonic() - began > 0.3
