"""Logs that earlier versions wrote fold to what they folded to then. `python -m tests.corpus.record` adds one."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from uuid import UUID

import pytest

from adapters.vault.master import MasterKeys
from domain.canonical import sha256_hex
from domain.spaces import CreateSpace
from domain.transcripts import RecordTranscript, Spoken
from tests.corpus.corpus import LOGS, Digests, folded, read_digests, read_log, write_keys, write_log
from tests.corpus.earlier import NoteTaken, evolved, folded_chain
from tests.corpus.record import rewrapped
from tests.keys import MASTER
from tests.unit.world import World

PINNED = {
    "0.1.0.jsonl": "3eabd3bb5b6df48305bc4e7390787808ca5ba74924091f21293679714d81b6d4",
    "chain.jsonl": "c817499d165cb8b6cea30517dd9653112854be996e1e661e7303f3c3b7cdec69",
}
"""SHA-256 of every log: what is in the corpus never changes."""
RELEASES = sorted(name.removesuffix(".jsonl") for name in PINNED.keys() - {"chain.jsonl"})


def test_no_log_of_the_corpus_has_changed() -> None:
    assert {file.name: sha256_hex(file.read_bytes()) for file in LOGS.glob("*.jsonl")} == PINNED


@pytest.mark.parametrize("release", RELEASES)
def test_I4_a_log_of_an_earlier_release_folds_to_what_it_folded_to_then(release: str) -> None:
    _compare(folded(read_log(LOGS / f"{release}.jsonl")), release)


def test_I4_a_log_of_earlier_schema_versions_folds_by_its_steps() -> None:
    with evolved():
        _compare(folded_chain(read_log(LOGS / "chain.jsonl")), "chain")


@pytest.mark.parametrize("release", [*RELEASES, "chain"])
def test_every_event_of_the_corpus_is_read(release: str) -> None:
    known: AbstractContextManager[None] = evolved() if release == "chain" else nullcontext()
    with known:
        events = read_log(LOGS / f"{release}.jsonl")
        assert [event.position for event in events] == list(range(1, len(events) + 1))
        assert all(event.payload for event in events)


def test_a_fold_that_comes_to_something_else_is_found_out() -> None:
    with evolved():
        events = read_log(LOGS / "chain.jsonl")
        with pytest.raises(AssertionError):
            _compare(folded_chain(events[:-1]), "chain")


def _compare(found: Digests, name: str) -> None:
    recorded = read_digests(LOGS / f"{name}.json")
    missing = found.keys() - recorded.keys()
    assert not missing, "a version without digests; look at what it folds to and run: python -m tests.corpus.record"
    assert found == {fold: recorded[fold] for fold in found}


def test_I9_a_log_with_sealed_fields_is_kept_with_its_keys_and_opened_again(tmp_path: Path) -> None:
    world = World()
    asyncio.run(_say(world, "We keep the wooden case."))
    sealed = asyncio.run(world.log.read(0, 100))
    write_log(tmp_path / "log.jsonl", sealed)
    kept = [(agent, key) for (agent, _), key in world.log.keys.items()]
    write_keys(tmp_path / "log.keys.json", rewrapped(kept, MasterKeys(lambda: MASTER)))
    assert b"wooden" not in (tmp_path / "log.jsonl").read_bytes()
    opened = read_log(tmp_path / "log.jsonl")
    assert opened == sealed
    assert folded(opened) == folded(list(asyncio.run(world.vault.open(sealed))))
    assert "wooden" in str([event.payload for event in opened])
    with pytest.raises(FileExistsError):
        write_log(tmp_path / "log.jsonl", sealed)


async def _say(world: World, text: str) -> None:
    made = await world.result(CreateSpace("room"))
    await world.do(RecordTranscript(UUID(made["space_id"]), (Spoken("Ada", text),)))


def test_a_chain_of_steps_says_what_was_said() -> None:
    with evolved():
        notes = [event.payload for event in read_log(LOGS / "chain.jsonl")]
    assert [(note.author, note.text, note.tags) for note in notes if isinstance(note, NoteTaken)] == [
        ("Zoë", "The case is wooden. 👍", ("remark",)),
        ("Ada", "", ("remark",)),
        ("Zoë", "No: plastic.", ("remark",)),
        ("שלום", '\u2028 "quoted" \\ \u0007', ("remark",)),
        ("Ada", "With a time.", ("remark",)),
        ("Ada", "With a time that nobody knows.", ("remark",)),
        ("Zoë", "Wood after all.", ("case", "decision")),
        ("Eve", "New from the start.", ()),
        ("Ada", "An older release was still writing.", ("remark",)),
    ]
