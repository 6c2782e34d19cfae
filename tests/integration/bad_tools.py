"""Tools that do everything that a tool should not."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

from domain.limits import RESULT_BYTES_MAX
from domain.ports import ToolFailed

released = threading.Event()
"""Set when the tests are over: what blocks ends then."""


class Behaving:
    """A tool with this behaviour; it counts how often it was run, and for which effects."""

    def __init__(self, name: str, behave: Callable[[], Awaitable[object]]) -> None:
        self.name = name
        self.effects: list[UUID] = []
        self._behave = behave

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        self.effects.append(effect_id)
        return cast("dict[str, object]", await self._behave())


def raises(error: BaseException) -> Callable[[], Awaitable[object]]:
    async def behave() -> object:
        raise error

    return behave


def returns(value: object) -> Callable[[], Awaitable[object]]:
    async def behave() -> object:
        return value

    return behave


async def hangs() -> object:
    while not released.is_set():
        await asyncio.sleep(0.05)
    return {}


async def blocks() -> object:
    released.wait(60.0)
    return {}


class _Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def _circle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


BAD: dict[str, tuple[Callable[[], Awaitable[object]], str]] = {
    "raises": (raises(ValueError("no")), "tool_error"),
    "raises half a surrogate pair": (raises(ValueError("\ud800")), "tool_error"),
    "raises what cannot be shown": (raises(_Unspeakable()), "tool_error"),
    "raises a novel": (raises(ValueError("x" * 3_000_000)), "tool_error"),
    "exits": (raises(SystemExit(3)), "tool_error"),
    "interrupts": (raises(KeyboardInterrupt()), "tool_error"),
    "is cancelled": (raises(asyncio.CancelledError()), "tool_error"),
    "has a timeout of its own": (raises(TimeoutError("the other side is slow")), "tool_error"),
    "fails": (raises(ToolFailed("printer_on_fire", "it burns")), "printer_on_fire"),
    "fails with a novel": (raises(ToolFailed("novel", "x" * 3_000_000)), "novel"),
    "hangs": (hangs, "tool_timeout"),
    "blocks": (blocks, "tool_timeout"),
    "returns a fraction": (returns({"share": 0.5}), "result_invalid"),
    "returns not a number": (returns({"share": float("nan")}), "result_invalid"),
    "returns a huge integer": (returns({"n": 2**70}), "result_invalid"),
    "returns a list": (returns([1]), "result_invalid"),
    "returns an empty list": (returns([]), "result_invalid"),
    "returns a text": (returns("done"), "result_invalid"),
    "returns an object": (returns({"it": object()}), "result_invalid"),
    "returns bytes": (returns({"it": b"x"}), "result_invalid"),
    "returns half a surrogate pair": (returns({"it": "\ud800"}), "result_invalid"),
    "returns a circle": (returns(_circle()), "result_invalid"),
    "returns too much": (returns({"it": "x" * RESULT_BYTES_MAX}), "result_too_large"),
    "returns more than a message holds": (returns({"it": "x" * 3_000_000}), "result_too_large"),
}
"""What a tool does: how, and the code that its action fails with."""
