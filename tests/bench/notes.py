"""The work that is measured: a command with one event of about 330 bytes, through an aggregate of this bench's own."""

from typing import Any
from uuid import UUID

from domain.aggregate import Aggregate
from domain.events import Event, event
from domain.runtime import Command, Work, handles

TEXT = ("We said that the first version has the wooden case, and that the cost estimate goes out by Friday. " * 2)[:180]
SPEAKER = "Speaker 1"
SEED = 20_261_121
"""Whatever is drawn by lot is drawn from it."""


@event("stele.bench.v1")
class NoteTaken(Event, frozen=True):
    note_id: UUID
    space_id: UUID
    speaker: str
    text: str


class TakeNote(Command, frozen=True):
    """Without a `note_id` it is a new note, as with a transcript chunk that its sender did not name."""

    note_id: UUID | None
    space_id: UUID
    speaker: str
    text: str


class Note(Aggregate):
    text: str = ""

    def take(self, space_id: UUID, speaker: str, text: str) -> None:
        self.emit(NoteTaken(self.id, space_id, speaker, text))

    def when(self, event: Event) -> None:
        match event:
            case NoteTaken(text=text):
                self.text = text


@handles(TakeNote)
async def take_note(command: TakeNote, work: Work) -> dict[str, Any]:
    note = Note(command.note_id or work.new_id())
    await (work.load(note) if command.note_id is not None else work.load(new=(note,)))
    note.take(command.space_id, command.speaker, command.text)
    return {"note_id": note.id}
