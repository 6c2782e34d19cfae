r"""The server's side of one connection as a state machine: messages and moments in, effects out. No I/O.

state \ event   hello            authenticated  refused   subscribe/unsubscribe/heartbeat   hello is late   silence
OPENED          AUTHENTICATING   illegal        illegal   close 4000                        close 4001      -
AUTHENTICATING  close 4000       READY          close 4003 close 4000                       close 4001      -
READY           close 4000       illegal        illegal   served                            -               close 4002
CLOSED          nothing          nothing        nothing   nothing                           nothing         nothing
"""

from enum import Enum, IntEnum

from msgspec import Struct

from adapters.sync.messages import (
    PROTOCOL,
    ClientMessage,
    Error,
    Head,
    Heartbeat,
    Hello,
    MustRefetch,
    ServerHeartbeat,
    ServerMessage,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)
from domain.agents import Principal
from domain.limits import (
    CLIENT_SILENCE_SECONDS_MAX,
    HEARTBEAT_SECONDS,
    HELLO_SECONDS_MAX,
    SUBSCRIPTIONS_PER_SOCKET_MAX,
)


class State(Enum):
    OPENED = "opened"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


class Code(IntEnum):
    """Close codes. What a client does: `reconnect` with its cursors, or `stop` (docs/protocol.md)."""

    PROTOCOL_ERROR = 4000  # stop
    HELLO_TIMEOUT = 4001  # reconnect
    SILENT = 4002  # reconnect
    UNAUTHENTICATED = 4003  # stop
    UNSUPPORTED_PROTOCOL = 4004  # stop
    SLOW_CONSUMER = 4008  # reconnect
    MESSAGE_TOO_LARGE = 4009  # stop
    GOING_AWAY = 4010  # reconnect
    INTERNAL = 4011  # reconnect
    TOO_MANY_CONNECTIONS = 4013  # reconnect


class Send(Struct, frozen=True):
    message: ServerMessage


class Authenticate(Struct, frozen=True):
    """Find out who holds the token; answer with `authenticated` or `refused`."""

    token: str


class Open(Struct, frozen=True):
    """Begin to feed a subscription."""

    subscribe: Subscribe
    principal: Principal


class Stop(Struct, frozen=True):
    """Stop feeding a subscription."""

    id: int


class Close(Struct, frozen=True):
    code: Code
    reason: str


Effect = Send | Authenticate | Open | Stop | Close


class IllegalTransition(Exception):
    """The gateway told the protocol something that cannot happen in this state: a fault of ours, not of the client."""


class Session:
    """One connection. Every method returns what has to be done, in order."""

    def __init__(self, now: float) -> None:
        self.state = State.OPENED
        self.principal: Principal | None = None
        self.subscriptions: set[int] = set()
        self._opened_at = now
        self._heard_at = now
        self._beat_at = now

    def receive(self, message: ClientMessage, now: float) -> list[Effect]:
        """A message came from the client."""
        if self.state is State.CLOSED:
            return []
        self._heard_at = now
        if isinstance(message, Hello):
            return self._hello(message)
        if self.state is not State.READY or self.principal is None:
            return self._close(Code.PROTOCOL_ERROR, "say hello first, and wait for welcome")
        match message:
            case Subscribe():
                return self._subscribe(message, self.principal)
            case Unsubscribe(id=id):
                return self._unsubscribe(id)
            case Heartbeat():
                return []

    def malformed(self, detail: str) -> list[Effect]:
        """Something came that is no message."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.READY:
            return [Send(Error("invalid_message", detail))]
        return self._close(Code.PROTOCOL_ERROR, "the first message is hello")

    def authenticated(self, principal: Principal, epoch: str) -> list[Effect]:
        if self.state is State.CLOSED:
            return []
        self._require(State.AUTHENTICATING)
        self.state, self.principal = State.READY, principal
        return [Send(Welcome(PROTOCOL, principal.agent_id, epoch, HEARTBEAT_SECONDS))]

    def refused(self, detail: str) -> list[Effect]:
        if self.state is State.CLOSED:
            return []
        self._require(State.AUTHENTICATING)
        return [Send(Error("unauthenticated", detail)), *self._close(Code.UNAUTHENTICATED, "unauthenticated")]

    def ended(self, id: int, because: MustRefetch | Error) -> list[Effect]:
        """A subscription cannot go on, or could not begin."""
        if self.state is State.CLOSED or id not in self.subscriptions:
            return []
        self.subscriptions.discard(id)
        return [Send(because), Stop(id)]

    def tick(self, now: float, heads: tuple[Head, ...]) -> list[Effect]:
        """Time has passed; to be called about once a second."""
        match self.state:
            case State.OPENED | State.AUTHENTICATING if now - self._opened_at > HELLO_SECONDS_MAX:
                return self._close(Code.HELLO_TIMEOUT, "no hello")
            case State.READY if now - self._heard_at > CLIENT_SILENCE_SECONDS_MAX:
                return self._close(Code.SILENT, "the client is silent")
            case State.READY if now - self._beat_at >= HEARTBEAT_SECONDS:
                self._beat_at = now
                return [Send(ServerHeartbeat(heads))]
        return []

    def close(self, code: Code, reason: str) -> list[Effect]:
        """The gateway has to end it."""
        return [] if self.state is State.CLOSED else self._close(code, reason)

    def _hello(self, message: Hello) -> list[Effect]:
        if self.state is not State.OPENED:
            return self._close(Code.PROTOCOL_ERROR, "hello is said once")
        if message.protocol != PROTOCOL:
            return [
                Send(Error("unsupported_protocol", f"this server speaks {PROTOCOL}")),
                *self._close(Code.UNSUPPORTED_PROTOCOL, f"this server speaks {PROTOCOL}"),
            ]
        self.state = State.AUTHENTICATING
        return [Authenticate(message.token)]

    def _subscribe(self, message: Subscribe, principal: Principal) -> list[Effect]:
        if message.id in self.subscriptions:
            return [
                Send(
                    Error("subscription_exists", f"subscription {message.id} is open; unsubscribe it first", message.id)
                )
            ]
        if len(self.subscriptions) >= SUBSCRIPTIONS_PER_SOCKET_MAX:
            return [
                Send(
                    Error(
                        "too_many_subscriptions",
                        f"at most {SUBSCRIPTIONS_PER_SOCKET_MAX} on one connection",
                        message.id,
                    )
                )
            ]
        self.subscriptions.add(message.id)
        return [Open(message, principal)]

    def _unsubscribe(self, id: int) -> list[Effect]:
        if id not in self.subscriptions:
            return [Send(Error("subscription_not_found", f"no subscription {id}", id))]
        self.subscriptions.discard(id)
        return [Stop(id), Send(Unsubscribed(id))]

    def _close(self, code: Code, reason: str) -> list[Effect]:
        self.state = State.CLOSED
        stops: list[Effect] = [Stop(id) for id in sorted(self.subscriptions)]
        self.subscriptions.clear()
        return [*stops, Close(code, reason)]

    def _require(self, state: State) -> None:
        if self.state is not state:
            raise IllegalTransition(f"expected {state}, the session is {self.state}")
