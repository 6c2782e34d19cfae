"""I9: what is personal is sealed with its person's key, opens as long as the key is there, and never without it."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from adapters.memory.keys import MemoryKeyStore
from adapters.vault.cipher import Cipher, cipher_of, opened, pseudonym
from adapters.vault.master import MasterKeyError, MasterKeys, add_to_file, create_file, generate, parse
from adapters.vault.vault import KeyVault
from domain import ids, personal
from domain.actions import (
    ActionProposed,
    ActionRejected,
    ActionSucceeded,
    ApproveAction,
    FinishAction,
    RejectAction,
    StartAction,
)
from domain.agents import TokenIssued
from domain.events import Recorded
from domain.people import ErasePerson, PersonErased, PersonRegistered
from domain.planning import RecordPlan
from domain.ports import Proposal
from domain.refusals import Refusal
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken, TranscriptChunkRecorded
from tests.keys import MASTER
from tests.unit.world import AGENT, OTHER, World

SPACE = ids.space_id(AGENT, "kickoff")
WORDS, NAME = "the vault's code is 7143", "Ada Lovelace"


@pytest.fixture
async def world() -> World:
    world = World()
    await world.do(CreateSpace("kickoff"))
    await world.do(RecordTranscript(SPACE, (Spoken(NAME, WORDS), Spoken("Grace", "Good."))))
    return world


def stored(events: Sequence[Recorded]) -> bytes:
    return b"\n".join(event.data for event in events)


async def vault_of(world: World, master: str = MASTER) -> KeyVault:
    """Another process's: it knows no key yet."""
    return KeyVault(MemoryKeyStore(world.log), MasterKeys(lambda: master))


async def texts(world: World) -> list[str]:
    vault = await vault_of(world)
    events = await vault.open(await world.log.read(0, 1_000))
    return [event.payload.text for event in events if isinstance(event.payload, TranscriptChunkRecorded)]


async def test_I9_the_log_holds_neither_names_nor_words(world: World) -> None:
    assert await texts(world) == [WORDS, "Good."]
    log = stored(await world.log.read(0, 1_000))
    assert WORDS.encode() not in log
    assert NAME.encode() not in log


async def test_I9_after_an_erasure_nobody_reads_the_person_and_everybody_reads_the_others(world: World) -> None:
    before = stored(await world.log.read(0, 1_000))
    await world.do(ErasePerson(await world.person(NAME)))
    assert await texts(world) == [personal.ERASED, "Good."]
    assert stored(await world.log.read(0, 1_000)).startswith(before)
    assert (await world.log.read(0, 1_000))[-1].type == PersonErased.type
    assert (AGENT, await world.person(NAME)) not in world.log.keys


async def test_I9_a_backup_of_the_events_is_unreadable_as_well(world: World) -> None:
    copies = [Recorded(*(getattr(e, f) for f in Recorded.__struct_fields__)) for e in await world.log.read(0, 1_000)]
    await world.do(ErasePerson(await world.person(NAME)))
    opened = await (await vault_of(world)).open(copies)
    assert WORDS not in str([event.payload for event in opened])
    assert NAME not in str([event.payload for event in opened])


async def test_who_was_erased_comes_back_as_somebody_new(world: World) -> None:
    erased = await world.person(NAME)
    await world.do(ErasePerson(erased))
    again = await world.result(RecordTranscript(SPACE, (Spoken(NAME, "It is me."),)))
    assert again["chunks"][0]["person_id"] == str(await world.person(NAME, generation=1)) != str(erased)
    assert await texts(world) == [personal.ERASED, "Good.", "It is me."]
    registered = [p for p in await world.payloads() if isinstance(p, PersonRegistered)]
    assert [person.label for person in registered] == [personal.ERASED, "Grace", NAME]


async def test_erasing_is_said_twice_and_done_once(world: World) -> None:
    person = await world.person(NAME)
    await world.do(ErasePerson(person))
    head = await world.log.head()
    assert (await world.result(ErasePerson(person)))["erased"] is True
    assert await world.log.head() == head


async def test_nobody_can_be_erased_who_was_never_there(world: World) -> None:
    with pytest.raises(Refusal, match="person_not_found"):
        await world.do(ErasePerson(UUID(int=99)))
    with pytest.raises(Refusal, match="person_not_found"):
        await world.do(ErasePerson(await world.person(NAME)), agent=OTHER)


async def propose(world: World) -> UUID:
    """An action about both of them."""
    said = [e for e in await world.events() if isinstance(e.payload, TranscriptChunkRecorded)]
    proposal = Proposal("note", WORDS, {"text": WORDS}, f"{NAME} said so", tuple(e.position for e in said))
    answer = await world.result(RecordPlan(SPACE, said[0].event_id, (proposal,)))
    return UUID(answer["action_ids"][0])


async def test_I9_what_concerns_several_is_unreadable_when_one_of_them_is_erased(world: World) -> None:
    action = await propose(world)
    await world.do(ErasePerson(await world.person("Grace")))
    [proposed] = [p for p in await world.payloads() if isinstance(p, ActionProposed)]
    assert {proposed.title, proposed.arguments_json, proposed.rationale, proposed.arguments_sha256} == {personal.ERASED}
    with pytest.raises(Refusal, match="person_erased"):
        await world.do(ApproveAction(action))
    await world.do(RejectAction(action, f"no, {NAME}"))
    assert NAME.encode() not in stored(await world.log.read(0, 1_000))
    assert [p.reason for p in await world.payloads() if isinstance(p, ActionRejected)] == [personal.ERASED]


async def test_I9_an_approved_action_about_somebody_who_was_erased_is_not_started(world: World) -> None:
    action = await propose(world)
    await world.do(ApproveAction(action))
    await world.do(ErasePerson(await world.person(NAME)))
    with pytest.raises(Refusal, match="person_erased"):
        await world.do(StartAction(action, UUID(int=5)))


async def test_words_of_somebody_who_was_erased_are_no_evidence(world: World) -> None:
    said = [e for e in await world.events() if isinstance(e.payload, TranscriptChunkRecorded)]
    await world.do(ErasePerson(await world.person(NAME)))
    plan = RecordPlan(SPACE, said[0].event_id, (Proposal("note", "x", {}, "", (said[0].position,)),))
    with pytest.raises(Refusal, match="person_erased"):
        await world.do(plan)


async def test_a_ciphertext_belongs_to_its_event(world: World) -> None:
    """Moved to another place of the log, it does not open."""
    first, second = [e for e in await world.log.read(0, 9) if e.type == TranscriptChunkRecorded.type]
    fields = {name: getattr(second, name) for name in Recorded.__struct_fields__}
    moved = Recorded(**fields | {"data": first.data, "subjects": first.subjects})
    [opened] = await world.vault.open([moved])
    with pytest.raises(ValueError, match="not sealed with these keys"):
        opened.payload  # noqa: B018


async def test_without_the_master_key_nobody_says_what_is_erased(world: World) -> None:
    """Unreadable for now must not look like erased for good."""
    vault = await vault_of(world, generate())
    with pytest.raises(Refusal, match="keys_unavailable"):
        await vault.open(await world.log.read(0, 1_000))
    stranger = await vault_of(world, MASTER.replace("A", "B"))
    with pytest.raises(Refusal, match="keys_unavailable"):
        await stranger.open(await world.log.read(0, 1_000))


async def test_a_rotated_master_key_is_heard_of(world: World, tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(MASTER + "\n")
    running = KeyVault(MemoryKeyStore(world.log), MasterKeys(file.read_text))
    new = add_to_file(file)
    rotated, store = MasterKeys(file.read_text), MemoryKeyStore(world.log)
    assert rotated.current == new
    for agent, key in await store.others(new, 100):
        await store.rewrap(agent, key, rotated.wrap(agent, key.subject_id, rotated.unwrap(agent, key)))
    assert await store.others(new, 100) == []
    assert WORDS in str([event.payload for event in await running.open(await world.log.read(0, 1_000))])


def test_a_master_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    create_file(file)
    made = file.read_text()
    create_file(file)
    assert file.read_text() == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(parse(made)) == 1


@pytest.mark.parametrize("text", ["", "no key", "a:short", f"{MASTER},{MASTER}", f"UPPER:{'A' * 43}"])
def test_what_is_no_master_key_is_named_without_being_told(text: str) -> None:
    with pytest.raises(MasterKeyError) as wrong:
        parse(text)
    assert "AAAA" not in str(wrong.value)


def test_a_cipher_opens_only_what_its_persons_keys_sealed() -> None:
    a, b = UUID(int=1), UUID(int=2)
    keys = {a: b"a" * 32, b: b"b" * 32}
    sealed = Cipher(keys).seal("ünï", b"here")
    assert Cipher(dict(reversed(keys.items()))).open(sealed, b"here") == "ünï"
    for other in (Cipher({a: keys[a]}), Cipher({b: keys[b]}), Cipher({a: keys[b], b: keys[a]})):
        with pytest.raises(ValueError, match="not sealed"):
            other.open(sealed, b"here")
    with pytest.raises(ValueError, match="not sealed"):
        Cipher(keys).open(sealed, b"there")


def test_without_the_key_of_one_there_is_no_cipher_and_what_was_said_reads_erased() -> None:
    a, b = UUID(int=1), UUID(int=2)
    assert cipher_of({a: b"a" * 32, b: None}) is None
    assert opened(TranscriptChunkRecorded(a, SPACE, a, "", "sealed"), None, b"here") == {"text": personal.ERASED}
    cipher = cipher_of({a: b"a" * 32, b: b"b" * 32})
    assert cipher is not None
    sealed = TranscriptChunkRecorded(a, SPACE, a, "", cipher.seal(WORDS, b"here"))
    assert opened(sealed, cipher, b"here") == {"text": WORDS}


def test_a_pseudonym_follows_from_the_name_and_the_agents_key() -> None:
    ada = pseudonym(b"k" * 32, "person:0:Ada")
    assert (ada.version, ada.variant) == (8, "specified in RFC 4122")
    assert ada == pseudonym(b"k" * 32, "person:0:Ada")
    assert ada not in (pseudonym(b"l" * 32, "person:0:Ada"), pseudonym(b"k" * 32, "person:1:Ada"))


def test_personal_fields_are_found_by_their_mark() -> None:
    assert personal.fields(TranscriptChunkRecorded) == ("speaker", "text")
    assert personal.fields(ActionProposed) == ("title", "arguments_json", "arguments_sha256", "rationale")
    assert personal.fields(TokenIssued) == ()


async def test_I9_another_process_with_a_stale_cache_brings_nobody_back(world: World) -> None:
    """It has the person and the key in mind when somebody else erases."""
    other, erased = World(world.log), await world.person(NAME)
    await other.do(RecordTranscript(SPACE, (Spoken(NAME, "Said by the other.", id="1"),)))
    action = await propose(other)
    await other.do(ApproveAction(action))
    await world.do(ErasePerson(erased))
    again = await other.result(RecordTranscript(SPACE, (Spoken(NAME, "And again."),)))
    assert again["chunks"][0]["person_id"] == str(await world.person(NAME, generation=1))
    assert (AGENT, erased) not in world.log.keys
    with pytest.raises(Refusal, match="person_erased"):
        await other.do(StartAction(action, UUID(int=5)))
    assert await texts(world) == [personal.ERASED, "Good.", personal.ERASED, "And again."]


async def test_I9_what_comes_late_about_somebody_who_was_erased_is_not_written_down(world: World) -> None:
    other = World(world.log)
    action, attempt = await propose(world), UUID(int=5)
    await other.do(ApproveAction(action))
    await other.do(StartAction(action, attempt))
    await world.do(ErasePerson(await world.person("Grace")))
    await other.do(FinishAction(action, attempt, result={"told": WORDS}))
    [succeeded] = [e for e in await world.log.read(0, 1_000) if e.type == ActionSucceeded.type]
    assert succeeded.subjects == ()
    assert b"[erased]" in succeeded.data
    assert WORDS.encode() not in succeeded.data


async def test_a_lost_key_is_an_error_and_writes_nothing(world: World) -> None:
    del world.log.keys[AGENT, await world.person(NAME)]
    head = await world.log.head()
    fresh = World(world.log)
    with pytest.raises(Refusal, match="keys_unavailable"):
        await fresh.do(RecordTranscript(SPACE, (Spoken(NAME, "Am I here?", id="9"),)), key="once")
    assert await world.log.head() == head


async def test_a_refusal_of_the_moment_is_not_kept_under_its_key(world: World) -> None:
    person = await world.person(NAME)
    kept = world.log.keys.pop((AGENT, person))
    fresh = World(world.log)
    said = RecordTranscript(SPACE, (Spoken(NAME, "Am I here?", id="9"),))
    with pytest.raises(Refusal, match="keys_unavailable"):
        await fresh.do(said, key="once")
    world.log.keys[AGENT, person] = kept
    assert (await fresh.result(said, key="once"))["recorded"] == 1


async def test_people_of_a_log_from_before_keys_stay_readable_and_cannot_be_erased(world: World) -> None:
    old, chunk = await world.person("Ann"), UUID(int=77)
    await world.happen(old, PersonRegistered(old, "Ann"))
    at = await world.happen(chunk, TranscriptChunkRecorded(chunk, SPACE, old, "Ann", "Long ago."))
    proposal = Proposal("note", "Long ago", {"text": "long ago"}, "Ann said so", (at,))
    await world.do(RecordPlan(SPACE, UUID(int=78), (proposal,)))
    [proposed] = [p for p in await world.payloads() if isinstance(p, ActionProposed)]
    assert proposed.title == "Long ago"
    with pytest.raises(Refusal, match="person_unsealed"):
        await world.do(ErasePerson(old))


async def test_a_transcript_that_is_sent_again_after_an_erasure_adds_nothing(world: World) -> None:
    said = RecordTranscript(SPACE, (Spoken(NAME, "Once.", id="1"), Spoken("Grace", "Twice.", id="2")))
    await world.do(said)
    await world.do(ErasePerson(await world.person(NAME)))
    head = await world.log.head()
    assert [chunk["recorded"] for chunk in (await world.result(said))["chunks"]] == [False, False]
    assert await world.log.head() == head
