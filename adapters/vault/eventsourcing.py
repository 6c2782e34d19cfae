"""CIPHER_TOPIC=adapters.vault.eventsourcing:PersonalCipher: opens personal fields for a stock application of the
library `eventsourcing` that is given the master keys (docs/adr/0013).
"""

import math
import time
from uuid import UUID

import msgspec
import psycopg
from eventsourcing.persistence import Cipher as LibraryCipher
from eventsourcing.persistence import NotSupportedError
from eventsourcing.utils import Environment
from msgspec import Raw, Struct
from psycopg.conninfo import make_conninfo

import domain.contexts  # noqa: F401  every event of this release
from adapters.vault.cipher import cipher_of, opened
from adapters.vault.master import MasterKeys
from domain import personal
from domain.events import decode
from domain.limits import PERSON_KEY_SECONDS_MAX, PERSON_KEYS_CACHED_MAX
from domain.ports import WrappedKey


class State(Struct):
    """What the view's column `state` says that is needed to open an event."""

    agent_id: UUID
    stream_id: UUID
    version: int
    type: str
    schema_version: int
    data: Raw
    subjects: tuple[UUID, ...]


_decoder = msgspec.json.Decoder(State)


class PersonalCipher(LibraryCipher):
    """CIPHER_KEY holds the master keys, written as in STELE_MASTER_KEYS; the persons' keys come from the database of
    the library's own POSTGRES_* settings. A key is kept for seconds, so that an erasure is seen within them.
    """

    def __init__(self, environment: Environment) -> None:
        """Raises MasterKeyError."""
        self._master = MasterKeys(lambda: environment.get("CIPHER_KEY") or "")
        names = ("DBNAME", "HOST", "PORT", "USER", "PASSWORD")
        self._conninfo = make_conninfo(
            "", connect_timeout=5, **{name.lower(): environment.get(f"POSTGRES_{name}") or None for name in names}
        )
        self._known: dict[tuple[UUID, UUID], tuple[bytes | None, float]] = {}

    def decrypt(self, ciphertext: bytes) -> bytes:
        """The state with `opened` in it: its personal fields in plain text, or ERASED where a key is gone."""
        state = _decoder.decode(ciphertext)
        if not state.subjects:
            return ciphertext
        payload = decode(state.type, state.schema_version, bytes(state.data))
        cipher = cipher_of({subject: self._key(state.agent_id, subject) for subject in state.subjects})
        bound_to = personal.associated_data(state.agent_id, state.stream_id, state.version)
        texts = opened(payload, cipher, bound_to)
        return ciphertext.rstrip()[:-1] + b',"opened":' + msgspec.json.encode(texts) + b"}"

    def encrypt(self, plaintext: bytes) -> bytes:
        """Always raises NotSupportedError: the library calls it where an application appends (invariant I2)."""
        raise NotSupportedError("only Stele's runtime appends to its log (invariant I2); this application reads it")

    def _key(self, agent_id: UUID, subject: UUID) -> bytes | None:
        key, read_at = self._known.get((agent_id, subject), (None, -math.inf))
        if time.monotonic() - read_at > PERSON_KEY_SECONDS_MAX:
            key = self._read(agent_id, subject)
            if len(self._known) >= PERSON_KEYS_CACHED_MAX:
                self._known.clear()
            self._known[agent_id, subject] = (key, time.monotonic())
        return key

    def _read(self, agent_id: UUID, subject: UUID) -> bytes | None:
        with psycopg.connect(self._conninfo) as connection:
            row = connection.execute(
                "SELECT subject_id, master_key_id, wrapped FROM stele_keys.subject_keys"
                " WHERE agent_id = %s AND subject_id = %s",
                [agent_id, subject],
            ).fetchone()
        return None if row is None else self._master.unwrap(agent_id, WrappedKey(*row))
