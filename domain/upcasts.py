"""Upcasting: how this release reads what earlier ones wrote. Events in the log are never rewritten.

A step turns the JSON object of one schema version of an event into that of the next and is written beside the event's
class. Steps are chained until the version of the class is reached. A step may also rename the event: the version counts
on under the new name, so version 3 of the old name becomes version 4 of the new one.

Steps see what was stored: text, numbers, arrays and objects, times as text, and personal fields sealed. They may move
or rename a personal field, not look into it; a personal field that they add is left out or the empty text. A seal is
therefore bound to the event and not to the name of the field that it stands in.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

Json = dict[str, Any]
"""A JSON object as msgspec decodes it."""
Step = Callable[[Json], Json]
Kind = tuple[str, int]
"""An event's type and schema version."""


class Upcast(Struct, frozen=True):
    step: Step
    to: Kind


UPCASTS: dict[Kind, Upcast] = {}


class UpcastsBroken(Exception):
    """The steps of this release do not lead from every earlier schema version to the present one."""


class UpcastFailed(ValueError):
    """A step could not take what is stored."""


def upcasts(type_: str, from_version: int, *, renamed_to: str | None = None) -> Callable[[Step], Step]:
    """Register the step from `from_version` of `type_` to the next. Raises ValueError for a second one."""

    def register(step: Step) -> Step:
        if (type_, from_version) in UPCASTS:
            raise ValueError(f"two steps lead from schema version {from_version} of {type_}")
        UPCASTS[type_, from_version] = Upcast(step, (renamed_to or type_, from_version + 1))
        return step

    return register


def current(kind: Kind) -> Kind:
    """Where the steps from `kind` lead: `kind` itself when there are none."""
    while (upcast := UPCASTS.get(kind)) is not None:
        kind = upcast.to
    return kind


def apply(kind: Kind, data: Json) -> Json:
    """The object at the end of the steps from `kind`; `data` may be changed. Raises UpcastFailed."""
    while (upcast := UPCASTS.get(kind)) is not None:
        try:
            data = upcast.step(data)
        except Exception as error:  # whatever a step raises, it says which event it was given
            raise UpcastFailed(f"the step from {kind[0]} schema version {kind[1]}: {error!r}") from error
        kind = upcast.to
    return data


def present_name(type_: str) -> str:
    """What events that were stored as `type_` are called now."""
    steps = [version for old, version in UPCASTS if old == type_]
    return current((type_, max(steps)))[0] if steps else type_


def names(type_: str) -> list[str]:
    """Every name under which the log may hold what is now an event of `type_`, the present one first."""
    return [type_, *sorted({old for old, _ in UPCASTS if old != type_ and present_name(old) == type_})]


def unreadable(kinds: Iterable[tuple[str, int, int]], versions: Mapping[str, int]) -> list[str]:
    """What a log holds that this release cannot read, a line each; empty when it can read everything.

    `kinds` are types, schema versions and first positions; `versions` are the schema versions of the release's classes.
    """
    lines = []
    for type_, version, position in kinds:
        name, reached = current((type_, version))
        if versions.get(name) != reached:
            lines.append(f"{type_} schema version {version} (first at position {position})")
    return lines


def check(versions: Mapping[str, int]) -> None:
    """Raises UpcastsBroken, naming every gap, every step from a version that is not old, and every name that is lost.

    `versions` are the schema versions of the release's classes.
    """
    problems: list[str] = []
    for type_ in sorted(versions.keys() | {type_ for type_, _ in UPCASTS}):
        problems += _gaps(type_, versions.get(type_))
    for (type_, version), upcast in sorted(UPCASTS.items(), key=lambda item: item[0]):
        problems += [f"the step from {type_} schema version {version} {what}" for what in _faults(upcast, versions)]
        if upcast.to[0] != type_ and (type_ in versions or (type_, version + 1) in UPCASTS):
            problems.append(f"{type_} is renamed at schema version {version} and goes on under its old name as well")
    if problems:
        raise UpcastsBroken("; ".join(problems))


def _gaps(type_: str, present: int | None) -> list[str]:
    """`present` is the schema version of the type's class; None for a name that was given up."""
    steps = {version for old, version in UPCASTS if old == type_}
    born = min((u.to[1] for (old, _), u in UPCASTS.items() if u.to[0] == type_ != old), default=1)
    first = 1 if any(version < born for version in steps) else born
    last = max(steps) if present is None else present - 1
    missing = [f"no step leads from {type_} schema version {v}" for v in range(first, last + 1) if v not in steps]
    wrong = [f"{type_} schema version {v} has a step and is none of {first} to {last}" for v in sorted(steps) if v < 1]
    wrong += [f"{type_} schema version {v} has a step and is the present one or newer" for v in steps if v > last]
    return missing + wrong


def _faults(upcast: Upcast, versions: Mapping[str, int]) -> list[str]:
    name, reached = upcast.to
    if name not in versions:
        return [] if upcast.to in UPCASTS else [f"leads to {name}, which has no class"]
    return [f"leads beyond {name} schema version {versions[name]}"] if reached > versions[name] else []
