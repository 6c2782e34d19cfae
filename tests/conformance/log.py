"""What every Log promises: one dense order, whole commands, verdicts of their own, and keys that are remembered."""

import asyncio
from datetime import timedelta, timezone
from uuid import UUID, uuid4

import pytest

from domain.events import NewEvent, Recorded
from domain.people import PersonRegistered
from domain.ports import Appended, Conflict, KeyReused, Log, Repeated
from tests.conformance.log_events import (
    AGENT,
    OTHER,
    THEN,
    append_several,
    at_once,
    command,
    everything,
    happened,
    read_along,
    stream,
)


class LogContract:
    """Inherit, and give the fixture `log`: an empty one."""

    # --- one order ------------------------------------------------------------------------------

    async def test_an_empty_log_has_head_zero_and_no_events(self, log: Log) -> None:
        assert await log.head() == 0
        assert await everything(log) == []

    async def test_I3_positions_count_from_one(self, log: Log) -> None:
        verdicts = [await log.append(command(happened(stream(name)))) for name in "abc"]
        assert verdicts == [Appended(1, 1), Appended(2, 2), Appended(3, 3)]
        assert await log.head() == 3

    async def test_I3_concurrent_commands_leave_no_hole(self, log: Log) -> None:
        verdicts = await at_once(log, *(command(happened(uuid4()), happened(uuid4())) for _ in range(60)))
        taken = sorted(p for v in verdicts if isinstance(v, Appended) for p in (v.first_position, v.last_position))
        assert taken == list(range(1, 121))
        assert [event.position for event in await everything(log)] == taken

    async def test_I3_a_reader_never_finds_something_behind_itself(self, log: Log) -> None:
        writing = asyncio.gather(*(append_several(log, 10) for _ in range(20)))
        assert len(await read_along(log, writing)) == 200

    async def test_I3_one_commands_events_stand_together(self, log: Log) -> None:
        requests = [command(*(happened(uuid4(), label=str(number)) for _ in range(4))) for number in range(25)]
        for number, verdict in enumerate(await at_once(log, *requests)):
            assert isinstance(verdict, Appended)
            assert verdict.last_position == verdict.first_position + 3
            events = await log.read(verdict.first_position - 1, 4)
            assert {event.payload for event in events} == {
                PersonRegistered(event.stream_id, str(number)) for event in events
            }

    async def test_several_events_of_one_stream_in_one_command_keep_their_order(self, log: Log) -> None:
        a = stream("a")
        assert await log.append(command(happened(a, 1), happened(stream("b")), happened(a, 2))) == Appended(1, 3)
        assert [(e.position, e.version) for e in await log.read_streams(AGENT, [a])] == [(1, 1), (3, 2)]

    async def test_I11_what_was_acknowledged_can_be_read_at_once(self, log: Log) -> None:
        async def send_and_look() -> bool:
            event = happened(uuid4())
            await log.append(command(event))
            return [e.event_id for e in await log.read_streams(AGENT, [event.stream_id])] == [event.event_id]

        assert all(await asyncio.gather(*(send_and_look() for _ in range(50))))

    # --- conflicts ------------------------------------------------------------------------------

    async def test_a_conflict_names_the_stream_and_both_versions(self, log: Log) -> None:
        a = stream("a")
        await log.append(command(happened(a, 1), happened(a, 2)))
        assert await log.append(command(happened(a, 2))) == Conflict(a, expected=1, actual=2)
        assert await log.append(command(happened(a, 6))) == Conflict(a, expected=5, actual=2)

    async def test_a_conflict_in_one_stream_keeps_the_whole_command_out(self, log: Log) -> None:
        a, b, c = stream("a"), stream("b"), stream("c")
        await log.append(command(happened(b)))
        assert await log.append(command(happened(a), happened(b), happened(c))) == Conflict(b, 0, 1)
        assert await log.head() == 1
        assert await log.read_streams(AGENT, [a, c]) == []

    async def test_a_conflict_is_not_remembered_under_its_key(self, log: Log) -> None:
        a = stream("a")
        await log.append(command(happened(a)))
        assert await log.append(command(happened(a), key="k")) == Conflict(a, 0, 1)
        assert await log.append(command(happened(a, 2), key="k")) == Appended(2, 2)

    async def test_a_conflict_fails_no_neighbour(self, log: Log) -> None:
        contested = stream("contested")
        streams = [contested if number % 2 else uuid4() for number in range(100)]
        verdicts = await at_once(log, *(command(happened(s)) for s in streams))
        assert sum(isinstance(verdict, Appended) for verdict in verdicts) == 51
        assert [v for v in verdicts if not isinstance(v, Appended)] == [Conflict(contested, 0, 1)] * 49
        assert await log.head() == 51

    async def test_a_stream_that_was_only_read_is_guarded(self, log: Log) -> None:
        a, b = stream("a"), stream("b")
        await log.append(command(happened(a)))
        assert await log.append(command(happened(b), guards={a: 0})) == Conflict(a, 0, 1)
        assert await log.append(command(happened(b), guards={a: 1, stream("absent"): 0})) == Appended(2, 2)

    async def test_a_guard_holds_against_a_command_that_came_just_before(self, log: Log) -> None:
        a, b = stream("a"), stream("b")
        verdicts = await at_once(log, command(happened(a)), command(happened(b), guards={a: 0}))
        assert verdicts == [Appended(1, 1), Conflict(a, 0, 1)]

    async def test_a_guard_does_not_hold_against_a_command_that_comes_just_after(self, log: Log) -> None:
        a, b = stream("a"), stream("b")
        verdicts = await at_once(log, command(happened(b), guards={a: 0}), command(happened(a)))
        assert verdicts == [Appended(1, 1), Appended(2, 2)]

    # --- keys -----------------------------------------------------------------------------------

    async def test_a_repeated_key_gets_the_first_answer(self, log: Log) -> None:
        await log.append(command(happened(stream("before"))))
        first = command(happened(stream("a")), happened(stream("b")), key="k", result=b'{"first":1}')
        assert await log.append(first) == Appended(2, 3)
        again = command(happened(stream("c")), key="k", result=b'{"second":2}')
        assert await log.append(again) == Repeated(2, 3, b'{"first":1}')
        assert await log.head() == 3

    async def test_a_repeated_key_wins_over_a_stream_that_moved_on(self, log: Log) -> None:
        request = command(happened(stream("a")), key="k")
        await log.append(request)
        assert await log.append(request) == Repeated(1, 1, b"{}")

    async def test_the_same_command_sent_twice_at_once_happens_once(self, log: Log) -> None:
        request = command(happened(stream("a")), key="k", result=b"[1]")
        verdicts = await at_once(log, request, request, request)
        assert verdicts == [Appended(1, 1), Repeated(1, 1, b"[1]"), Repeated(1, 1, b"[1]")]

    async def test_a_key_for_another_request_is_reused_and_writes_nothing(self, log: Log) -> None:
        await log.append(command(happened(stream("a")), key="k", fingerprint=b"one"))
        assert await log.append(command(happened(stream("b")), key="k", fingerprint=b"two")) == KeyReused()
        assert await log.head() == 1

    async def test_a_key_used_twice_at_once_for_two_requests_serves_the_first(self, log: Log) -> None:
        verdicts = await at_once(
            log,
            command(happened(stream("a")), key="k", fingerprint=b"one"),
            command(happened(stream("b")), key="k", fingerprint=b"two"),
        )
        assert verdicts == [Appended(1, 1), KeyReused()]

    async def test_a_refusal_without_events_is_remembered(self, log: Log) -> None:
        await log.append(command(happened(stream("a"))))
        assert await log.append(command(key="k", result=b"no")) == Appended(1, 1)
        await log.append(command(happened(stream("b"))))
        assert await log.append(command(happened(stream("c")), key="k", result=b"yes")) == Repeated(1, 1, b"no")
        assert await log.head() == 2

    async def test_nothing_to_write_and_nothing_to_remember_is_answered_with_the_head(self, log: Log) -> None:
        assert await log.append(command()) == Appended(0, 0)
        await log.append(command(happened(stream("a"))))
        assert await log.append(command(guards={stream("a"): 1})) == Appended(1, 1)
        assert await log.append(command(guards={stream("a"): 0})) == Conflict(stream("a"), 0, 1)

    # --- tenants --------------------------------------------------------------------------------

    async def test_I10_keys_belong_to_one_agent(self, log: Log) -> None:
        await log.append(command(happened(stream("a")), key="k", fingerprint=b"one"))
        theirs = command(happened(stream("b")), agent=OTHER, key="k", fingerprint=b"two", result=b"theirs")
        assert await log.append(theirs) == Appended(2, 2)
        assert await log.append(theirs) == Repeated(2, 2, b"theirs")

    async def test_I10_two_agents_may_use_the_same_stream_id(self, log: Log) -> None:
        shared = stream("shared")
        mine, theirs = happened(shared, label="mine"), happened(shared, label="theirs")
        verdicts = await at_once(log, command(mine), command(theirs, agent=OTHER))
        assert verdicts == [Appended(1, 1), Appended(2, 2)]
        assert [e.payload for e in await log.read_streams(AGENT, [shared])] == [PersonRegistered(shared, "mine")]
        assert [e.payload for e in await log.read_streams(OTHER, [shared])] == [PersonRegistered(shared, "theirs")]
        assert await log.append(command(happened(shared, 2), agent=OTHER)) == Appended(3, 3)
        assert await log.append(command(happened(shared, 3))) == Conflict(shared, expected=2, actual=1)

    async def test_I10_reads_of_an_agent_leave_the_others_out(self, log: Log) -> None:
        for agent in (AGENT, OTHER, AGENT, OTHER, AGENT):
            await log.append(command(happened(uuid4()), agent=agent))
        assert [e.position for e in await log.read(0, 10, AGENT)] == [1, 3, 5]
        assert [e.position for e in await log.read(1, 1, AGENT)] == [3]
        assert [e.position for e in await log.read_positions(AGENT, [1, 2, 3, 4])] == [1, 3]
        assert [await log.previous(OTHER, position) for position in range(1, 7)] == [0, 0, 2, 2, 4, 4]
        assert await log.read(0, 10, UUID(int=0xC)) == []

    # --- reading --------------------------------------------------------------------------------

    async def test_a_page_begins_after_its_position_and_ends_at_its_limit(self, log: Log) -> None:
        await log.append(command(*(happened(uuid4()) for _ in range(5))))
        assert [e.position for e in await log.read(1, 3)] == [2, 3, 4]
        assert [e.position for e in await log.read(4, 3)] == [5]
        assert await log.read(5, 3) == []
        assert await log.read(999, 3) == []

    async def test_streams_come_ordered_and_those_that_do_not_exist_have_no_events(self, log: Log) -> None:
        low, high = UUID(int=1), UUID(int=2**127 + 1)
        await log.append(command(happened(high), happened(low), happened(high, 2), happened(stream("unasked"))))
        found = await log.read_streams(AGENT, [high, low, stream("absent")])
        assert [(e.stream_id, e.version) for e in found] == [(low, 1), (high, 1), (high, 2)]
        assert await log.read_streams(AGENT, []) == []

    async def test_positions_come_in_order_once_and_those_that_are_not_there_are_left_out(self, log: Log) -> None:
        await log.append(command(*(happened(uuid4()) for _ in range(3))))
        found = await log.read_positions(AGENT, [3, 1, 1, 4, 0, -1, 2**40, 2**70])
        assert [e.position for e in found] == [1, 3]
        assert await log.read_positions(AGENT, []) == []

    async def test_the_envelope_comes_back_as_it_was_given(self, log: Log) -> None:
        given = NewEvent(
            event_id=uuid4(),
            stream_id=stream("a"),
            version=1,
            payload=PersonRegistered(stream("a"), "Ada"),
            occurred_at=THEN.astimezone(timezone(timedelta(hours=5, minutes=45))),
            actor="token:😀",
            causation_id=uuid4(),
            correlation_id=uuid4(),
            traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        await log.append(command(given))
        [event] = await everything(log)
        assert event == Recorded(
            position=1,
            event_id=given.event_id,
            agent_id=AGENT,
            stream_id=given.stream_id,
            version=1,
            type="stele.people.v1.PersonRegistered",
            schema_version=1,
            data=given.data,
            occurred_at=THEN,
            recorded_at=event.recorded_at,
            actor=given.actor,
            causation_id=given.causation_id,
            correlation_id=given.correlation_id,
            traceparent=given.traceparent,
        )
        assert event.occurred_at.utcoffset() == event.recorded_at.utcoffset() == timedelta(0)
        assert event.payload == given.payload

    @pytest.mark.parametrize(
        "label",
        [
            "",
            "Zoë",
            "Zoe\u0308",
            "👩🏽‍🚒🇪🇺",
            "שלום עולם",
            '"\\/\b\f\n\r\t',
            "\x00\x1f\x7f",
            "\u2028\u2029\ufeff",
            "\U0010ffff",
            "x" * 9_999,
        ],
        ids=[
            "empty",
            "composed",
            "decomposed",
            "emoji",
            "right to left",
            "escapes",
            "controls",
            "separators",
            "last",
            "long",
        ],
    )
    async def test_the_bytes_come_back_exactly(self, log: Log, label: str) -> None:
        given = happened(stream("a"), label=label)
        await log.append(command(given))
        [event] = await everything(log)
        assert event.data == given.data
        assert event.payload == PersonRegistered(stream("a"), label)
