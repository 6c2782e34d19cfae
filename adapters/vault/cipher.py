"""The cipher for personal fields: AES-256-GCM (NIST SP 800-38D), a random 96-bit nonce before the ciphertext, the whole
as base64url without padding. What concerns several persons is sealed by a key made of all theirs (HKDF-SHA256,
RFC 5869), so that it cannot be read any more when one of them is erased.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain import personal
from domain.events import Event

_NONCE_BYTES = 12


class Cipher:
    """For one set of persons."""

    def __init__(self, keys: Mapping[UUID, bytes]) -> None:
        self._cipher = AESGCM(_together([keys[subject] for subject in sorted(keys)]))

    def seal(self, text: str, bound_to: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), bound_to)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, bound_to: bytes) -> str:
        """Raises ValueError for anything that `seal` did not make with these keys and bound to this."""
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to).decode()
        except InvalidTag as error:
            raise ValueError("not sealed with these keys") from error


def cipher_of(keys: Mapping[UUID, bytes | None]) -> Cipher | None:
    """The cipher of these persons; None when a key of them is gone."""
    there = {subject: key for subject, key in keys.items() if key is not None}
    return Cipher(there) if len(there) == len(keys) else None


def opened(payload: Event, cipher: Cipher | None, bound_to: bytes) -> dict[str, str]:
    """The personal fields of an event in plain text, or ERASED without a cipher. Raises ValueError as Cipher.open."""
    sealed = personal.values(payload)
    if cipher is None:
        return dict.fromkeys(sealed, personal.ERASED)
    return {name: cipher.open(text, bound_to) for name, text in sealed.items()}


def _together(keys: list[bytes]) -> bytes:
    if len(keys) == 1:
        return keys[0]
    return HKDF(SHA256(), 32, salt=None, info=b"stele.subjects.v1").derive(b"".join(keys))


def pseudonym(key: bytes, name: str) -> UUID:
    """A UUIDv8 (RFC 9562) of HMAC-SHA256: nobody without the key can try out names."""
    digest = hmac.digest(key, b"stele.pseudonym.v1" + name.encode(), hashlib.sha256)
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | 8 << 76
    return UUID(int=number & ~(0x3 << 62) | 2 << 62)
