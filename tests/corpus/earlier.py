"""An event that has changed three times, for `logs/chain.jsonl`: no event of Stele has changed its schema yet.

1  Remark     who, words
2  Remark     words is called text
3  Remark     said_at, a time; in version 1 and 2 it was not known
4  NoteTaken  who is called author, tags
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from domain import events
from domain.aggregate import Aggregate
from domain.events import REGISTRY, Event, Personal, Recorded
from domain.upcasts import UPCASTS, Json, upcasts
from projections.projection import Projection, Value
from tests.corpus.corpus import Digests, folded

OLD, NEW = "stele.corpus.v1.Remark", "stele.corpus.v1.NoteTaken"


class NoteTaken(Event, frozen=True):
    type = NEW
    schema_version = 4
    note_id: UUID
    author: Personal
    text: Personal
    tags: tuple[str, ...]
    said_at: datetime | None = None


class Note(Aggregate):
    tags: tuple[str, ...] = ()
    taken: int = 0

    def when(self, event: Event) -> None:
        if isinstance(event, NoteTaken):
            self.tags = tuple(sorted({*self.tags, *event.tags}))
            self.taken += 1


class NoteEntry(Value, frozen=True):
    author: str
    texts: tuple[str, ...]
    said_at: datetime | None = None


def key(event: Recorded) -> Iterable[str]:
    if isinstance(event.payload, NoteTaken):
        yield str(event.payload.note_id)


def fold(entry: NoteEntry | None, event: Recorded) -> NoteEntry | None:
    note = event.payload
    if not isinstance(note, NoteTaken):
        return entry
    texts = (*(entry.texts if entry is not None else ()), note.text)
    return NoteEntry(note.author, texts, note.said_at)


NOTES = Projection(topic="notes", version=1, reads=[NoteTaken], value=NoteEntry, key=key, fold=fold)


def words_are_text(data: Json) -> Json:
    return {"text" if name == "words" else name: value for name, value in data.items()}


def time_unknown(data: Json) -> Json:
    return data | {"said_at": None}


def remark_is_note(data: Json) -> Json:
    return {"author" if name == "who" else name: value for name, value in data.items()} | {"tags": ["remark"]}


def folded_chain(events: list[Recorded]) -> Digests:
    return folded(events, [NOTES], lambda event: Note(event.stream_id))


@contextmanager
def evolved() -> Iterator[None]:
    """A release that has the event in its fourth version; afterwards everything is as it was."""
    kinds = [(OLD, 1), (OLD, 2), (OLD, 3)]
    REGISTRY[NEW] = NoteTaken
    try:
        upcasts(OLD, 1)(words_are_text)
        upcasts(OLD, 2)(time_unknown)
        upcasts(OLD, 3, renamed_to=NEW)(remark_is_note)
        yield
    finally:
        del REGISTRY[NEW]
        for kind in kinds:
            UPCASTS.pop(kind, None)
        for kind in [*kinds, (NEW, 4)]:
            events._READERS.pop(kind, None)
