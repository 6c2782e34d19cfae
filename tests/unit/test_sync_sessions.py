"""Whatever a client sends and whatever happens, in any order: a session stays within its states and ends once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from adapters.sync.messages import PROTOCOL, Heartbeat, Hello, MustRefetch, Subscribe, Unsubscribe
from adapters.sync.protocol import Authenticate, Close, Code, Effect, Open, Session, State, Stop
from domain.agents import Principal
from domain.limits import SUBSCRIPTIONS_PER_SOCKET_MAX
from tests.unit.world import AGENT

IDS = st.integers(0, 3)


class AnySession(RuleBasedStateMachine):
    """A gateway that does what it is told: it answers a token when it was asked, and feeds what was opened."""

    def __init__(self) -> None:
        super().__init__()
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

    @rule(protocol=st.sampled_from([PROTOCOL, PROTOCOL, PROTOCOL, "stele.sync.v9"]))
    def hello(self, protocol: str) -> None:
        self.act(self.session.receive(Hello(protocol, "token"), self.now))

    @precondition(lambda self: self.asked)
    @rule(valid=st.sampled_from([True, True, True, False]))
    def answer_the_token(self, valid: bool) -> None:
        self.asked = False
        principal = Principal(AGENT, AGENT, ("owner",))
        self.act(self.session.authenticated(principal, "1f2e3d4c") if valid else self.session.refused("no"))

    @rule(id=IDS)
    def subscribe(self, id: int) -> None:
        self.act(self.session.receive(Subscribe(id, "notes"), self.now))

    @rule(id=IDS)
    def unsubscribe(self, id: int) -> None:
        self.act(self.session.receive(Unsubscribe(id), self.now))

    @rule()
    def heartbeat(self) -> None:
        self.act(self.session.receive(Heartbeat(), self.now))

    @rule()
    def something_that_is_no_message(self) -> None:
        self.act(self.session.malformed("what?"))

    @rule(id=IDS)
    def a_feed_ends(self, id: int) -> None:
        self.act(self.session.ended(id, MustRefetch(id, "notes", "stale", "because")))

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.act(self.session.tick(self.now, ()))

    @rule(code=st.sampled_from(Code))
    def the_gateway_closes(self, code: Code) -> None:
        self.act(self.session.close(code, "because"))

    @invariant()
    def what_is_fed_is_what_is_subscribed(self) -> None:
        assert self.feeding == self.session.subscriptions
        assert len(self.feeding) <= SUBSCRIPTIONS_PER_SOCKET_MAX

    @invariant()
    def it_is_closed_once(self) -> None:
        assert self.closes == (self.session.state is State.CLOSED)

    @invariant()
    def only_who_is_known_is_served(self) -> None:
        assert self.session.state is not State.READY or self.session.principal is not None
        assert not self.feeding or self.session.state is State.READY


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
