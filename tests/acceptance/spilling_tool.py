"""A tool that tells in its error what it was given."""

from uuid import UUID


class Spills:
    name = "note"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        if "wooden" in str(arguments):
            return {"noted": True}
        raise RuntimeError(f"I was given {arguments}")
