"""Passwords are strong enough, hashed as advised, bounded in what they cost, and tell nothing by time."""

from __future__ import annotations

import asyncio
import threading
import unicodedata

import argon2
import pytest

from tollkeeper.domain.errors import InvalidRequest, Overloaded
from tollkeeper.identity import passwords
from tollkeeper.identity.passwords import PasswordHasher

GOOD = "six blue umbrellas"
HANGUL = "한글비밀번호는좋아요"


def test_password_verifies_against_its_own_hash_only() -> None:
    stored = passwords.hash_password(GOOD)
    assert passwords.verify_password(stored, GOOD)
    assert not passwords.verify_password(stored, GOOD + " ")
    assert not passwords.verify_password(stored, GOOD.title())
    assert not passwords.verify_password(stored, "")
    assert passwords.hash_password(GOOD) != stored


def test_hash_has_the_advised_parameters() -> None:
    stored = passwords.hash_password(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert GOOD not in stored
    assert not passwords.needs_rehash(stored)


@pytest.mark.parametrize("other", [{"memory_cost": 8_192}, {"time_cost": 1}, {"parallelism": 2}])
def test_hash_with_other_parameters_verifies_and_is_to_be_made_anew(other: dict[str, int]) -> None:
    stored = argon2.PasswordHasher(**{"time_cost": 2, "memory_cost": 19_456, "parallelism": 1, **other}).hash(GOOD)
    assert passwords.verify_password(stored, GOOD)
    assert passwords.needs_rehash(stored)


def test_what_is_no_hash_is_a_fault_and_no_wrong_password() -> None:
    with pytest.raises(argon2.exceptions.InvalidHashError) as raised:
        passwords.verify_password("plain text", GOOD)
    assert "plain text" not in str(raised.value)


def test_the_same_letters_are_the_same_password_however_they_are_composed() -> None:
    stored = passwords.hash_password(unicodedata.normalize("NFD", HANGUL))
    assert passwords.verify_password(stored, HANGUL)
    assert passwords.verify_password(passwords.hash_password("six\u00a0blue\u3000umbrellas"), GOOD)


def test_different_letters_that_look_alike_are_different_passwords() -> None:
    stored = passwords.hash_password("wide letters ABC")
    assert not passwords.verify_password(stored, "wide letters ＡＢＣ")
    assert not passwords.verify_password(passwords.hash_password("oﬃce umbrellas"), "office umbrellas")


@pytest.mark.parametrize("text", ["x" * 1_025, "한" * 342, "u\u0308\u0304" * 342, "\ud800 half of a pair"])
def test_what_cannot_be_a_password_is_never_hashed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hash_password(GOOD)
    monkeypatch.setattr(passwords, "_argon2id", lambda: pytest.fail("hashed"))
    assert not passwords.verify_password(stored, text)
    assert not passwords.verify_absent(text)
    with pytest.raises(InvalidRequest):
        passwords.hash_password(text)


@pytest.mark.parametrize(
    "text", [GOOD, "x" * 256, HANGUL, unicodedata.normalize("NFD", HANGUL), "한" * 256, "1234567890ab"]
)
def test_good_password_is_accepted(text: str) -> None:
    passwords.check_password_strength(text, email="kim@example.com")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "at least 10"),
        ("nine char", "at least 10"),
        (unicodedata.normalize("NFD", "한글비밀번호는"), "at least 10"),
        ("x" * 257, "at most 256"),
        ("🙂" * 257, "at most 1024 bytes"),
        ("x" * 100_000, "at most 1024 bytes"),
        ("\ud800 half of a pair", "valid Unicode"),
        ("with a\ttab inside", "control"),
        ("with a \0 inside", "control"),
        ("kim@example.com", "e-mail"),
        ("KIM.HANA.12@EXAMPLE.com", "e-mail"),
        ("kim.hana.12", "e-mail"),
        ("Password123", "commonest"),
        ("1Q2W3E4R5T", "commonest"),
        ("tollkeeper", "commonest"),
    ],
)
def test_weak_password_is_refused_with_its_reason(text: str, reason: str) -> None:
    email = "kim.hana.12@example.com" if "hana" in text.lower() else "kim@example.com"
    with pytest.raises(InvalidRequest, match=reason) as raised:
        passwords.check_password_strength(text, email=email)
    assert raised.value.param == "password"
    assert len(text) < 10 or text not in str(raised.value)


def test_list_of_the_commonest_holds_only_what_length_lets_through() -> None:
    assert [each for each in passwords._COMMONEST if len(each) < 10 or each != each.casefold()] == []


def test_unknown_account_costs_what_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = passwords.hash_password(GOOD)
    work: list[argon2.Parameters] = []
    real_hash, real_verify = argon2.PasswordHasher.hash, argon2.PasswordHasher.verify

    def counted_hash(self, password, **more):
        work.append(self._parameters)
        return real_hash(self, password, **more)

    def counted_verify(self, hashed, password):
        work.append(argon2.extract_parameters(hashed))
        return real_verify(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "hash", counted_hash)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted_verify)
    assert not passwords.verify_password(stored, "wrong password")
    assert not passwords.verify_absent("wrong password")
    known, unknown = work
    assert known == unknown


async def test_hasher_does_the_same_off_the_loop() -> None:
    hasher = PasswordHasher()
    try:
        stored = await hasher.hash(GOOD)
        assert await hasher.verify(stored, GOOD)
        assert not await hasher.verify(stored, "wrong password")
        assert not await hasher.verify_absent(GOOD)
    finally:
        hasher.close()


class _Blocked:
    """Stands for verifications that take as long as a test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.threads: set[str] = set()
        self.running = self.most = self.begun = 0
        self.lock = threading.Lock()
        monkeypatch.setattr(passwords, "verify_absent", self)

    def __call__(self, text: str) -> bool:
        with self.lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self.threads.add(threading.current_thread().name)
        self.go.wait(10)
        with self.lock:
            self.running -= 1
        return False


async def test_two_at_a_time_even_when_requests_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = _Blocked(monkeypatch)
    hasher = PasswordHasher()
    try:
        first = [asyncio.ensure_future(hasher.verify_absent(GOOD)) for _ in range(2)]
        while blocked.begun < 2:
            await asyncio.sleep(0.005)
        for each in first:
            each.cancel()
        await asyncio.gather(*first, return_exceptions=True)
        rest = [asyncio.ensure_future(hasher.verify_absent(GOOD)) for _ in range(6)]
        await asyncio.sleep(0.05)
        assert blocked.begun == 2  # the cancelled ones still work, so nobody else does
        blocked.go.set()
        await asyncio.gather(*rest)
        assert (blocked.begun, blocked.most) == (8, 2)
        assert threading.current_thread().name not in blocked.threads
    finally:
        blocked.go.set()
        hasher.close()


async def test_more_waiting_than_can_be_served_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = _Blocked(monkeypatch)
    hasher = PasswordHasher(at_once_max=1, waiting_max=2)
    try:
        present = [asyncio.ensure_future(hasher.verify_absent(GOOD)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await hasher.verify_absent(GOOD)
        blocked.go.set()
        assert await asyncio.gather(*present) == [False] * 3
        assert not await hasher.verify_absent(GOOD)
    finally:
        blocked.go.set()
        hasher.close()
