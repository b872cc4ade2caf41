"""The page of errors names the headers that really come with each refusal."""

from __future__ import annotations

from scripts.reference.errors import all_refusals


def test_who_calls_too_often_is_told_when_to_try_again_and_never_not_to() -> None:
    (found,) = {each.headers for each in all_refusals() if each.code == "rate_limit_exceeded"}
    assert found == "`retry-after`, `retry-after-ms`"
    (quota,) = {each.headers for each in all_refusals() if each.code == "insufficient_quota"}
    assert quota == "`x-should-retry: false`"
