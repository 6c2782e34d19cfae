"""Events of earlier schema versions are read by chained steps; a broken chain is found before anything is read."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.vault.cipher import Cipher
from domain import personal, upcasts
from domain.events import REGISTRY, Recorded, UnknownEvent, decode, schema_versions
from domain.upcasts import UPCASTS, UpcastFailed, UpcastsBroken
from tests.corpus.earlier import NEW, OLD, NoteTaken, evolved
from tests.keys import memory_vault
from tests.unit.world import AGENT, START, World

A, B, C = "stele.test.v1.A", "stele.test.v1.B", "stele.test.v1.C"
NOTE = UUID(int=7)
SEALED = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"


@pytest.fixture
def steps() -> Iterator[None]:
    """Steps that a test registers are gone afterwards."""
    before = dict(UPCASTS)
    UPCASTS.clear()
    yield
    UPCASTS.clear()
    UPCASTS.update(before)


def same(data: dict[str, Any]) -> dict[str, Any]:
    return data


def register(*steps: tuple[str, int] | tuple[str, int, str]) -> None:
    for type_, version, *renamed_to in steps:
        upcasts.upcasts(type_, version, renamed_to=renamed_to[0] if renamed_to else None)(same)


def _bytes(**fields: object) -> bytes:
    return msgspec.json.encode({"note_id": NOTE} | fields)


# --- reading ------------------------------------------------------------------------------------


def test_every_version_of_an_event_is_read_as_the_present_one() -> None:
    with evolved():
        expected = NoteTaken(NOTE, "Ada", "Wood.", ("remark",))
        assert decode(OLD, 1, _bytes(who="Ada", words="Wood.")) == expected
        assert decode(OLD, 2, _bytes(who="Ada", text="Wood.")) == expected
        assert decode(OLD, 3, _bytes(who="Ada", text="Wood.", said_at=None)) == expected
        assert decode(NEW, 4, _bytes(author="Ada", text="Wood.", tags=["remark"])) == expected


@pytest.mark.parametrize(("type_", "version"), [(OLD, 0), (OLD, 4), (OLD, 5), (NEW, 3), (NEW, 5), ("stele.x.v1.Y", 1)])
def test_a_version_that_no_step_leads_from_is_unknown(type_: str, version: int) -> None:
    with evolved(), pytest.raises(UnknownEvent, match=f"{type_} has schema version {version}; this release"):
        decode(type_, version, _bytes(author="Ada", text="Wood.", tags=[]))


@pytest.mark.parametrize(
    "fields",
    [
        {"who": "Ada", "words": "Wood.", "more": 1},
        {"who": "Ada", "words": 1},
        {"who": "Ada"},
        {"who": "Ada", "words": "Wood.", "note_id": "?"},
    ],
    ids=["unknown field", "wrong type", "missing field", "wrong id"],
)
def test_what_the_steps_leave_is_read_as_strictly_as_what_is_stored(fields: dict[str, object]) -> None:
    with evolved(), pytest.raises(msgspec.ValidationError):
        decode(OLD, 1, _bytes(**fields))


def test_a_step_that_fails_names_its_event(steps: None) -> None:
    with evolved():
        del UPCASTS[OLD, 1]
        upcasts.upcasts(OLD, 1)(lambda data: {"text": data["nothing"]})
        with pytest.raises(UpcastFailed, match=rf"the step from {OLD} schema version 1: KeyError\('nothing'\)"):
            decode(OLD, 1, _bytes(who="Ada", words="Wood."))


def test_I9_steps_move_and_rename_sealed_fields_and_leave_them_sealed() -> None:
    with evolved():
        assert decode(OLD, 1, _bytes(who=SEALED, words=SEALED[::-1])) == NoteTaken(
            NOTE, SEALED, SEALED[::-1], ("remark",)
        )


# --- checks -------------------------------------------------------------------------------------


def test_the_steps_of_this_release_are_whole() -> None:
    import domain.contexts  # noqa: F401

    upcasts.check(schema_versions())


def test_a_whole_chain_passes(steps: None) -> None:
    register((A, 1), (A, 2), (A, 3, B), (B, 4))
    upcasts.check({B: 5, C: 1})


@pytest.mark.parametrize(
    ("chain", "versions", "problem"),
    [
        ([], {A: 2}, f"no step leads from {A} schema version 1"),
        ([(A, 2)], {A: 3}, f"no step leads from {A} schema version 1"),
        ([(A, 1), (A, 3)], {A: 4}, f"no step leads from {A} schema version 2"),
        ([(A, 1)], {A: 3}, f"no step leads from {A} schema version 2"),
        ([(A, 1, B)], {B: 3}, f"no step leads from {B} schema version 2"),
        ([(A, 2, B)], {B: 3}, f"no step leads from {A} schema version 1"),
        ([(A, 3, B), (A, 1), (A, 2), (B, 2)], {B: 4}, f"no step leads from {B} schema version 1"),
        ([(A, 1)], {A: 1}, f"{A} schema version 1 has a step and is the present one or newer"),
        ([(A, 1), (A, 2), (A, 3)], {A: 2}, f"{A} schema version 3 has a step and is the present one or newer"),
        ([(A, 0), (A, 1)], {A: 2}, f"{A} schema version 0 has a step and is none of 1 to 1"),
        ([(A, 1)], {}, f"the step from {A} schema version 1 leads to {A}, which has no class"),
        ([(A, 1, B)], {C: 1}, f"the step from {A} schema version 1 leads to {B}, which has no class"),
        ([(A, 1, B)], {B: 1}, f"the step from {A} schema version 1 leads beyond {B} schema version 1"),
        ([(A, 1, B)], {A: 2, B: 2}, f"{A} is renamed at schema version 1 and goes on under its old name as well"),
        ([(A, 1, B), (A, 2)], {B: 2}, f"{A} is renamed at schema version 1 and goes on under its old name as well"),
    ],
)
def test_a_broken_chain_is_named(steps: None, chain: Any, versions: dict[str, int], problem: str) -> None:
    register(*chain)
    with pytest.raises(UpcastsBroken) as broken:
        upcasts.check(versions)
    assert problem in str(broken.value).split("; ")


def test_a_second_step_from_the_same_version_is_refused_when_it_is_registered(steps: None) -> None:
    register((A, 1))
    with pytest.raises(ValueError, match=f"two steps lead from schema version 1 of {A}"):
        register((A, 1, B))


def test_every_gap_is_named_at_once(steps: None) -> None:
    register((A, 2))
    with pytest.raises(UpcastsBroken) as broken:
        upcasts.check({A: 4, B: 2})
    assert len(str(broken.value).split("; ")) == 3


# --- names, and what a log holds -----------------------------------------------------------------


def test_a_renamed_event_is_known_by_all_its_names() -> None:
    with evolved():
        assert upcasts.names(NEW) == [NEW, OLD]
        assert (upcasts.present_name(OLD), upcasts.present_name(NEW)) == (NEW, NEW)
    assert upcasts.names(NEW) == [NEW]
    assert upcasts.present_name(OLD) == OLD


def test_what_a_release_cannot_read_of_a_log_is_named_with_its_first_position() -> None:
    with evolved():
        versions = schema_versions()
        assert REGISTRY.keys() == versions.keys()
        readable = [(OLD, 1, 1), (OLD, 2, 5), (OLD, 3, 6), (NEW, 4, 7)]
        assert upcasts.unreadable(readable, versions) == []
        assert upcasts.unreadable([*readable, (OLD, 4, 8), (NEW, 5, 9), (A, 1, 10)], versions) == [
            f"{OLD} schema version 4 (first at position 8)",
            f"{NEW} schema version 5 (first at position 9)",
            f"{A} schema version 1 (first at position 10)",
        ]


async def test_I9_what_was_sealed_under_an_old_name_is_opened_under_the_present_one() -> None:
    world, person = World(), UUID(int=9)
    await world.know(person)
    cipher, bound_to = Cipher({person: bytes(32)}), personal.associated_data(AGENT, NOTE, 1)
    data = _bytes(who=cipher.seal("Ada", bound_to), words=cipher.seal("Wood.", bound_to))
    event = Recorded(1, NOTE, AGENT, NOTE, 1, OLD, 1, data, START, START, "test", None, NOTE, None, (person,))
    with evolved():
        assert isinstance(event.payload, NoteTaken)
        assert event.payload.text not in ("", "Wood.")
        [opened] = await world.vault.open([event])
        assert opened.payload == NoteTaken(NOTE, "Ada", "Wood.", ("remark",))
        world.log.keys.clear()
        [erased] = await memory_vault(world.log).open([event])
        assert erased.payload == NoteTaken(NOTE, personal.ERASED, personal.ERASED, ("remark",))
