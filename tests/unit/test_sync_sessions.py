"""Whatever a client sends and whatever happens, in any order: a session stays within its states and ends once."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from adapters.sync.messages import PROTOCOL, Heartbeat, Hello, MustRefetch, Subscribe, Unsubscribe
from adapters.sync.protocol import Authenticate, Close, Code, Effect, Open, Session, State, Stop
from domain.agents import Principal
from domain.limits import SUBSCRIPTIONS_PER_SOCKET_MAX
from tests.unit.world import AGENT

PRINCIPAL = Principal(AGENT, AGENT, ("owner",))


class Gateway:
    """Does what it is told: it answers a token when it was asked, and feeds what was opened, until it was stopped."""

    def __init__(self) -> None:
        self.now = 0.0
        self.session = Session(self.now)
        self.asked = False
        self.closes = 0
        self.feeding: set[int] = set()

    def act(self, effects: list[Effect]) -> None:
        assert not (self.closes and effects), "nothing happens after the end"
        for effect in effects:
            match effect:
                case Authenticate():
                    self.asked = True
                case Open(subscribe=subscribe):
                    assert subscribe.id not in self.feeding
                    self.feeding.add(subscribe.id)
                case Stop(id=id):
                    self.feeding.remove(id)
                case Close():
                    self.closes += 1
        assert self.feeding == self.session.subscriptions
        assert len(self.feeding) <= SUBSCRIPTIONS_PER_SOCKET_MAX
        assert self.closes == (self.session.state is State.CLOSED)
        assert not self.feeding or (self.session.state is State.READY and self.session.principal == PRINCIPAL)

    def answer(self, good: bool) -> None:
        if self.asked:
            self.asked = False
            self.act(self.session.authenticated(PRINCIPAL, "1f2e3d4c") if good else self.session.refused("no"))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.act(self.session.tick(self.now, ()))


Happening = Callable[[Gateway], None]
IDS = st.integers(0, 3)


def subscribe(id: int) -> Happening:
    return lambda gateway: gateway.act(gateway.session.receive(Subscribe(id, "notes"), gateway.now))


def unsubscribe(id: int) -> Happening:
    return lambda gateway: gateway.act(gateway.session.receive(Unsubscribe(id), gateway.now))


def feed_ends(id: int) -> Happening:
    refetch = MustRefetch(id, "notes", "stale", "because")
    return lambda gateway: gateway.act(gateway.session.ended(id, refetch))


def wait(seconds: float) -> Happening:
    return lambda gateway: gateway.wait(seconds)


def hello(protocol: str) -> Happening:
    return lambda gateway: gateway.act(gateway.session.receive(Hello(protocol, "token"), gateway.now))


def answer(good: bool) -> Happening:
    return lambda gateway: gateway.answer(good)


def close(code: Code) -> Happening:
    return lambda gateway: gateway.act(gateway.session.close(code, "because"))


def beat(gateway: Gateway) -> None:
    gateway.act(gateway.session.receive(Heartbeat(), gateway.now))


def no_message(gateway: Gateway) -> None:
    gateway.act(gateway.session.malformed("what?"))


SERVED = st.one_of(
    IDS.map(subscribe), IDS.map(unsubscribe), IDS.map(feed_ends), st.floats(0, 20).map(wait), st.just(beat)
)
ANYTHING = st.one_of(
    SERVED,
    st.just(no_message),
    st.sampled_from([PROTOCOL, "stele.sync.v9"]).map(hello),
    st.booleans().map(answer),
    st.floats(0, 100).map(wait),
    st.sampled_from(Code).map(close),
)
BEGINNINGS = st.sampled_from([[], [hello(PROTOCOL)], [hello(PROTOCOL), answer(True)], [hello(PROTOCOL), answer(True)]])


@given(BEGINNINGS, st.lists(SERVED, max_size=25), st.lists(ANYTHING, max_size=15))
def test_no_order_of_events_leads_out_of_the_states(
    beginning: list[Happening], served: list[Happening], anything: list[Happening]
) -> None:
    gateway = Gateway()
    for happening in (*beginning, *served, *anything):
        happening(gateway)
