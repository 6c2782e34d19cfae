"""`stele tail`: follow a topic over `stele.sync.v1`, resuming by cursor whenever the connection breaks."""

import json
import time
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException
from websockets.sync.client import ClientConnection, connect

from workers.cli.hub import Hub
from workers.cli.output import CommandFailed, json_line, one_line, print_json

_STOP = {4000, 4003, 4004, 4009}
"""Close codes after which reconnecting is of no use (docs/protocol.md)."""
_AWAY_SECONDS_MAX = 60.0
_SILENCE_SECONDS_MAX = 60.0


def run(hub: Hub, topic: str, space: str | None, after: str | None, until_head: bool, as_json: bool) -> None:
    """Print entries until interrupted, or until the head."""
    follower = _Follower(topic, space, after, until_head, as_json)
    heard_at = time.monotonic()
    while True:
        try:
            with connect(
                hub.url.replace("http", "ws", 1) + "/v1/sync",
                subprotocols=["stele.sync.v1"],  # type: ignore[list-item]
                max_size=None,
                open_timeout=10,
                compression=None,
            ) as socket:
                if follower.follow(socket, hub.token):
                    return
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
            if code in _STOP:
                raise CommandFailed(
                    f"the hub closed the connection: {closed.rcvd.reason if closed.rcvd else code}"
                ) from closed
        except BrokenPipeError:
            raise  # who reads us has gone, not the hub: a broken socket is a ConnectionClosed
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
            if time.monotonic() - max(heard_at, follower.heard_at) > _AWAY_SECONDS_MAX:
                raise CommandFailed(f"the hub at {hub.url} cannot be reached: {error}") from error
        time.sleep(0.5)


class _Follower:
    def __init__(self, topic: str, space: str | None, cursor: str | None, until_head: bool, as_json: bool) -> None:
        self._subscribe = {"type": "subscribe", "id": 1, "topic": topic, "space": space}
        self._cursor = cursor
        self._until_head = until_head
        self._as_json = as_json
        self.heard_at = 0.0

    def follow(self, socket: ClientConnection, token: str) -> bool:
        """True when everything that was asked for is printed."""
        self._send(socket, {"type": "hello", "protocol": "stele.sync.v1", "token": token, "client": "stele tail"})
        while True:
            message = json.loads(socket.recv(timeout=_SILENCE_SECONDS_MAX))
            self.heard_at = time.monotonic()
            match message["type"]:
                case "welcome":
                    self._send(socket, {**self._subscribe, **({"after": self._cursor} if self._cursor else {})})
                case "batch":
                    self._print(message)
                    if message.get("caught_up") and self._until_head:
                        return True
                case "heartbeat":
                    self._send(socket, {"type": "heartbeat"})
                    self._look_at(message["heads"])
                case "must_refetch":
                    raise CommandFailed(
                        f"must_refetch ({message['reason']}): this cursor cannot be continued; "
                        "run it again without --after"
                    )
                case "error":
                    raise CommandFailed(f"{message['code']}: {message['detail']}")

    @staticmethod
    def _send(socket: ClientConnection, message: dict[str, Any]) -> None:
        socket.send(json.dumps({k: v for k, v in message.items() if v is not None}))

    def _look_at(self, heads: list[dict[str, Any]]) -> None:
        """Idle cursors move forward; with --until-head one that does not move will not get there."""
        for head in heads:
            if self._until_head and head["cursor"] == self._cursor:
                raise CommandFailed(
                    f"{self._subscribe['topic']} stands at {head['cursor']} and does not reach the head; "
                    "see `stele projections list`"
                )
            self._cursor = head["cursor"]

    def _print(self, batch: dict[str, Any]) -> None:
        for entry in batch["entries"]:
            line = {"cursor": entry["cursor"], "key": entry["key"], "value": entry.get("value")}
            if self._as_json:
                print_json(line)
            else:
                value = "deleted" if line["value"] is None else for_people(line["value"])
                print(f"{line['cursor']}  {line['key']}  {value}", flush=True)
        self._cursor = batch["cursor"]


def for_people(value: dict[str, Any]) -> str:
    """An entry's value in one line."""
    for fields in (("speaker", "text"), ("status", "title"), ("label",), ("name", "title")):
        if all(isinstance(value.get(field), str) for field in fields):
            return one_line(": ".join(value[field] for field in fields), 160)
    return json_line(value, 160)
