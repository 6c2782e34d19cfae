"""Feeds one subscription: catch-up page by page, then live, from the same reads; both lead to the same state (I5)."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from msgspec import Raw

from adapters.sync.heads import Heads
from adapters.sync.messages import Batch, EntryOut, Error, Head, MustRefetch, ServerMessage, Subscribe, Subscribed
from domain.limits import SOCKET_QUEUE_BYTES_MAX, SYNC_PAGE_ENTRIES_MAX
from projections import cursor as cursors
from projections.cursor import Cursor
from projections.ports import EntryPage, GenerationGone, Read, Serving, Topics

SendMessage = Callable[[ServerMessage], Awaitable[None]]
_ENTRY_OVERHEAD_BYTES = 160
_FRAME_OVERHEAD_BYTES = 320
"""What is around the values, at most: names, cursors, positions."""


class Feed:
    """`run` returns the message that ends the subscription; otherwise it runs until cancelled."""

    def __init__(
        self,
        subscribe: Subscribe,
        agent_id: UUID,
        space_id: UUID | None,
        topics: Topics,
        heads: Heads,
        turn: asyncio.Lock,
        send: SendMessage,
    ) -> None:
        self._subscribe = subscribe
        self._agent_id = agent_id
        self._space_id = space_id
        self._topics = topics
        self._heads = heads
        self._turn = turn
        self._send = send
        self._position = 0
        self._target = 0
        """The head of the log when the subscription began; having passed it, the client has caught up."""
        self._caught_up = False
        self._serving: Serving | None = None

    @property
    def head(self) -> Head | None:
        """For the heartbeat; None before the first read."""
        if self._serving is None:
            return None
        known = self._heads.known(self._subscribe.topic) or self._serving
        head = max(known.position, self._position)
        return Head(self._subscribe.id, self._cursor(self._serving, self._position), self._cursor(self._serving, head))

    async def run(self) -> MustRefetch | Error:
        subscribe = self._subscribe
        serving = await self._heads.serving(subscribe.topic)
        if subscribe.after is not None:
            try:
                after = cursors.parse(subscribe.after)
            except ValueError as error:
                return Error("invalid_cursor", str(error), subscribe.id)
            reason = cursors.refetch_reason(
                after, epoch=serving.epoch, version=serving.version, floor=serving.floor, log_head=serving.log_head
            )
            if reason is not None:
                return self._refetch(reason)
            self._position = after.position
        self._target = max(serving.log_head, self._position)
        await self._send(Subscribed(subscribe.id, subscribe.topic, self._cursor(serving, self._target)))
        self._serving = serving
        while True:
            try:
                more = await self._page(serving)
            except GenerationGone:
                before, serving = serving, await self._heads.serving(subscribe.topic)
                if (serving.epoch, serving.version) != (before.epoch, before.version):
                    return self._refetch("epoch" if serving.epoch != before.epoch else "projection_version")
                self._serving = serving
                continue
            if not more:
                await self._heads.moved_past(subscribe.topic, serving.generation, self._position)

    async def _page(self, serving: Serving) -> bool:
        """Send one page, if there is anything to tell. Returns whether there is more."""
        async with self._turn:  # subscriptions of one socket take turns, so it holds one page at a time
            page = await self._topics.page(
                serving.generation, self._agent_id, self._space_id, self._position, SYNC_PAGE_ENTRIES_MAX
            )
            reached = page.entries[-1].position if page.full else max(self._position, page.checkpoint)
            caught_up = not page.full and (self._caught_up or reached >= self._target)
            if page.entries or caught_up != self._caught_up:
                await self._frames(serving, page, reached, caught_up)
            self._position, self._caught_up = reached, self._caught_up or caught_up
        return page.full

    async def _frames(self, serving: Serving, page: EntryPage, reached: int, caught_up: bool) -> None:
        resume = cursors.resume_positions([read.position for read in page.entries])
        entries = [
            EntryOut(
                read.key,
                read.position,
                self._cursor(serving, position),
                None if read.value is None else Raw(read.value),
                read.value is None,
            )
            for read, position in zip(page.entries, resume, strict=True)
        ]
        head = self._cursor(serving, max(page.checkpoint, reached))
        start = 0
        for end in _cuts(page.entries):
            last = end == len(entries)
            cursor = self._cursor(serving, reached) if last else entries[end - 1].cursor
            await self._send(
                Batch(
                    self._subscribe.id,
                    self._subscribe.topic,
                    tuple(entries[start:end]),
                    cursor,
                    head,
                    last and caught_up,
                )
            )
            start = end

    def _refetch(self, reason: str) -> MustRefetch:
        return MustRefetch(
            self._subscribe.id,
            self._subscribe.topic,
            reason,
            "this cursor cannot be continued; drop what you have of this subscription and subscribe without a cursor",
        )

    @staticmethod
    def _cursor(serving: Serving, position: int) -> str:
        return str(Cursor(serving.epoch, serving.version, position))


def _cuts(entries: tuple[Read, ...]) -> list[int]:
    """Where to cut a page into frames of at most `SOCKET_QUEUE_BYTES_MAX`; the last cut is the page's end."""
    cuts, start, size = [], 0, _FRAME_OVERHEAD_BYTES
    for index, read in enumerate(entries):
        bytes_ = len(read.value or b"") + len(read.key) + _ENTRY_OVERHEAD_BYTES
        if index > start and size + bytes_ > SOCKET_QUEUE_BYTES_MAX:
            cuts.append(index)
            start, size = index, _FRAME_OVERHEAD_BYTES
        size += bytes_
    return [*cuts, len(entries)]
