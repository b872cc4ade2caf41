"""The upper bound of a call: what no byte of it shows, what it lets the model write, and the dearest tier that may serve it."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from ceiling_factories import FLEX, PRIORITY, ROUNDING, STANDARD, Book, body_of, ceiling, chat_body

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.model_limits import IMAGE_TOKENS_ASSUMED, OUTPUT_TOKENS_ASSUMED, WINDOW_TOKENS_ASSUMED
from tollkeeper.gateway.ceiling import HIDDEN_TOKENS
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.gateway.wire.unseen import PLAIN

TEXT = {"type": "text", "text": "what is it?"}
FILE = {"type": "file", "file": {"file_id": "file-1"}}


def picture(url: str = "https://images.test/a.png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def voice(data: bytes, kind: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": kind}}


def wav(seconds: int, rate: int) -> bytes:
    samples = bytes(seconds * rate * 2)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16,
                       b"data", len(samples)) + samples  # fmt: skip


def test_a_text_is_bounded_by_its_bytes_and_is_not_read_for_it() -> None:
    body = chat_body(model="gpt-4o", max_tokens=10)
    assert ceiling(body).input_tokens == len(body)
    assert ceiling(body).nanos == len(body) + 10 * 4 + ROUNDING
    assert wire.parse("chat.completions", body).unseen() is PLAIN


@pytest.mark.parametrize(
    ("model", "each"),
    [("gpt-4o", 1_445), ("gpt-4o-mini", 48_169), ("gpt-4.1-nano", 3_779), ("gpt-5.4", 24_600)],
)
def test_a_picture_by_url_counts_as_the_most_that_its_model_makes_of_one(model: str, each: int) -> None:
    body = chat_body(TEXT, picture(), picture(), model=model)
    assert ceiling(body).input_tokens == len(body) + 2 * each


def test_a_picture_for_a_model_that_nobody_listed_counts_more_than_the_dearest_known() -> None:
    body = chat_body(TEXT, picture(), model="unheard-of")
    assert ceiling(body).input_tokens == len(body) + IMAGE_TOKENS_ASSUMED


def test_the_bytes_of_a_picture_are_no_text() -> None:
    url = "data:image/png;base64," + "A" * 100_000
    body = chat_body(TEXT, picture(url))
    assert ceiling(body).input_tokens == len(body) - len(url) + 1_445


def test_what_only_looks_like_a_picture_stays_text() -> None:
    long = "data:image/png;base64," + "A" * 10_000
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"default": picture(long)}}}]
    body = chat_body(TEXT, tools=tools)
    assert ceiling(body).input_tokens == len(body)
    quoted = chat_body({"type": "text", "text": long, "image_url": {"url": long}})
    assert ceiling(quoted).input_tokens == len(quoted)


@pytest.mark.parametrize("part", [FILE, {"type": "video_url", "video_url": {"url": "https://v.test"}}])
def test_a_file_or_an_unknown_part_may_fill_the_models_window(part: dict[str, Any]) -> None:
    assert ceiling(chat_body(TEXT, part)).input_tokens == 128_000
    assert ceiling(chat_body(TEXT, part, model="unheard-of")).input_tokens == WINDOW_TOKENS_ASSUMED


def test_a_file_in_a_tools_schema_is_text() -> None:
    tools = [
        {"type": "function", "function": {"name": "read", "parameters": {"properties": {"file": {"type": "string"}}}}}
    ]
    body = chat_body(tools=tools)
    assert ceiling(body).input_tokens == len(body)


def test_no_input_is_more_than_the_window() -> None:
    assert ceiling(chat_body({"type": "text", "text": "a" * 200_000}, model="gpt-4o")).input_tokens == 128_000
    many = body_of({"model": "text-embedding-3-small", "input": ["a" * 5_000] * 100})
    assert ceiling(many, operation="embeddings").input_tokens == len(many)


def test_audio_is_bounded_by_its_time() -> None:
    spoken = voice(wav(10, 16_000), "wav")
    body = chat_body(TEXT, spoken, model="gpt-audio")
    tokens = ceiling(body).input_tokens - (len(body) - len(spoken["input_audio"]["data"]))
    assert 10 * 10 <= tokens <= 10 * 200
    compressed = voice(bytes(8_000 * 10), "mp3")
    body = chat_body(TEXT, compressed, model="gpt-audio")
    tokens = ceiling(body).input_tokens - (len(body) - len(compressed["input_audio"]["data"]))
    assert tokens >= 80 * 10  # 8 kbit/s plays for 80 s


@pytest.mark.parametrize(
    "spoken",
    [voice(wav(1, 16_000), "flac"), voice(b"RIFX" + bytes(100), "wav"), voice(wav(1, 0), "wav"), voice(b"", "wav"),
     {"type": "input_audio", "input_audio": {"data": "!", "format": "wav"}}, {"type": "input_audio"}],
)  # fmt: skip
def test_audio_of_unknown_length_may_fill_the_window(spoken: dict[str, Any]) -> None:
    assert ceiling(chat_body(TEXT, spoken, model="gpt-audio")).input_tokens == 128_000


@pytest.mark.parametrize("tag", [0x02, 0x11, 0x31, 0x50, 0x55, 0xFFFE])
def test_a_wave_with_a_codec_inside_may_fill_the_window(tag: int) -> None:
    plain = wav(1, 24_000)
    coded = voice(plain[:20] + struct.pack("<H", tag) + plain[22:], "wav")
    assert ceiling(chat_body(TEXT, coded, model="gpt-audio")).input_tokens == 128_000


@pytest.mark.parametrize("tag", [1, 3, 6, 7])
def test_a_wave_of_plain_samples_is_bounded_by_its_time(tag: int) -> None:
    plain = wav(1, 24_000)
    spoken = voice(plain[:20] + struct.pack("<H", tag) + plain[22:], "wav")
    assert ceiling(chat_body(TEXT, spoken, model="gpt-audio")).input_tokens < 1_000


def test_a_wave_that_plays_slowly_counts_its_time_and_not_its_bytes() -> None:
    slow = voice(wav(2_000, 2), "wav")
    assert ceiling(chat_body(TEXT, slow, model="gpt-audio")).input_tokens >= 2_000 * 10


def test_an_earlier_spoken_answer_counts_as_long_as_answers_can_be() -> None:
    messages = [{"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "and?"}]
    body = body_of({"model": "gpt-audio", "messages": messages})
    assert ceiling(body).input_tokens == len(body) + 16_384


def test_an_escape_hides_no_picture() -> None:
    body = chat_body(TEXT, picture()).replace(b"image_url", b"image\\u005furl")
    assert b'_url"' not in body
    assert ceiling(body).input_tokens == len(body) + 1_445


def test_what_can_be_read_in_two_ways_may_fill_the_window() -> None:
    body = chat_body(TEXT, picture())
    twice = body.replace(b'"role": "user"', b'"role": "user", "content": "hello"')
    assert ceiling(twice).input_tokens == 128_000


def test_providers_put_instructions_before_a_call() -> None:
    body = chat_body(model="grok-4.7")
    assert ceiling(body, kind="xai").input_tokens == len(body) + HIDDEN_TOKENS


@pytest.mark.parametrize(
    ("limits", "kind", "each"),
    [
        ({"max_tokens": 10}, "openai", 10),
        ({"max_completion_tokens": 10}, "openai", 10),
        ({"max_tokens": 10, "max_completion_tokens": 50}, "openai", 50),
        ({"max_tokens": 50, "max_completion_tokens": 10}, "xai", 50),
        ({"max_completion_tokens": 10}, "deepseek", 393_216),
        ({"max_tokens": 10}, "deepseek", 10),
        ({"max_tokens": 0}, "openai", 16_384),
        ({"max_tokens": None}, "openai", 16_384),
        ({}, "openai", 16_384),
        ({"max_tokens": 1, "min_tokens": 100_000}, "openai_compatible", 100_000),
        ({"max_tokens": 9, "min_tokens": 5}, "openai_compatible", 9),
        ({"min_tokens": 5}, "openai_compatible", 16_384),
    ],
)
def test_an_answer_is_bounded_by_the_limit_that_its_provider_goes_by(limits: Any, kind: Any, each: int) -> None:
    model = "deepseek-chat" if kind == "deepseek" else "gpt-4o"
    assert ceiling(chat_body(model=model, n=3, **limits), kind=kind).output_tokens == 3 * each


def test_a_newer_models_limit_is_not_that_of_an_older_one_with_a_similar_name() -> None:
    assert ceiling(chat_body(model="gpt-4.7-turbo")).output_tokens == OUTPUT_TOKENS_ASSUMED


def test_a_rejected_prediction_is_written_besides_the_answer() -> None:
    prediction = {"type": "content", "content": "a" * 1_000}
    found = ceiling(chat_body(max_tokens=10, n=2, prediction=prediction))
    assert found.output_tokens >= 2 * (10 + 1_000)
    assert ceiling(chat_body(max_tokens=10, prediction=None)).output_tokens == 10


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("a", 1), (["a"], 1), (["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2), ([], 1)],
)
def test_every_prompt_of_a_text_completion_is_answered(prompt: Any, prompts: int) -> None:
    fields = {"model": "davinci-002", "prompt": prompt, "n": 2, "best_of": 4, "max_tokens": 10}
    assert ceiling(body_of(fields), operation="completions").output_tokens == prompts * 4 * 10


def test_a_text_completion_that_states_no_limit_gets_openais_own_and_other_servers_all() -> None:
    body = body_of({"model": "davinci-002", "prompt": "a", "max_completion_tokens": 5})
    assert ceiling(body, operation="completions").output_tokens == 16
    assert ceiling(body, operation="completions", kind="openai_compatible").output_tokens == 16_385


def test_prompts_that_stand_twice_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="twice"):
        wire.parse("completions", b'{"model":"davinci-002","prompt":["a","b"],"prompt":"a"}')


def test_embeddings_write_nothing() -> None:
    body = body_of({"model": "text-embedding-3-small", "input": [[1, 2, 3], [4]], "max_tokens": 99})
    found = ceiling(body, operation="embeddings")
    assert (found.output_tokens, found.nanos) == (0, len(body) + ROUNDING)


@pytest.mark.parametrize(
    ("asked", "dearest"),
    [
        (None, 8),
        ("auto", 8),
        (" AUTO ", 8),
        ("default", 4),
        ("flex", 4),
        ("priority", 8),
        ("fast", 8),
    ],
)
def test_the_dearest_tier_that_may_serve_is_reserved(asked: str | None, dearest: int) -> None:
    book = Book(standard=STANDARD, flex=FLEX, priority=PRIORITY)
    body = chat_body(max_tokens=1_000, **({} if asked is None else {"service_tier": asked}))
    assert ceiling(body, book=book).nanos == len(body) * dearest // 4 + 1_000 * dearest + ROUNDING


def test_a_tier_without_a_price_has_no_bound_even_if_others_have_one() -> None:
    assert ceiling(chat_body(service_tier="ultrafast"), book=Book(standard=STANDARD, priority=PRIORITY)).nanos is None
    assert ceiling(chat_body(), book=Book(priority=PRIORITY)).nanos is None


@pytest.mark.parametrize(
    "more",
    [
        {"web_search_options": {}},
        {"search_parameters": {"mode": "on"}},
        {"plugins": [{"id": "web"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]},
        {"tools": [{"name": "f"}]},
        {"tools": "all"},
        {"model": "gpt-4o-search-preview"},
        {"model": "vendor/any:online"},
        {"cached_content": "cachedContents/x"},
        {"google": {"cached_content": "cachedContents/x"}},
        {"extra_body": {"google": {"cached_content": "cachedContents/x"}}},
        {"extra_body": {"google": {"cachedContent": "cachedContents/x"}}},
    ],
)
def test_what_costs_a_fee_beside_its_tokens_has_no_bound(more: dict[str, Any]) -> None:
    assert ceiling(chat_body(**more)).nanos is None


@pytest.mark.parametrize(
    "more",
    [
        {"web_search_options": None},
        {"tools": None},
        {"tools": []},
        {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]},
        {"cached_content": None},
        {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}},
    ],
)
def test_tools_that_the_client_runs_cost_no_fee(more: dict[str, Any]) -> None:
    assert ceiling(chat_body(**more)).nanos is not None


def test_content_that_is_cached_elsewhere_may_fill_the_window() -> None:
    assert ceiling(chat_body(cached_content="cachedContents/x", max_tokens=1)).input_tokens == 128_000


def test_an_escape_hides_no_cached_content() -> None:
    body = chat_body(extra_body={"google": {"cached_content": "x"}}).replace(b"cached_", b"cached\\u005f")
    assert b"cached_" not in body
    assert ceiling(body).nanos is None
