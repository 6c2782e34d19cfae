"""Implements domain.ports.Vault on a store of wrapped keys."""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from adapters.vault.cipher import Cipher, cipher_of, opened, pseudonym
from adapters.vault.master import KEY_BYTES, MasterKeyError, MasterKeys
from domain import personal
from domain.events import Event, NewEvent, Recorded, UnknownEvent, decode
from domain.limits import PERSON_KEY_SECONDS_MAX, PERSON_KEYS_CACHED_MAX
from domain.ports import KeyStore, Sealed, WrappedKey
from domain.refusals import Refusal

_Name = tuple[UUID, UUID]
"""Agent and subject."""


class _Known(Struct, frozen=True):
    """A key as it was when it was read; None: there was none."""

    key: bytes | None
    cipher: Cipher | None
    read_at: float


class KeyVault:
    """Keys are kept for seconds, so that an erasure is everywhere within them."""

    def __init__(self, store: KeyStore, master: MasterKeys) -> None:
        self._store = store
        self._master = master
        self._known: OrderedDict[_Name, _Known] = OrderedDict()
        self._reading = asyncio.Lock()

    async def seal(self, agent_id: UUID, events: Sequence[NewEvent]) -> Sealed:
        made = {event.stream_id: os.urandom(KEY_BYTES) for event in events if event.payload.subject_key == "made"}
        wanted = {(agent_id, subject) for event in events for subject in event.subjects if subject not in made}
        known = await self._learn(wanted)
        ciphers: dict[tuple[UUID, ...], Cipher | None] = {}
        sealed = []
        for event in events:
            if not event.subjects:
                sealed.append(event)
                continue
            if event.subjects not in ciphers:
                ciphers[event.subjects] = _cipher(agent_id, event.subjects, known, made)
            cipher = ciphers[event.subjects]
            if cipher is None:
                self.forget(agent_id, event.subjects)
                raise Refusal(
                    "keys_unavailable", "the key of somebody it is about is not there", retry_after_seconds=1.0
                )
            sealed.append(_sealed(agent_id, event, cipher))
        new = tuple([self._wrap(agent_id, subject, key) for subject, key in made.items()])
        return Sealed(tuple(sealed), new)

    def _wrap(self, agent_id: UUID, subject_id: UUID, key: bytes) -> WrappedKey:
        try:
            return self._master.wrap(agent_id, subject_id, key)
        except MasterKeyError as error:
            raise Refusal("keys_unavailable", str(error), retry_after_seconds=2.0) from error

    async def open(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        if not any(event.subjects for event in events):
            return events
        known = await self._learn({(event.agent_id, subject) for event in events for subject in event.subjects})
        ciphers: dict[tuple[UUID, tuple[UUID, ...]], Cipher | None] = {}
        for event in events:
            if event.subjects:
                whose = (event.agent_id, event.subjects)
                if whose not in ciphers:
                    ciphers[whose] = _cipher(*whose, known, {})
                try:
                    event.open_as(_opened(event, ciphers[whose]))
                except (ValueError, UnknownEvent) as error:  # whoever looks at this one hears it, and nobody else
                    event.break_with(error)
        return events

    def forget(self, agent_id: UUID, subjects: Sequence[UUID]) -> None:
        for subject in subjects:
            self._known.pop((agent_id, subject), None)

    async def pseudonym(self, agent_id: UUID, name: str) -> UUID:
        whose = (agent_id, agent_id)
        key = (await self._learn({whose}))[whose].key
        if key is None:
            await self._store.add(agent_id, self._wrap(agent_id, agent_id, os.urandom(KEY_BYTES)))
            self._known.pop(whose, None)
            key = (await self._learn({whose}))[whose].key
        if key is None:
            raise Refusal("keys_unavailable", "the agent's key cannot be kept", retry_after_seconds=2.0)
        return pseudonym(key, name)

    async def _learn(self, wanted: set[_Name]) -> Mapping[_Name, _Known]:
        """What is wanted, read if it is not known or was read too long ago. Raises Refusal `keys_unavailable`."""
        fresh_from = time.monotonic() - PERSON_KEY_SECONDS_MAX
        learned, missing = self._look(wanted, fresh_from)
        if missing:
            async with self._reading:  # whoever waited for another one's reading may have been served by it
                learned, missing = self._look(wanted, fresh_from)
                if missing:
                    learned |= await self._read(missing)
        return learned

    def _look(self, wanted: set[_Name], fresh_from: float) -> tuple[dict[_Name, _Known], list[_Name]]:
        learned = {w: known for w in wanted if (known := self._known.get(w)) is not None and known.read_at > fresh_from}
        return learned, [w for w in wanted if w not in learned]

    async def _read(self, missing: list[_Name]) -> dict[_Name, _Known]:
        now = time.monotonic()
        found = {(agent, key.subject_id): key for agent, key in await self._store.find(missing)}
        read: dict[_Name, _Known] = {}
        for whose in missing:
            try:
                key = self._master.unwrap(whose[0], found[whose]) if whose in found else None
            except MasterKeyError as error:
                raise Refusal("keys_unavailable", str(error), retry_after_seconds=2.0) from error
            read[whose] = self._known[whose] = _Known(key, Cipher({whose[1]: key}) if key else None, now)
            self._known.move_to_end(whose)
        while len(self._known) > PERSON_KEYS_CACHED_MAX:
            self._known.popitem(last=False)
        return read


def _cipher(
    agent_id: UUID, subjects: tuple[UUID, ...], known: Mapping[_Name, _Known], made: Mapping[UUID, bytes]
) -> Cipher | None:
    """None when a key of them is gone."""
    if len(subjects) == 1 and subjects[0] not in made:
        return known[agent_id, subjects[0]].cipher
    return cipher_of({subject: made.get(subject) or known[agent_id, subject].key for subject in subjects})


def _sealed(agent_id: UUID, event: NewEvent, cipher: Cipher) -> NewEvent:
    bound_to = personal.associated_data(agent_id, event.stream_id, event.version)
    texts = {name: cipher.seal(text, bound_to) for name, text in personal.values(event.payload).items()}
    return replace(event, payload=replace(event.payload, **texts))


def _opened(event: Recorded, cipher: Cipher | None) -> Event:
    """Raises ValueError for what was not sealed with these keys."""
    payload = decode(event.type, event.schema_version, event.data)
    bound_to = personal.associated_data(event.agent_id, event.stream_id, event.version)
    return personal.opened(payload, opened(payload, cipher, bound_to))
