"""Master keys: they wrap the persons' keys, and are kept outside the database, in a file or in the environment.

Written as lines (or, in the environment, separated by commas) `<id>:<32 bytes in base64url>`. The first one wraps, all
of them unwrap.
"""

import base64
import binascii
import contextlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.ports import WrappedKey

_LINE = re.compile(r"([a-z0-9][a-z0-9-]{0,31}):([A-Za-z0-9_-]{43}=?)")
_NONCE_BYTES = 12
KEY_BYTES = 32


class MasterKeyError(Exception):
    """Master keys that cannot be used, or a key that none of them unwraps. Says which, never what it is."""


class MasterKeys:
    """`load` gives the text of all keys. It is asked again before a key is wrapped, and for a master key not known."""

    def __init__(self, load: Callable[[], str]) -> None:
        self._load = load
        self._keys = self._read()

    def _read(self) -> dict[str, bytes]:
        try:
            return parse(self._load())
        except OSError as error:
            raise MasterKeyError(f"the master keys cannot be read: {error.strerror}") from error

    @property
    def current(self) -> str:
        """The id of the key that wraps."""
        return next(iter(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the wrapping one first."""
        return tuple(self._keys)

    def wrap(self, agent_id: UUID, subject_id: UUID, key: bytes) -> WrappedKey:
        self._keys = self._read()  # rare enough, and a rotation is heard of at once
        nonce = os.urandom(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self.current]).encrypt(nonce, key, _bound_to(agent_id, subject_id))
        return WrappedKey(subject_id, self.current, nonce + sealed)

    def unwrap(self, agent_id: UUID, key: WrappedKey) -> bytes:
        """Raises MasterKeyError."""
        if key.master_key_id not in self._keys:
            self._keys = self._read()
        master = self._keys.get(key.master_key_id)
        if master is None:
            raise MasterKeyError(f"master key {key.master_key_id!r} is not here; it is needed for persons' keys")
        try:
            return AESGCM(master).decrypt(
                key.wrapped[:_NONCE_BYTES], key.wrapped[_NONCE_BYTES:], _bound_to(agent_id, key.subject_id)
            )
        except InvalidTag as error:
            raise MasterKeyError(f"master key {key.master_key_id!r} is not the one that wrapped the keys") from error


def parse(text: str) -> dict[str, bytes]:
    """The keys in their order, the wrapping one first. Raises MasterKeyError."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(filter(None, re.split(r"[\s,]+", text)), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise MasterKeyError(f"master key {number} is not of the form <id>:<32 bytes in base64url>")
        if match[1] in keys:
            raise MasterKeyError(f"master key {match[1]!r} is there twice")
        try:
            keys[match[1]] = base64.urlsafe_b64decode(match[2].rstrip("=") + "=")
        except binascii.Error as error:
            raise MasterKeyError(f"master key {match[1]!r} is not base64url") from error
    if not keys:
        raise MasterKeyError("there is no master key")
    return keys


def generate() -> str:
    """A new key, as a line."""
    key = os.urandom(KEY_BYTES)
    return f"{os.urandom(4).hex()}:{base64.urlsafe_b64encode(key).decode()}"


def create_file(path: Path) -> None:
    """A file with a new key, readable by its owner alone; one that exists stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w") as file:
        file.write(generate() + "\n")
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def add_to_file(path: Path) -> str:
    """Put a new key first, in one step; returns its id. Raises MasterKeyError for a file that is not one of keys."""
    before = path.read_text()
    parse(before)
    line = generate()
    aside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(line + "\n" + before)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(path, aside)
    with contextlib.suppress(PermissionError):  # whoever rotates need not be who runs the hub
        os.chown(aside, path.stat().st_uid, path.stat().st_gid)
    aside.replace(path)
    _sync(path.parent)
    return line.partition(":")[0]


def _sync(folder: Path) -> None:
    """A new name in it is on disk: no key may be wrapped before by a master key that a power cut could take."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _bound_to(agent_id: UUID, subject_id: UUID) -> bytes:
    return b"stele.subject-key.v1" + agent_id.bytes + subject_id.bytes
