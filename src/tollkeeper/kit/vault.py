"""Secrets at rest: seals them with AES-256-GCM, bound to the row that holds them, and derives keys from the pepper."""

from __future__ import annotations

import hmac
import secrets

from tollkeeper.kit.secrets import PEPPER_BYTES

KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_NAME_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = len(_VERSION) + _KEY_NAME_BYTES


class BrokenSealError(Exception):
    """A sealed value cannot be opened: another master, another binding, or it was changed. Nothing says which."""


class Vault:
    """Seals and opens with keys derived from `master`, the installation's pepper; `previous` masters only open.

    A sealed value is: version (1 byte), name of the key (8), nonce (12), ciphertext, tag (16). The version, the name and
    the binding are authenticated with it. Random nonces are good for 2^32 values under one master (NIST SP 800-38D §8.3,
    https://csrc.nist.gov/pubs/sp/800/38/d/final, 2026-11-22), far more than there will ever be provider keys.
    """

    __slots__ = ("_current", "_keys")

    def __init__(self, master: bytes, *, previous: tuple[bytes, ...] = ()) -> None:
        named = [(_key_name(each), derive(each, "seal")) for each in (master, *previous)]
        self._current = named[0][0]
        self._keys = dict(reversed(named))

    def seal(self, plaintext: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        """Return the sealed value; only the same `bound_to` opens it.

        `bound_to` says what the value is and whose: `("provider_credential", organization id, its own id)`. A row
        copied to another organization or id cannot be opened there.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # memory that a start without secrets saves

        header = _VERSION + self._current
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, plaintext, header + _binding(bound_to))
        return header + nonce + sealed

    def open(self, sealed: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        """Return the plaintext.

        Raises:
            BrokenSealError: it was sealed under a master that is not here or for another binding, or was changed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        key = self._keys.get(header[len(_VERSION) :])
        is_whole = len(sealed) >= _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES
        if key is None or not is_whole or not header.startswith(_VERSION):
            raise BrokenSealError
        try:
            return AESGCM(key).decrypt(nonce, sealed[_HEADER_BYTES + _NONCE_BYTES :], header + _binding(bound_to))
        except InvalidTag:
            raise BrokenSealError from None

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether the present master sealed it; what a previous one sealed is to be opened and sealed anew."""
        return sealed[:_HEADER_BYTES] == _VERSION + self._current


def derive(master: bytes, purpose: str) -> bytes:
    """Return the 32-byte key that `master` has for one purpose; keys of two purposes say nothing about each other."""
    assert len(master) == PEPPER_BYTES, "the master is the pepper, never a password"
    return _hkdf_sha256(master, salt=b"", info=b"tollkeeper 1 " + purpose.encode())


def _hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes) -> bytes:
    """HKDF with an output of one block (RFC 5869 §2, https://www.rfc-editor.org/rfc/rfc5869, 2026-11-22)."""
    extracted = hmac.digest(salt or bytes(KEY_BYTES), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _key_name(master: bytes) -> bytes:
    return derive(master, "seal key name")[:_KEY_NAME_BYTES]


def _binding(parts: tuple[str, ...]) -> bytes:
    """Encode so that no two tuples give the same bytes: the length stands before each part."""
    assert parts, "a secret belongs to something"
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
