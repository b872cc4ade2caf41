"""Sealed secrets: what opens them, everything that must not, and the derivation against published vectors."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kit import vault
from tollkeeper.kit.vault import BrokenSealError, Vault, derive

MASTER = bytes(range(32))
OTHER = bytes(range(1, 33))
BOUND = ("provider_credential", "org_1", "cred_1")
bindings = st.lists(st.text(max_size=20), min_size=1, max_size=4).map(tuple)


@given(st.binary(max_size=300), bindings)
def test_what_was_sealed_opens_under_the_same_binding(plaintext: bytes, bound_to: tuple[str, ...]) -> None:
    sealed = Vault(MASTER).seal(plaintext, bound_to=bound_to)
    assert Vault(MASTER).open(sealed, bound_to=bound_to) == plaintext


@given(st.binary(max_size=8), bindings, bindings)
def test_another_binding_opens_nothing(plaintext: bytes, bound_to: tuple[str, ...], other: tuple[str, ...]) -> None:
    if other != bound_to:
        with pytest.raises(BrokenSealError):
            Vault(MASTER).open(Vault(MASTER).seal(plaintext, bound_to=bound_to), bound_to=other)


@pytest.mark.parametrize(
    "other",
    [
        ("provider_credential", "org_2", "cred_1"),
        ("provider_credential", "org_1", "cred_2"),
        ("webhook", "org_1", "cred_1"),
        ("provider_credential", "org_1"),
        ("provider_credential", "org_1cred_1"),
        ("provider_credential", "org_1", "cred_1", ""),
        ("", "provider_credential", "org_1", "cred_1"),
        ("provider_credentialorg_1", "", "cred_1"),
        ("provider_credential", "org_1c", "red_1"),
    ],
)
def test_a_row_swapped_to_another_place_does_not_open(other: tuple[str, ...]) -> None:
    with pytest.raises(BrokenSealError):
        Vault(MASTER).open(Vault(MASTER).seal(b"sk-secret", bound_to=BOUND), bound_to=other)


def test_every_single_changed_bit_is_refused() -> None:
    box = Vault(MASTER)
    sealed = box.seal(b"sk-secret", bound_to=BOUND)
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BrokenSealError):
            box.open(bytes(changed), bound_to=BOUND)


def test_every_cut_is_refused() -> None:
    box = Vault(MASTER)
    sealed = box.seal(b"sk-secret", bound_to=BOUND)
    for cut in [*(sealed[:end] for end in range(len(sealed))), sealed[1:], sealed + b"\0"]:
        with pytest.raises(BrokenSealError):
            box.open(cut, bound_to=BOUND)


def test_another_master_opens_nothing() -> None:
    with pytest.raises(BrokenSealError):
        Vault(OTHER).open(Vault(MASTER).seal(b"sk-secret", bound_to=BOUND), bound_to=BOUND)


def test_a_previous_master_still_opens_but_never_seals() -> None:
    old = Vault(MASTER).seal(b"sk-secret", bound_to=BOUND)
    rotated = Vault(OTHER, previous=(MASTER,))
    assert rotated.open(old, bound_to=BOUND) == b"sk-secret"
    assert not rotated.is_current(old)
    new = rotated.seal(b"sk-secret", bound_to=BOUND)
    assert rotated.is_current(new)
    assert Vault(OTHER).open(new, bound_to=BOUND) == b"sk-secret"
    with pytest.raises(BrokenSealError):
        Vault(MASTER).open(new, bound_to=BOUND)


def test_two_seals_of_one_secret_differ_and_neither_shows_it() -> None:
    box = Vault(MASTER)
    seals = {box.seal(b"sk-secret", bound_to=BOUND) for _ in range(200)}
    assert len({sealed[9:21] for sealed in seals}) == 200
    assert not any(b"sk-secret" in sealed for sealed in seals)


def test_neither_repr_nor_error_shows_a_secret() -> None:
    box = Vault(MASTER)
    assert MASTER.hex() not in repr(box)
    assert repr(derive(MASTER, "seal")) not in repr(box)
    with pytest.raises(BrokenSealError) as raised:
        box.open(box.seal(b"sk-secret", bound_to=BOUND), bound_to=("other",))
    assert str(raised.value) == ""
    assert raised.value.__cause__ is None


def test_a_master_that_is_no_pepper_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        Vault(b"password")
    with pytest.raises(AssertionError):
        Vault(MASTER).seal(b"x", bound_to=())


def test_purposes_have_keys_of_their_own() -> None:
    keys = {derive(MASTER, purpose) for purpose in ("seal", "seal key name", "audit log", "audit", "")}
    assert len(keys) == 5
    assert all(len(key) == 32 for key in keys)
    assert derive(OTHER, "seal") != derive(MASTER, "seal")


def test_sealing_uses_the_derived_key_and_never_the_master_itself() -> None:
    sealed = Vault(MASTER).seal(b"sk-secret", bound_to=("a", "bc"))
    bound = sealed[:9] + b"\0\0\0\1a\0\0\0\2bc"
    assert AESGCM(derive(MASTER, "seal")).decrypt(sealed[9:21], sealed[21:], bound) == b"sk-secret"


@pytest.mark.parametrize(
    ("secret", "salt", "info", "expected"),
    [  # the first 32 bytes of test cases 1 to 3, https://www.rfc-editor.org/rfc/rfc5869#appendix-A
        (
            "0b" * 22,
            bytes(range(13)).hex(),
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
        ),
        ("0b" * 22, "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
    ],
)
def test_derivation_is_hkdf_as_published(secret: str, salt: str, info: str, expected: str) -> None:
    arguments = {"salt": bytes.fromhex(salt), "info": bytes.fromhex(info)}
    assert vault._hkdf_sha256(bytes.fromhex(secret), **arguments).hex() == expected


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.binary(max_size=80))
def test_derivation_agrees_with_the_library(secret: bytes, salt: bytes, info: bytes) -> None:
    assert vault._hkdf_sha256(secret, salt=salt, info=info) == HKDF(SHA256(), 32, salt, info).derive(secret)


def test_the_cipher_is_aes_gcm_as_published() -> None:
    """Test case 16 of McGrew and Viega, The Galois/Counter Mode of Operation (GCM), revised 2005, appendix B."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    plaintext = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = AESGCM(key).encrypt(
        bytes.fromhex("cafebabefacedbaddecaf888"), plaintext, bytes.fromhex("feedfacedeadbeef" * 2 + "abaddad2")
    )
    assert sealed.hex() == (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )


def test_a_process_without_secrets_does_not_load_the_library() -> None:
    program = "import sys, tollkeeper.kit.vault as v; v.Vault(bytes(32)); sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
