"""Spaces: where people and agents meet."""

import re
from typing import Any
from uuid import UUID

from domain import ids
from domain.aggregate import Aggregate
from domain.events import Event, event
from domain.limits import LABEL_CHARS_MAX, SPACE_NAME_CHARS_MAX
from domain.ports import Log
from domain.refusals import Refusal
from domain.runtime import Command, Work, handles

_PACKAGE = "stele.spaces.v1"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


@event(_PACKAGE)
class SpaceCreated(Event, frozen=True):
    space_id: UUID
    name: str
    title: str


class CreateSpace(Command, frozen=True):
    name: str
    title: str | None = None


class Space(Aggregate):
    name: str = ""

    def create(self, name: str, title: str | None) -> None:
        if len(name) > SPACE_NAME_CHARS_MAX or _NAME.fullmatch(name) is None:
            raise Refusal(
                "invalid_name",
                f"a space's name has 1 to {SPACE_NAME_CHARS_MAX} of a-z, 0-9, '.', '_' and "
                "'-', and begins and ends with a letter or a digit",
            )
        if title is not None and (not 1 <= len(title.strip()) <= LABEL_CHARS_MAX or "\0" in title):
            raise Refusal("invalid_name", f"a title has 1 to {LABEL_CHARS_MAX} characters")
        if self.exists:
            raise Refusal("space_exists", f"the space {name!r} exists already: {self.id}")
        self.emit(SpaceCreated(self.id, name, title.strip() if title is not None else name))

    def require(self) -> None:
        """Raises Refusal `space_not_found` for a space that was never created."""
        if not self.name:
            raise Refusal("space_not_found", "no such space in this agent; create it first")

    def when(self, event: Event) -> None:
        match event:
            case SpaceCreated(name=name):
                self.name = name


@handles(CreateSpace)
async def create_space(command: CreateSpace, work: Work) -> dict[str, Any]:
    space = Space(ids.space_id(work.agent_id, command.name))
    if ids.space_reference(work.agent_id, command.name) != space.id:
        raise Refusal("invalid_name", "32 hexadecimal digits are read as an id, so nobody could use them as a name")
    await work.load(space)
    space.create(command.name, command.title)
    return {"space_id": space.id, "name": command.name}


async def find_space(log: Log, agent_id: UUID, reference: str) -> UUID:
    """The id of a space that somebody names by its id or by its name. Raises Refusal `space_not_found`."""
    space = Space(ids.space_reference(agent_id, reference))
    for recorded in await log.read_streams(agent_id, [space.id]):
        space.replay(recorded)
    space.require()
    return space.id
