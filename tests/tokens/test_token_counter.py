"""Counting tokens: the known vocabularies exactly, others raised, hostile texts in bounded time, all of it offline."""

from __future__ import annotations

import socket

import pytest

from tollkeeper.tokens.counter import EXACT_REQUEST_BYTES_MAX, EXACT_TEXT_BYTES_MAX, count_tokens
from tollkeeper.tokens.estimate import estimate_tokens
from tollkeeper.tokens.vocabularies import vocabulary_for


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("counting must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_openai_vocabularies_give_the_published_counts() -> None:
    assert count_tokens("gpt-4o", ["Hello, world! 你好"]) == [6]
    assert count_tokens("gpt-4", ["Hello, world! 你好"]) == [7]


def test_korean_is_counted_by_vocabulary_not_by_bytes() -> None:
    text = "안녕하세요, 오늘 날씨가 좋네요."
    (new,), (old,) = count_tokens("gpt-4o-mini", [text]), count_tokens("gpt-4", [text])
    assert (new, old) == (10, 21)  # as a second implementation of the vocabularies says
    assert estimate_tokens(text) == 11


def test_special_tokens_in_a_text_are_plain_text() -> None:
    (count,) = count_tokens("gpt-4o", ["<|endoftext|>"])
    assert count > 1


def test_each_text_gets_its_own_count() -> None:
    assert count_tokens("gpt-4o", ["", "a", "hello world", ""]) == [0, 1, 2, 0]
    assert count_tokens("gpt-4o", []) == []


@pytest.mark.parametrize(
    ("model", "name", "percent"),
    [
        ("gpt-4o-2024-08-06", "o200k_base", 100),
        ("gpt-4.1-mini", "o200k_base", 100),
        ("gpt-4.5-preview", "o200k_base", 100),
        ("gpt-5.4", "o200k_base", 100),
        ("gpt-6", "o200k_base", 100),
        ("o4-mini", "o200k_base", 100),
        ("gpt-oss-120b", "o200k_base", 100),
        ("openai/gpt-4o", "o200k_base", 100),
        ("ft:gpt-4o-mini:acme::x", "o200k_base", 100),
        ("ft:gpt-4:acme::x", "cl100k_base", 100),
        ("gpt-4", "cl100k_base", 100),
        ("gpt-4-turbo", "cl100k_base", 100),
        ("gpt-3.5-turbo-0125", "cl100k_base", 100),
        ("text-embedding-3-small", "cl100k_base", 100),
        ("claude-3-5-sonnet-20241022", "o200k_base", 115),
        ("claude-opus-4-20250514", "o200k_base", 115),
        ("claude-sonnet-4-6", "o200k_base", 115),
        ("claude-opus-4-7", "o200k_base", 150),
        ("anthropic/claude-opus-4.7", "o200k_base", 150),
        ("anthropic.claude-3-haiku-20240307-v1:0", "o200k_base", 115),
        ("claude-sonnet-5", "o200k_base", 150),
        ("claude-of-tomorrow", "o200k_base", 150),
        ("gemini-2.5-pro", "o200k_base", 105),
        ("deepseek-chat", "o200k_base", 100),
        ("", "o200k_base", 100),
    ],
)
def test_a_model_is_counted_with_its_own_or_the_nearest_vocabulary(model: str, name: str, percent: int) -> None:
    assert vocabulary_for(model) == (name, percent)


def test_a_raised_count_is_rounded_up() -> None:
    (plain,) = count_tokens("gpt-4o", ["hello world, how are you"])
    (raised,) = count_tokens("claude-sonnet-4-6", ["hello world, how are you"])
    assert raised == -(-plain * 115 // 100) > plain


def test_a_text_over_a_mebibyte_is_estimated() -> None:
    assert count_tokens("gpt-4o", ["hello world " * 90_000]) == [270_000]
    assert count_tokens("gpt-4o", ["가" * 349_526]) == [262_145]


def test_a_request_over_eight_mebibytes_is_estimated_beyond_that(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXACT_REQUEST_BYTES_MAX == 8 << 20
    monkeypatch.setattr("tollkeeper.tokens.counter.EXACT_REQUEST_BYTES_MAX", 8 * 1_040)
    text = "hello  world\n" * 80
    counts = count_tokens("gpt-4o", [text] * 9)
    assert counts[7:] == [counts[0], estimate_tokens(text)]
    assert counts[0] != counts[8]


@pytest.mark.parametrize("piece", [" ", "\t ", "\n", "\r\n", "a", "^", "'", "가", "\u0301", "\u3000"])
def test_hostile_runs_are_counted_and_nothing_overflows(piece: str) -> None:
    text = piece * (100_000 // len(piece.encode()))
    (count,) = count_tokens("gpt-4o", [text])
    assert 0 < count <= len(text)


@pytest.mark.parametrize("piece", [" ", "\t "])
def test_a_run_that_overflows_the_tokenizer_is_counted_in_slices(piece: str) -> None:
    (count,) = count_tokens("gpt-4o", [piece * (EXACT_TEXT_BYTES_MAX // len(piece))])
    assert 8_000 < count < 600_000


def test_slicing_a_long_run_changes_the_count_by_little() -> None:
    text = ("naiveté-" * 600) + " and words follow. "
    (whole,), (sliced,) = count_tokens("gpt-4o", [text[:4096]]), count_tokens("gpt-4o", [text])
    (rest,) = count_tokens("gpt-4o", [text[4096:]])
    assert abs(sliced - whole - rest) <= 2


def test_half_a_surrogate_pair_is_counted_too() -> None:
    assert count_tokens("gpt-4o", ["broken \ud83d here"])[0] > 2
    assert estimate_tokens("\ud83d") == 1


def test_an_estimate_is_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "abcd", "abcde", "가나")] == [0, 1, 1, 2, 2]
