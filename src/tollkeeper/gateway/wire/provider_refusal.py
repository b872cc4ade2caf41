"""What a provider's refusal says about another try: when it may come back, and whether the call was too long for the model."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from tollkeeper.gateway.wire.translation import Dialect

Header = tuple[bytes, bytes]
READ_BYTES_MAX = 65_536
_SECONDS = re.compile(rb"(\d{1,7})(?:\.(\d{1,6})\d*)?")
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,7})(?:\.(\d{1,6})\d*)?s"')
_TOO_LONG = {
    # developers.openai.com/api/docs/guides/error-codes; DeepSeek, vLLM and others of the dialect say it in words
    "openai": re.compile(
        r"context_length_exceeded|maximum (context|prompt) length|exceeds? the context", re.IGNORECASE
    ),
    # platform.claude.com/docs/en/build-with-claude/context-windows
    "anthropic": re.compile(r"prompt is too long|exceeds? (the )?context (limit|window)", re.IGNORECASE),
    # ai.google.dev/gemini-api/docs/tokens
    "gemini": re.compile(r"input token count .{0,40}exceeds the maximum", re.IGNORECASE),
}
_NO_CREDIT = ("Your credit balance is too low", "You have reached your specified API usage limits")
"""How Anthropic's 400 begins when it is about the account, and not about the call (read 2026-11-22)."""


class _Reason(msgspec.Struct):
    reason: str = ""


class _Detail(msgspec.Struct):
    code: str | int | None = None
    message: str = ""
    status: str = ""
    details: list[_Reason] = []


class _Body(msgspec.Struct):
    error: _Detail | str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def wait_us(dialect: Dialect, headers: Iterable[Header], body: bytes) -> int | None:
    """Return the microseconds that the provider asks to be left alone; None when it does not say.

    `retry-after-ms` before `retry-after` (seconds; a date is not read), and Gemini's `RetryInfo`, which has no header
    (google.rpc.RetryInfo, ai.google.dev/gemini-api/docs/troubleshooting, read 2026-11-22).
    """
    stated = {name: value for name, value in headers if name in {b"retry-after", b"retry-after-ms"}}
    if (found := _SECONDS.fullmatch(stated.get(b"retry-after-ms", b"").strip())) is not None:
        return _micros(found) // 1000
    if (found := _SECONDS.fullmatch(stated.get(b"retry-after", b"").strip())) is not None:
        return _micros(found)
    if dialect == "gemini" and (found := _RETRY_DELAY.search(body[:READ_BYTES_MAX])) is not None:
        return _micros(found)
    return None


def is_too_long(dialect: Dialect, status: int, body: bytes) -> bool:
    """Tell whether the call was refused because its input is longer than the model takes."""
    error = _read_error(status, body)
    if error is None:
        return False
    said = error if isinstance(error, str) else f"{error.code} {error.message}"
    return _TOO_LONG[dialect].search(said) is not None


def is_account_refused(dialect: Dialect, status: int, body: bytes) -> bool:
    """Tell whether a 400 is about our account at the provider: Gemini's of a wrong key, or of billing that is not set up.

    What it repeats of the call decides nothing: whoever calls chooses that.
    """
    error = _read_error(status, body)
    if status != 400 or not isinstance(error, _Detail):
        return False
    if dialect == "anthropic":
        return error.message.startswith(_NO_CREDIT)
    if dialect == "gemini":
        return error.status == "FAILED_PRECONDITION" or any(each.reason == "API_KEY_INVALID" for each in error.details)
    return False


def _read_error(status: int, body: bytes) -> _Detail | str | None:
    if status not in {400, 413, 422} or len(body) > READ_BYTES_MAX:
        return None
    try:
        return _decode(body).error
    except (msgspec.DecodeError, RecursionError):
        return None


def _micros(found: re.Match[bytes]) -> int:
    whole, part = found.groups()
    return int(whole) * 1_000_000 + int((part or b"").ljust(6, b"0"))
