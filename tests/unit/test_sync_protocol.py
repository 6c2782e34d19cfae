"""Every cell of the table in adapters/sync/protocol.py."""

from collections.abc import Callable
from uuid import UUID

import pytest

from adapters.sync.messages import (
    PROTOCOL,
    Error,
    Head,
    Heartbeat,
    Hello,
    MustRefetch,
    ServerHeartbeat,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)
from adapters.sync.protocol import (
    Authenticate,
    Close,
    Code,
    Effect,
    IllegalTransition,
    Open,
    Send,
    Session,
    State,
    Stop,
)
from domain.agents import Principal
from domain.limits import (
    CLIENT_SILENCE_SECONDS_MAX,
    HEARTBEAT_SECONDS,
    HELLO_SECONDS_MAX,
    SUBSCRIPTIONS_PER_SOCKET_MAX,
)

PRINCIPAL = Principal(UUID(int=0xA), UUID(int=0x70), ("owner",))
EPOCH = "1f2e3d4c"
HELLO, NOTES = Hello(PROTOCOL, "token"), Subscribe(1, "notes")
REFETCH = MustRefetch(1, "notes", "stale", "because")
START = 1_000.0


def reach(state: State) -> Session:
    session = Session(START)
    if state is State.CLOSED:
        session.close(Code.GOING_AWAY, "bye")
    elif state is not State.OPENED:
        session.receive(HELLO, START)
        if state is State.READY:
            session.authenticated(PRINCIPAL, EPOCH)
    assert session.state is state
    return session


EVENTS: dict[str, Callable[[Session], list[Effect]]] = {
    "hello": lambda s: s.receive(HELLO, START),
    "hello in another protocol": lambda s: s.receive(Hello("stele.sync.v9", "token"), START),
    "authenticated": lambda s: s.authenticated(PRINCIPAL, EPOCH),
    "refused": lambda s: s.refused("who are you?"),
    "subscribe": lambda s: s.receive(NOTES, START),
    "unsubscribe": lambda s: s.receive(Unsubscribe(1), START),
    "heartbeat": lambda s: s.receive(Heartbeat(), START),
    "no message": lambda s: s.malformed("what?"),
    "a feed ended": lambda s: s.ended(1, REFETCH),
    "closed by the gateway": lambda s: s.close(Code.SLOW_CONSUMER, "too slow"),
    "hello is late": lambda s: s.tick(START + HELLO_SECONDS_MAX + 0.1, ()),
    "silence": lambda s: s.tick(START + CLIENT_SILENCE_SECONDS_MAX + 0.1, ()),
    "time for a heartbeat": lambda s: s.tick(START + HEARTBEAT_SECONDS, ()),
    "a moment": lambda s: s.tick(START + 1, ()),
}
ILLEGAL = "illegal"
Outcome = tuple[str, ...] | str


def told(effects: list[Effect]) -> tuple[str, ...]:
    """Effects in short: what is sent, by its type or code; what is closed, by its number."""
    names = []
    for effect in effects:
        match effect:
            case Send(message=Error(code=code)):
                names.append(f"error {code}")
            case Send(message=message):
                names.append(type(message).__name__.lower())
            case Close(code=code):
                names.append(f"close {int(code)}")
            case other:
                names.append(type(other).__name__.lower())
    return tuple(names)


FIRST_HELLO = ("close 4000",)
LATE = ("close 4001",)
BAD_HELLO = ("error unsupported_protocol", "close 4004")
TABLE: dict[str, tuple[Outcome, Outcome, Outcome]] = {
    # event:                    OPENED, AUTHENTICATING, READY; in CLOSED nothing ever happens
    "hello": (("authenticate",), ("close 4000",), ("close 4000",)),
    "hello in another protocol": (BAD_HELLO, ("close 4000",), ("close 4000",)),
    "authenticated": (ILLEGAL, ("welcome",), ILLEGAL),
    "refused": (ILLEGAL, ("error unauthenticated", "close 4003"), ILLEGAL),
    "subscribe": (FIRST_HELLO, FIRST_HELLO, ("open",)),
    "unsubscribe": (FIRST_HELLO, FIRST_HELLO, ("error subscription_not_found",)),
    "heartbeat": (FIRST_HELLO, FIRST_HELLO, ()),
    "no message": (FIRST_HELLO, FIRST_HELLO, ("error invalid_message",)),
    "a feed ended": ((), (), ()),
    "closed by the gateway": (("close 4008",), ("close 4008",), ("close 4008",)),
    "hello is late": (LATE, LATE, ()),
    "silence": (LATE, LATE, ("close 4002",)),
    "time for a heartbeat": (LATE, LATE, ("serverheartbeat",)),
    "a moment": ((), (), ()),
}
AFTER = {"authenticate": State.AUTHENTICATING, "welcome": State.READY}


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        pytest.param(state, event, outcome, id=f"{state.value}-{event}")
        for event, row in TABLE.items()
        for state, outcome in zip(State, (*row, ()), strict=True)
    ],
)
def test_every_state_answers_every_event(state: State, event: str, expected: Outcome) -> None:
    session = reach(state)
    if expected == ILLEGAL:
        with pytest.raises(IllegalTransition, match=f"the session is {state}"):
            EVENTS[event](session)
        assert session.state is state
        return
    assert told(EVENTS[event](session)) == expected
    closed = any(name.startswith("close") for name in expected)
    assert session.state is (State.CLOSED if closed else AFTER.get(" ".join(expected), state))


def test_the_table_has_every_event() -> None:
    assert TABLE.keys() == EVENTS.keys()


# --- subscriptions ------------------------------------------------------------------------------


def test_the_token_is_that_of_hello_and_welcome_tells_whose_it_is() -> None:
    session = Session(START)
    assert session.receive(HELLO, START) == [Authenticate("token")]
    welcome = Welcome(PROTOCOL, PRINCIPAL.agent_id, EPOCH, HEARTBEAT_SECONDS)
    assert session.authenticated(PRINCIPAL, EPOCH) == [Send(welcome)]


def test_I10_a_subscription_is_opened_for_who_said_hello() -> None:
    assert reach(State.READY).receive(NOTES, START) == [Open(NOTES, PRINCIPAL)]


def test_a_subscription_id_is_used_once_at_a_time() -> None:
    session = reach(State.READY)
    session.receive(NOTES, START)
    [refused] = session.receive(Subscribe(1, "tasks"), START)
    assert isinstance(refused, Send)
    assert isinstance(refused.message, Error)
    assert (refused.message.code, refused.message.id) == ("subscription_exists", 1)
    assert session.receive(Unsubscribe(1), START) == [Stop(1), Send(Unsubscribed(1))]
    assert told(session.receive(Subscribe(1, "tasks"), START)) == ("open",)


def test_I12_a_connection_has_so_many_subscriptions_and_no_more() -> None:
    session = reach(State.READY)
    for id in range(SUBSCRIPTIONS_PER_SOCKET_MAX):
        assert told(session.receive(Subscribe(id, "notes"), START)) == ("open",)
    assert told(session.receive(Subscribe(-1, "notes"), START)) == ("error too_many_subscriptions",)
    session.receive(Unsubscribe(0), START)
    assert told(session.receive(Subscribe(-1, "notes"), START)) == ("open",)


@pytest.mark.parametrize("because", [REFETCH, Error("space_not_found", "no such space", 1)])
def test_a_subscription_that_ends_tells_why_once_and_its_id_is_free(because: MustRefetch | Error) -> None:
    session = reach(State.READY)
    session.receive(NOTES, START)
    assert session.ended(1, because) == [Send(because), Stop(1)]
    assert session.ended(1, because) == []
    assert told(session.receive(NOTES, START)) == ("open",)


def test_closing_stops_every_subscription_first() -> None:
    session = reach(State.READY)
    for id in (3, 1, 2):
        session.receive(Subscribe(id, "notes"), START)
    assert session.receive(HELLO, START) == [
        Stop(1),
        Stop(2),
        Stop(3),
        Close(Code.PROTOCOL_ERROR, "hello is said once"),
    ]
    assert session.subscriptions == set()


# --- time ---------------------------------------------------------------------------------------


def test_a_heartbeat_carries_the_heads_and_comes_at_its_interval() -> None:
    session, heads = reach(State.READY), (Head(1, "1f2e3d4c.1.5", "1f2e3d4c.1.9"),)
    assert session.tick(START + HEARTBEAT_SECONDS - 0.1, heads) == []
    assert session.tick(START + HEARTBEAT_SECONDS, heads) == [Send(ServerHeartbeat(heads))]
    assert session.tick(START + HEARTBEAT_SECONDS + 1, heads) == []
    assert session.tick(START + 2 * HEARTBEAT_SECONDS, heads) == [Send(ServerHeartbeat(heads))]


def test_a_client_that_answers_stays() -> None:
    session = reach(State.READY)
    for second in range(0, 600, 30):
        session.receive(Heartbeat(), START + second)
        assert "close" not in " ".join(told(session.tick(START + second + 29, ())))
    assert told(session.tick(START + 570 + CLIENT_SILENCE_SECONDS_MAX + 0.1, ())) == ("close 4002",)


def test_hello_is_not_late_at_its_last_moment() -> None:
    assert reach(State.OPENED).tick(START + HELLO_SECONDS_MAX, ()) == []
