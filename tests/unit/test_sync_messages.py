"""The messages of stele.sync.v1 on the wire: one object a frame, and anything else is refused as no message."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sync import messages
from adapters.sync.messages import (
    PROTOCOL,
    ClientMessage,
    Error,
    Heartbeat,
    Hello,
    MustRefetch,
    ServerHeartbeat,
    ServerMessage,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
)

MESSAGES: st.SearchStrategy[ClientMessage] = st.one_of(
    st.builds(Hello, st.just(PROTOCOL) | st.text(max_size=9), st.text(max_size=9), st.text(max_size=9)),
    st.builds(
        Subscribe, st.integers(), st.text(max_size=9), st.none() | st.text(max_size=9), st.none() | st.text(max_size=9)
    ),
    st.builds(Unsubscribe, st.integers()),
    st.just(Heartbeat()),
)


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_whatever_comes_over_the_wire_is_a_message_or_refused_as_one(frame: str | bytes) -> None:
    try:
        message = messages.decode(frame)
    except (msgspec.DecodeError, UnicodeError):
        return
    assert isinstance(message, ClientMessage)


@pytest.mark.parametrize("depth", [10, 900, 8_000])
def test_I12_nesting_without_end_is_refused_like_any_other_nonsense(depth: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        messages.decode('{"type":"subscribe","id":' + "[" * depth + "]" * depth + ',"topic":"notes"}')
    with pytest.raises(msgspec.DecodeError):
        messages.decode('{"unheard of":' + '{"a":' * depth + "1" + "}" * depth + ',"type":"hello"}')


@given(MESSAGES)
def test_a_clients_message_is_read_as_it_was_written(message: ClientMessage) -> None:
    assert messages.decode(msgspec.json.encode(message)) == message


@pytest.mark.parametrize(
    ("message", "bytes_"),
    [
        (Unsubscribed(1), b'{"type":"unsubscribed","id":1}'),
        (ServerHeartbeat(()), b'{"type":"heartbeat","heads":[]}'),
        (Error("invalid_cursor", "no"), b'{"type":"error","code":"invalid_cursor","detail":"no"}'),
        (
            MustRefetch(1, "notes", "stale", "because"),
            b'{"type":"must_refetch","id":1,"topic":"notes","reason":"stale","detail":"because"}',
        ),
    ],
)
def test_a_servers_message_is_one_object_named_by_its_type(message: ServerMessage, bytes_: bytes) -> None:
    assert messages.encode(message) == bytes_
