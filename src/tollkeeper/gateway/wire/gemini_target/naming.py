"""Ids and times of translated answers: made of what is known already, so that the same answer is named the same twice."""

from __future__ import annotations


def made_id(prefix: str, request_id: str, index: int, number: int) -> str:
    """Return the id of a call that Gemini left unnamed: by the request, the candidate and its place, 40 bytes at most."""
    return f"{prefix}_{request_id[-24:]}_{index}_{number}"


def created_s(request_id: str) -> int:
    """Return the Unix time in seconds of a request id: `req_` and the hex of a uuid7, which begins with milliseconds."""
    digits = request_id.rpartition("_")[2][:12]
    try:
        return int(digits, 16) // 1000 if len(digits) == 12 else 0
    except ValueError:
        return 0
