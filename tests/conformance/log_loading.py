"""What every log promises to whoever loads aggregates, and every key store to whoever seals with its keys."""

import asyncio
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.aggregate import Link, Snapshot
from domain.events import Recorded
from domain.limits import STREAM_PAGE_EVENTS_MAX
from domain.ports import WHOLE, Conflict, KeyStore, Log, Transaction, WrappedKey
from tests.conformance.log_events import AGENT, OTHER, command, happened, stream

A, B, NOBODY = stream("a"), stream("b"), stream("nobody")
ADA, GRACE = UUID(int=0xADA), UUID(int=0x62ACE)


def key(subject: UUID, text: bytes = b"wrapped") -> WrappedKey:
    return WrappedKey(subject, "master", text)


def snapshot(version: int, fold: str = "fold/1") -> Snapshot:
    return Snapshot(A, version, 10 + version, Link(UUID(int=version), UUID(int=7)), fold, b'{"sum":%d}' % version)


async def grow(log: Log, stream_id: UUID, versions: int, agent: UUID = AGENT) -> None:
    await log.append(command(*(happened(stream_id, version + 1) for version in range(versions)), agent=agent))


def versions(items: list[Snapshot | Recorded]) -> list[tuple[UUID, int]]:
    return [(item.stream_id, item.version) for item in items if isinstance(item, Recorded)]


class LoadingContract:
    async def test_streams_come_one_after_the_other_from_where_they_are_known(self, log: Log) -> None:
        await grow(log, A, 3)
        await grow(log, B, 2)
        items = await log.load(AGENT, [(B, 0), (NOBODY, 0), (A, 2)])
        assert versions(items) == [(B, 1), (B, 2), (A, 3)]
        assert items == [e for e in await log.read(0, 9) if e.stream_id == B] + [(await log.read(0, 9))[2]]

    async def test_I10_only_this_agents_streams_are_loaded(self, log: Log) -> None:
        await grow(log, A, 2, agent=OTHER)
        assert await log.load(AGENT, [(A, 0)]) == []

    async def test_I12_a_long_stream_is_loaded_page_by_page(self, log: Log) -> None:
        await grow(log, A, STREAM_PAGE_EVENTS_MAX + 5)
        await grow(log, B, 1)
        first = await log.load(AGENT, [(A, 0), (B, 0)])
        assert versions(first) == [(A, n) for n in range(1, STREAM_PAGE_EVENTS_MAX + 1)] + [(B, 1)]
        assert len(await log.load(AGENT, [(A, STREAM_PAGE_EVENTS_MAX)])) == 5

    async def test_many_loads_at_once_each_get_their_own(self, log: Log) -> None:
        streams = [stream(f"many {n}") for n in range(50)]
        for number, one in enumerate(streams):
            await grow(log, one, 1 + number % 3)
        answers = await asyncio.gather(*(log.load(AGENT, [(one, 0)]) for one in streams * 2))
        assert [len(answer) for answer in answers] == [1 + number % 3 for number in range(50)] * 2
        assert all(item.stream_id == one for one, answer in zip(streams * 2, answers, strict=True) for item in answer)

    async def test_a_snapshot_comes_before_the_events_after_it(self, log: Log) -> None:
        await grow(log, A, 4)
        await log.keep_snapshot(AGENT, snapshot(3))
        items = await log.load(AGENT, [(A, 0), (B, 0)])
        assert items[0] == snapshot(3)
        assert versions(items) == [(A, 4)]
        assert versions(await log.load(AGENT, [(A, WHOLE)])) == [(A, 1), (A, 2), (A, 3), (A, 4)]
        assert versions(await log.load(AGENT, [(A, 1)])) == [(A, 2), (A, 3), (A, 4)]

    async def test_a_snapshot_of_the_newest_version_comes_alone(self, log: Log) -> None:
        await grow(log, A, 4)
        await log.keep_snapshot(AGENT, snapshot(4))
        assert await log.load(AGENT, [(A, 0)]) == [snapshot(4)]
        assert await log.load(OTHER, [(A, 0)]) == []

    async def test_a_snapshot_gives_way_to_a_newer_one_or_to_another_fold(self, log: Log) -> None:
        await grow(log, A, 4)
        for kept, expected in (
            (snapshot(3), snapshot(3)),
            (snapshot(2), snapshot(3)),
            (snapshot(4), snapshot(4)),
            (snapshot(2, "fold/2"), snapshot(2, "fold/2")),
        ):
            await log.keep_snapshot(AGENT, kept)
            assert (await log.load(AGENT, [(A, 0)]))[0] == expected

    async def test_subjects_come_back(self, log: Log) -> None:
        await log.append(command(replace(happened(A), subjects=(ADA, GRACE)), happened(B)))
        assert [event.subjects for event in await log.read(0, 9)] == [(ADA, GRACE), ()]
        assert [item.subjects for item in await log.load(AGENT, [(A, 0)]) if isinstance(item, Recorded)] == [
            (ADA, GRACE)
        ]

    async def test_every_kind_that_is_in_the_log_is_listed_with_its_first(self, log: Log) -> None:
        assert await log.kinds() == []
        await grow(log, A, 2)
        await grow(log, B, 1)
        assert await log.kinds() == [("stele.people.v1.PersonRegistered", 1, 1)]

    async def test_versions_of_a_stream_have_no_gap(self, log: Log) -> None:
        """Neither within a command, which is the caller's mistake, nor after what is there, expected or not."""
        with pytest.raises(ValueError, match="version 3 after 1"):
            await log.append(Transaction(AGENT, (happened(B), happened(A), happened(A, 3)), ()))
        assert await log.append(Transaction(AGENT, (happened(B), happened(A, 2)), ())) == Conflict(A, 1, 0)
        assert await log.head() == 0


class KeyStoreContract:
    """With `log` and `keys`, the log's transactions and the store that they change."""

    async def test_a_key_comes_with_its_command(self, log: Log, keys: KeyStore) -> None:
        await log.append(replace(command(happened(A)), new_keys=(key(ADA), key(GRACE))))
        assert await keys.find([(AGENT, ADA), (AGENT, NOBODY)]) == [(AGENT, key(ADA))]

    async def test_I10_a_key_belongs_to_its_agent(self, log: Log, keys: KeyStore) -> None:
        await log.append(replace(command(happened(A)), new_keys=(key(ADA),)))
        await log.append(replace(command(happened(A), agent=OTHER), new_keys=(key(ADA, b"another"),)))
        found = await keys.find([(OTHER, ADA), (AGENT, ADA)])
        assert sorted(found) == [(AGENT, key(ADA)), (OTHER, key(ADA, b"another"))]

    async def test_a_command_that_is_not_carried_out_changes_no_key(self, log: Log, keys: KeyStore) -> None:
        await log.append(replace(command(happened(A)), new_keys=(key(ADA),)))
        lost = replace(command(happened(A)), new_keys=(key(GRACE),), destroyed_keys=(ADA,))
        fine = command(happened(B))
        first, second = await asyncio.gather(log.append(lost), log.append(fine))
        assert first == Conflict(A, 0, 1)
        assert await keys.find([(AGENT, ADA), (AGENT, GRACE)]) == [(AGENT, key(ADA))]
        assert len(await log.read(0, 9)) == 2
        assert second is not None

    async def test_I9_a_key_goes_with_its_command(self, log: Log, keys: KeyStore) -> None:
        await log.append(replace(command(happened(A)), new_keys=(key(ADA), key(GRACE))))
        await log.append(replace(command(happened(A, 2)), destroyed_keys=(ADA,)))
        assert await keys.find([(AGENT, ADA), (AGENT, GRACE)]) == [(AGENT, key(GRACE))]

    async def test_a_key_of_its_own_is_kept_once(self, log: Log, keys: KeyStore) -> None:
        await keys.add(AGENT, key(ADA))
        await keys.add(AGENT, key(ADA, b"second"))
        assert await keys.find([(AGENT, ADA)]) == [(AGENT, key(ADA))]

    async def test_keys_are_wrapped_anew_unless_they_are_gone(self, log: Log, keys: KeyStore) -> None:
        await keys.add(AGENT, key(ADA))
        await keys.add(AGENT, key(GRACE))
        new = WrappedKey(ADA, "newer", b"again")
        await keys.rewrap(AGENT, key(ADA), new)
        await keys.rewrap(AGENT, key(ADA), WrappedKey(ADA, "late", b"late"))
        assert await keys.others("newer", 9) == [(AGENT, key(GRACE))]
        await log.append(replace(command(happened(A)), destroyed_keys=(GRACE,)))
        await keys.rewrap(AGENT, key(GRACE), WrappedKey(GRACE, "newer", b"back from the dead"))
        assert await keys.find([(AGENT, GRACE), (AGENT, ADA)]) == [(AGENT, new)]
