"""proto/ is the schema authority: an event class and its message say the same, in both directions."""

import pkgutil
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
import rfc8785
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, inspect

import domain
from domain import canonical
from domain.events import REGISTRY, Event, Personal, Recorded

PROTO: Final = Path(__file__).parents[2] / "proto"
OPTIONS: Final = import_module("stele.options.v1.options_pb2")


def _files() -> list[FileDescriptor]:
    """Every .proto file, through its generated module."""
    paths = sorted(path.relative_to(PROTO).with_suffix("") for path in PROTO.glob("stele/**/*.proto"))
    return [import_module(f"{'.'.join(path.parts)}_pb2").DESCRIPTOR for path in paths]


def _classes() -> dict[str, type[Event]]:
    """Every event class of domain/, by its full name. Classes that other tests register do not count."""
    for module in pkgutil.iter_modules(domain.__path__):
        import_module(f"domain.{module.name}")
    return {name: cls for name, cls in REGISTRY.items() if cls.__module__.startswith("domain.")}


def _proto(descriptor: Descriptor) -> DescriptorProto:
    proto = DescriptorProto()
    descriptor.CopyToProto(proto)
    return proto


MESSAGES: Final = {message.full_name: message for file in _files() for message in file.message_types_by_name.values()}
EVENTS: Final = {
    name: message for name, message in MESSAGES.items() if _proto(message).options.Extensions[OPTIONS.event]
}
CLASSES: Final = _classes()


# --- what a field is, told by either side ------------------------------------------------------


class Shape(Struct, frozen=True):
    """What the class and the message have to say alike about a field."""

    kind: str
    label: str = "one"
    """one, optional or repeated."""
    personal: bool = False


_DECLARED: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "string",
    inspect.UUIDType: "string",
    inspect.IntType: "integer",
    inspect.BoolType: "bool",
    inspect.BytesType: "bytes",
    inspect.DateTimeType: ".google.protobuf.Timestamp",
}
_DESCRIBED: Final[dict[int, str]] = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_INT32: "integer",
    FieldDescriptorProto.TYPE_INT64: "integer",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
}


def declared(type_: inspect.Type) -> Shape:
    """The shape of a Python field. A type without a rule gets a shape that no message has."""
    match type_:
        case inspect.Metadata(type=inner, extra=extra):
            return msgspec.structs.replace(declared(inner), personal=bool((extra or {}).get("personal")))
        case inspect.UnionType(types=(inner, inspect.NoneType())):
            return _labelled(declared(inner), "optional")
        case inspect.VarTupleType(item_type=item):
            return _labelled(declared(item), "repeated")
    return Shape(_DECLARED.get(type(type_), f"{type_} has no rule"))


def _labelled(inner: Shape, label: str) -> Shape:
    return msgspec.structs.replace(inner, label=label if inner.label == "one" else f"{label} {inner.label}")


def described(field: FieldDescriptorProto) -> Shape:
    """The shape of a message's field."""
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return Shape(
        kind=_DESCRIBED.get(field.type) or field.type_name or f"type {field.type} has no rule",
        label="repeated" if repeated else "optional" if field.proto3_optional else "one",
        personal=field.options.Extensions[OPTIONS.personal],
    )


def differences(cls: type[Struct], descriptor: Descriptor) -> list[str]:
    """Where the class and the message say different things, one sentence each."""
    here = {field.encode_name: declared(field.type) for field in _fields(cls)}
    there = {field.name: described(field) for field in sorted(_proto(descriptor).field, key=lambda field: field.number)}
    found = [f"{name} is not in the message" for name in here if name not in there]
    found += [f"{name} is not in the class" for name in there if name not in here]
    if not found and list(here) != list(there):
        found.append(f"the class has the order {list(here)}, the numbers have {list(there)}")
    for name in here:
        if name in there and here[name] != there[name]:
            found.append(f"{name} is {here[name]} in the class and {there[name]} in the message")
    return found


def _fields(cls: type[Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info.fields


# --- the two sides agree -----------------------------------------------------------------------


def test_every_event_message_has_a_class_and_every_class_a_message() -> None:
    assert CLASSES, "no event class was found"
    assert EVENTS.keys() == CLASSES.keys()


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_class_and_message_have_the_same_fields(name: str) -> None:
    """Names, order, types, optional, repeated and personal."""
    assert differences(CLASSES[name], EVENTS[name]) == []


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_field_that_bytes_may_leave_out_is_absent_for_proto_too(name: str) -> None:
    """Canonical bytes leave defaults out, and an absent field means None or an empty list to proto3, nothing else."""
    for field in _fields(CLASSES[name]):
        label = declared(field.type).label
        absent = {"optional": None, "repeated": ()}.get(label, msgspec.NODEFAULT)
        assert field.default_factory is msgspec.NODEFAULT, field.name
        assert field.default == absent or (field.required and label == "repeated"), field.name


def test_the_envelope_holds_what_a_recorded_event_holds() -> None:
    assert differences(Recorded, MESSAGES["stele.log.v1.Envelope"]) == []


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_field_numbers_ascend_from_1_and_every_gap_is_reserved(name: str) -> None:
    """A number is never used twice: what is gone stays reserved, what is new comes last."""
    proto = _proto(MESSAGES[name])
    numbers = [field.number for field in proto.field]
    reserved = {number for span in proto.reserved_range for number in range(span.start, span.end)}
    assert numbers == sorted(numbers)
    assert set(range(1, max(numbers, default=0) + 1)) <= reserved | set(numbers)


# --- the checker sees what it is for -----------------------------------------------------------

FAILED: Final[dict[str, tuple[Any, ...]]] = {
    "action_id": (UUID,),
    "space_id": (UUID,),
    "code": (str,),
    "detail": (Personal,),
    "attempt_id": (UUID | None, None),
}
"""The fields of ActionFailed, to plant mismatches in."""


def _planted(fields: dict[str, tuple[Any, ...]]) -> list[str]:
    cls = msgspec.defstruct("ActionFailed", [(name, *rest) for name, rest in fields.items()])
    return differences(cls, EVENTS["stele.actions.v1.ActionFailed"])


def test_the_planted_class_is_sound_before_anything_is_planted() -> None:
    assert _planted(FAILED) == []


@pytest.mark.parametrize("name", FAILED)
def test_a_missing_field_is_found(name: str) -> None:
    assert _planted({other: FAILED[other] for other in FAILED if other != name}) == [f"{name} is not in the class"]


def test_an_extra_field_is_found() -> None:
    assert _planted({**FAILED, "severity": (str | None, None)}) == ["severity is not in the message"]


def test_a_misnamed_field_is_found_on_both_sides() -> None:
    renamed = {("reason" if name == "detail" else name): rest for name, rest in FAILED.items()}
    assert _planted(renamed) == ["reason is not in the message", "detail is not in the class"]


def test_swapped_fields_are_found_even_when_their_types_are_alike() -> None:
    swapped = {name: FAILED[name] for name in ("space_id", "action_id", "code", "detail", "attempt_id")}
    [difference] = _planted(swapped)
    assert difference.startswith("the class has the order ['space_id', 'action_id'")


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("code", int),
        ("code", Personal),
        ("code", str | None),
        ("code", tuple[str, ...]),
        ("code", float),
        ("detail", str),
        ("attempt_id", UUID),
        ("attempt_id", tuple[UUID, ...] | None),
    ],
    ids=str,
)
def test_another_type_is_found(name: str, planted: Any) -> None:
    """Another kind, personal on one side only, optional or repeated on one side only, a type that proto has not."""
    fields = {other: rest[:1] for other, rest in FAILED.items()}
    [difference] = _planted({**fields, name: (planted,)})
    assert difference.startswith(f"{name} is Shape(")


# --- generated instances cross the wire unchanged ----------------------------------------------

# No clock decides here: the first example alone loads Unicode tables and builds message classes.
_unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

_TEXT: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
_TIMES: Final = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))]),
)
"""A day from either end of proto's years, so that the zone cannot carry a time past it."""


def _values(type_: inspect.Type, integer_max: int) -> st.SearchStrategy[Any]:
    match type_:
        case inspect.Metadata(type=inner):
            return _values(inner, integer_max)
        case inspect.UnionType(types=types):
            return st.one_of([_values(each, integer_max) for each in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(_values(item, integer_max), max_size=5).map(tuple)
        case inspect.IntType():
            return st.integers(-integer_max, integer_max)
    simple: dict[type[inspect.Type], st.SearchStrategy[Any]] = {
        inspect.NoneType: st.none(),
        inspect.StrType: _TEXT,
        inspect.UUIDType: st.uuids(),
        inspect.BoolType: st.booleans(),
        inspect.DateTimeType: _TIMES,
    }
    return simple[type(type_)]


def _instances(name: str) -> st.SearchStrategy[Event]:
    """Any event of this name. Integers keep to the message's width and to what canonical JSON allows."""
    types = {field.name: field.type for field in _proto(EVENTS[name]).field}
    widths = {FieldDescriptorProto.TYPE_INT32: 2**31 - 1}
    return st.builds(
        CLASSES[name],
        **{
            field.name: _values(field.type, widths.get(types[field.encode_name], canonical.INTEGER_MAX))
            for field in _fields(CLASSES[name])
        },
    )


@pytest.mark.parametrize("name", sorted(CLASSES))
@_unhurried
@given(data=st.data())
def test_an_event_is_equal_after_the_way_through_its_message(name: str, data: st.DataObject) -> None:
    """Canonical bytes, message, binary, message, JSON, event. Proto writes 64-bit integers as strings."""
    event = data.draw(_instances(name))
    message = message_factory.GetMessageClass(EVENTS[name])()
    json_format.Parse(canonical.encode(event), message)
    arrived = type(message).FromString(message.SerializeToString())
    text = json_format.MessageToJson(
        arrived, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert msgspec.json.decode(text, type=CLASSES[name], strict=False) == event


@pytest.mark.parametrize("name", sorted(CLASSES))
@_unhurried
@given(data=st.data())
def test_canonical_bytes_are_those_of_rfc_8785(name: str, data: st.DataObject) -> None:
    event = data.draw(_instances(name))
    assert canonical.encode(event) == rfc8785.dumps(msgspec.to_builtins(event))
