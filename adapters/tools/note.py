"""The tool `note`: keeps a note. Its place is the record itself: the note is the action's result."""

from uuid import UUID

from domain.limits import TEXT_CHARS_MAX
from domain.ports import ToolFailed


class NoteTool:
    name = "note"

    async def run(self, arguments: dict[str, object], effect_id: UUID) -> dict[str, object]:
        """`arguments["text"]` is the note; everything else is kept beside it. Raises ToolFailed `invalid_arguments`."""
        text = arguments.get("text")
        if not isinstance(text, str) or not text.strip() or len(text) > TEXT_CHARS_MAX:
            raise ToolFailed("invalid_arguments", f"a note needs a text of 1 to {TEXT_CHARS_MAX} characters")
        return {"note_id": str(effect_id), "note": arguments}
