"""Passwords of accounts: which are good enough, and how they are hashed and verified without starving the process."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, NoReturn, TypeVar

from tollkeeper.domain.errors import InvalidRequest, Overloaded

if TYPE_CHECKING:
    import argon2

T = TypeVar("T")

CHARACTERS_MIN = 10
CHARACTERS_MAX = 256
BYTES_MAX = 1024
"""Of UTF-8: what a hash reads is bounded although one visible character may be made of many code points."""

MEMORY_KIB = 19_456
ITERATIONS = 2
LANES = 1
"""argon2id with OWASP's minimum, for a process that also serves calls: two at a time take 38 MiB. RFC 9106's own
choices start at 64 MiB and four threads each.

Source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html and
https://www.rfc-editor.org/rfc/rfc9106#section-4, both 2026-11-22.
"""

AT_ONCE_MAX = 2
WAITING_MAX = 64

_COMMONEST_WORDS = """
    0000000000 0123456789 0987654321 1111111111 11111111111 111111111111 1029384756 1111122222 1122334455
    12121212121 1212121212 1231231231 123123123123 1234554321 123456654321 1234512345 12345678900 1234567890
    12345678901 123456789012 1234567891 12345678910 123456789a 123456789q 123456789qwerty 1234567890q 1234567890a
    1234567890qwerty 123qweasdzxc 1357924680 147258369147 1472583690 1q2w3e4r5t 1q2w3e4r5t6y 1q2w3e4r5t6y7u
    1qaz2wsx3edc 1qazxsw23edc 2222222222 3333333333 5555555555 6666666666 7777777777 8888888888 9876543210
    9999999999 a1b2c3d4e5 a123456789 aaaaaaaaaa abc1234567 abc123456789 abcd123456 abcd1234567 abcdefghij
    abcdefghijk administrator administrator1 admin123456 admin12345 basketball basketball1 bismillah123 blink182182
    butterfly1 changeme123 changemenow charlie123 chocolate1 christopher computer123 correcthorsebatterystaple
    football123 iloveyou123 iloveyou12 iloveyou1234 jordan2323 letmein123 letmein1234 liverpool1 liverpool123
    manchester minecraft123 mypassword mypassword1 p@ssw0rd12 p@ssw0rd123 p@ssword123 p@$$w0rd123 pa$$w0rd123
    passpasspass passw0rd12 passw0rd123 password00 password01 password10 password11 password12 password123
    password1234 password12345 password123456 password2024 password2025 password2026 password99 password!1
    password1! password123! password@123 passwordpassword pokemon123 princess12 princess123 q1w2e3r4t5 q1w2e3r4t5y6
    qazwsx123456 qazwsxedcrfv qweasdzxc123 qwerty1234 qwerty12345 qwerty123456 qwerty123456789 qwerty1234567890
    qwertyqwerty qwertyuiop qwertyuiop1 qwertyuiop123 qwertyuiop[] secret1234 starwars123 strongpassword sunshine123
    superman123 tollkeeper tollkeeper1 tollkeeper123 unbelievable welcome123 welcome1234 welcome12345 zaq12wsxcde
    zxcvbnm123 zxcvbnm1234 zxcvbnm12345 zxcvbnmasd
"""
_COMMONEST = frozenset(_COMMONEST_WORDS.split())


def check_password_strength(text: str, *, email: str) -> None:
    """Refuse a new password that is too short, too long or easily guessed. No rules about kinds of characters.

    Raises:
        InvalidRequest: with `param` "password"; the message does not repeat it.
    """
    prepared = _prepared(text)
    if prepared is None:
        _refuse(f"A password has at most {BYTES_MAX} bytes of valid Unicode.")
    password = prepared.decode()
    if len(password) < CHARACTERS_MIN:
        _refuse(f"A password has at least {CHARACTERS_MIN} characters.")
    if len(password) > CHARACTERS_MAX:
        _refuse(f"A password has at most {CHARACTERS_MAX} characters.")
    if any(unicodedata.category(each) == "Cc" for each in password):
        _refuse("A password has no control characters.")
    guess = password.casefold()
    if guess in {email.casefold(), email.partition("@")[0].casefold()}:
        _refuse("A password is not the e-mail address of its account.")
    if guess in _COMMONEST:
        _refuse("This is one of the commonest passwords: choose another.")


def hash_password(text: str) -> str:
    """Return an argon2id hash with its salt and parameters. Takes about 50 ms: see `PasswordHasher` for the event loop.

    Raises:
        InvalidRequest: the text is longer than any password may be, or no valid Unicode.
    """
    password = _prepared(text)
    if password is None:
        _refuse("This cannot be a password.")
    return _argon2id().hash(password)


def verify_password(stored: str, text: str) -> bool:
    """Say whether `text` is the password whose hash is stored.

    Raises:
        argon2.exceptions.InvalidHashError: what is stored is no argon2 hash: a fault of ours, not of who logs in.
    """
    from argon2.exceptions import VerifyMismatchError

    password = _prepared(text)
    if password is None:
        return False
    try:
        return _argon2id().verify(stored, password)
    except VerifyMismatchError:
        return False


def verify_absent(text: str) -> bool:
    """Say no after the work of a real verification, so that time does not tell whether an account exists."""
    password = _prepared(text)
    if password is not None:
        _argon2id().hash(password)
    return False


def needs_rehash(stored: str) -> bool:
    """Say whether a hash was made with other parameters than today's; hash anew after the next successful login."""
    return _argon2id().check_needs_rehash(stored)


class PasswordHasher:
    """The same for the event loop: two threads do the work, so that memory and processors are bounded.

    The threads are the bound because a cancelled request cannot stop its hash: a semaphore would let the next one in
    while the first still works. Make it once per process and close it.
    """

    def __init__(self, *, at_once_max: int = AT_ONCE_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._threads = ThreadPoolExecutor(at_once_max, thread_name_prefix="passwords")
        self._present_max = at_once_max + waiting_max
        self._present = 0

    async def hash(self, text: str) -> str:
        """As `hash_password`. Raises also: Overloaded."""
        return await self._run(lambda: hash_password(text))

    async def verify(self, stored: str, text: str) -> bool:
        """As `verify_password`. Raises also: Overloaded."""
        return await self._run(lambda: verify_password(stored, text))

    async def verify_absent(self, text: str) -> bool:
        """As the function of this name, in the same queue as real verifications. Raises: Overloaded."""
        return await self._run(lambda: verify_absent(text))

    def close(self) -> None:
        """Take no more work; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._present >= self._present_max:
            raise Overloaded("Too many logins at the same time: try again in a few seconds.")
        self._present += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._present -= 1


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest(message, param="password")


def _prepared(text: str) -> bytes | None:
    """Return the bytes to hash, or None for what no account can have as its password.

    That is UTF-8 after OpaqueString: every space becomes U+0020, then NFC; case and width stay. The same Hangul or
    accented letter comes composed from one system and in pieces from another, and NFC makes them one. NFKC would go
    further and make different passwords equal, such as those with wide and narrow letters.

    Source: https://www.rfc-editor.org/rfc/rfc8265#section-4.2, 2026-11-22.
    """
    if len(text) > BYTES_MAX:
        return None
    spaced = "".join(" " if unicodedata.category(each) == "Zs" else each for each in text)
    try:
        password = unicodedata.normalize("NFC", spaced).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry
        return None
    return password if len(password) <= BYTES_MAX else None


@cache
def _argon2id() -> argon2.PasswordHasher:
    import argon2

    return argon2.PasswordHasher(time_cost=ITERATIONS, memory_cost=MEMORY_KIB, parallelism=LANES)
