"""Moves bytes between sockets and the protocol: a reader, a clock and a feed for each subscription."""

import asyncio
import contextlib
import time
from uuid import UUID

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from adapters.sync import messages
from adapters.sync.feed import Feed
from adapters.sync.heads import Heads
from adapters.sync.messages import PROTOCOL, Error, ServerMessage
from adapters.sync.metrics import CLOSED, SOCKETS, SUBSCRIPTIONS
from adapters.sync.protocol import Authenticate, Close, Code, Effect, Open, Send, Session, Stop
from domain.agents import authenticate
from domain.limits import SLOW_CONSUMER_SECONDS_MAX, SOCKETS_MAX, SYNC_MESSAGE_BYTES_MAX
from domain.ports import Log
from domain.refusals import Refusal
from domain.spaces import find_space
from projections.ports import Topics
from projections.topics import TOPICS

_log = structlog.get_logger()


class Gateway:
    """The WebSocket endpoint of one process."""

    def __init__(self, log: Log, topics: Topics, heads: Heads) -> None:
        self._log = log
        self._topics = topics
        self._heads = heads
        self._connections: set[_Connection] = set()
        SOCKETS.set_function(lambda: len(self._connections))
        SUBSCRIPTIONS.set_function(lambda: sum(connection.subscriptions for connection in self._connections))

    async def endpoint(self, socket: WebSocket) -> None:
        """Serve one socket until it ends."""
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", []) else None)
        if len(self._connections) >= SOCKETS_MAX:
            CLOSED.labels(Code.TOO_MANY_CONNECTIONS.name.lower()).inc()
            await socket.close(Code.TOO_MANY_CONNECTIONS, "too many connections")
            return
        connection = _Connection(socket, self._log, self._topics, self._heads)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    async def drain(self) -> None:
        """Send every client away; it reconnects elsewhere with its cursors."""
        await asyncio.gather(*(c.end(Code.GOING_AWAY, "the server stops; reconnect") for c in self._connections))


class _Ended(Exception):
    """The protocol has closed the connection."""


class _Connection:
    def __init__(self, socket: WebSocket, log: Log, topics: Topics, heads: Heads) -> None:
        self._socket = socket
        self._log = log
        self._topics = topics
        self._heads = heads
        self._session = Session(time.monotonic())
        self._feeds: dict[int, Feed] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()
        self._sending = asyncio.Lock()

    @property
    def subscriptions(self) -> int:
        return len(self._feeds)

    async def run(self) -> None:
        clock = asyncio.create_task(self._clock())
        try:
            while True:
                await self._act(await self._next())
        except (WebSocketDisconnect, _Ended):
            pass
        except Exception:  # one connection's fault must not be another's
            _log.exception("connection_failed")
            await self.end(Code.INTERNAL, "the server failed; reconnect")
        finally:
            tasks = [clock, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def end(self, code: Code, reason: str) -> None:
        with contextlib.suppress(_Ended, WebSocketDisconnect, RuntimeError):
            await self._act(self._session.close(code, reason))

    async def _next(self) -> list[Effect]:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1005))
        data: bytes = (frame.get("text") or "").encode() or frame.get("bytes") or b""
        if len(data) > SYNC_MESSAGE_BYTES_MAX:
            return self._session.close(Code.MESSAGE_TOO_LARGE, f"a message has at most {SYNC_MESSAGE_BYTES_MAX} bytes")
        try:
            message = messages.decode(data)
        except (msgspec.DecodeError, UnicodeError) as error:
            return self._session.malformed(str(error).encode("utf-8", "replace").decode()[:500])
        return self._session.receive(message, time.monotonic())

    async def _act(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(message=message):
                    await self._send(message)
                case Authenticate(token=token):
                    await self._authenticate(token)
                case Open(subscribe=subscribe, principal=principal):
                    task = asyncio.create_task(self._feed(subscribe, principal.agent_id))
                    self._tasks[subscribe.id] = task
                case Stop(id=id):
                    self._feeds.pop(id, None)
                    stopped = self._tasks.pop(id, None)
                    if stopped is not None and stopped is not asyncio.current_task():
                        stopped.cancel()
                case Close(code=code, reason=reason):
                    CLOSED.labels(code.name.lower()).inc()
                    await self._socket.close(code, reason)
                    raise _Ended

    async def _authenticate(self, token: str) -> None:
        try:
            principal = await authenticate(self._log, token)
        except Refusal as refusal:
            await self._act(self._session.refused(refusal.detail))
            return
        serving = await self._heads.serving(next(iter(TOPICS)))
        await self._act(self._session.authenticated(principal, serving.epoch))

    async def _feed(self, subscribe: messages.Subscribe, agent_id: UUID) -> None:
        try:
            because = await self._begin(subscribe, agent_id)
            await self._act(self._session.ended(subscribe.id, because))
        except (_Ended, WebSocketDisconnect, RuntimeError):
            return  # the socket is gone; its reader ends the rest
        except Exception:  # as in `run`
            _log.exception("feed_failed", topic=subscribe.topic)
            await self.end(Code.INTERNAL, "the server failed; reconnect")

    async def _begin(self, subscribe: messages.Subscribe, agent_id: UUID) -> messages.MustRefetch | Error:
        if subscribe.topic not in TOPICS:
            return Error("topic_not_found", f"no such topic; there are {', '.join(TOPICS)}", subscribe.id)
        try:
            space_id = None if subscribe.space is None else await find_space(self._log, agent_id, subscribe.space)
        except Refusal as refusal:
            return Error(refusal.code, refusal.detail, subscribe.id)
        feed = Feed(subscribe, agent_id, space_id, self._topics, self._heads, self._turn, self._send)
        self._feeds[subscribe.id] = feed
        return await feed.run()

    async def _send(self, message: ServerMessage) -> None:
        try:
            async with asyncio.timeout(SLOW_CONSUMER_SECONDS_MAX), self._sending:
                await self._socket.send_text(messages.encode(message).decode())
        except TimeoutError:
            await self.end(Code.SLOW_CONSUMER, "the client does not take what it is sent; reconnect with its cursors")
            raise _Ended from None

    async def _clock(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            heads = tuple(head for feed in self._feeds.values() if (head := feed.head) is not None)
            try:
                await self._act(self._session.tick(time.monotonic(), heads))
            except (_Ended, WebSocketDisconnect, RuntimeError):
                return
