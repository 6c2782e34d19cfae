"""Tools that a hub of these tests is started with."""

from uuid import UUID

from domain.limits import RESULT_BYTES_MAX
from domain.ports import ToolFailed


class Raises:
    name = "raises"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        raise RuntimeError("nobody expects this")


class Exits:
    name = "exits"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        raise SystemExit(7)


class Fails:
    name = "fails"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        raise ToolFailed("printer_on_fire", "it burns")


class Fraction:
    name = "fraction"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        return {"share": 0.5}


class Huge:
    name = "huge"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        return {"it": "x" * (20 * RESULT_BYTES_MAX)}


class Echo:
    name = "echo"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        return {"said": arguments, "effect": str(effect_id)}


CODES = {
    "raises": "tool_error",
    "exits": "tool_error",
    "fails": "printer_on_fire",
    "fraction": "result_invalid",
    "huge": "result_too_large",
    "teleport": "tool_unavailable",
}
"""What an action with each tool fails with; nobody has a teleport."""
NAMES = ",".join(f"{__name__}:{tool.__name__}" for tool in (Raises, Exits, Fails, Fraction, Huge, Echo))
