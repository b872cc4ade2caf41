"""Which name stands for which model's limits: a listed one and its snapshots, and no newer model that is called similarly."""

from __future__ import annotations

import pytest

from tollkeeper.domain.model_limits import _LIMITS, IMAGE_TOKENS_ASSUMED, limits_of
from tollkeeper_simulator.openai.catalogue import MODELS
from tollkeeper_simulator.openai.images import image_tokens

SIZES = [(1, 1), (512, 512), (768, 2_048), (2_048, 768), (2_047, 2_047), (4_032, 3_024), (60, 20_000), (20_000, 20_000)]


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("openai/gpt-4o-mini", "gpt-4o-mini"),
        ("ft:gpt-4o-mini-2024-07-18:acme:tolls:abc123", "gpt-4o-mini"),
        ("GPT-4.1", "gpt-4.1"),
    ],
)
def test_snapshots_and_other_spellings_have_the_limits_of_their_model(name: str, listed: str) -> None:
    assert limits_of(name) is _LIMITS[listed]


@pytest.mark.parametrize(
    "name",
    [
        "gpt-4.7",
        "gpt-4-ultra",
        "gpt-4o-64k-output-alpha",
        "gpt-4o:extended",
        "gpt-5.9",
        "o4",
        "o1-max",
        "grok-5",
        "",
        "ft:",
    ],
)
def test_a_name_that_is_not_listed_has_no_limits_even_if_it_begins_like_one(name: str) -> None:
    assert limits_of(name) is None


def test_the_widest_answers_are_not_taken_for_their_smaller_relatives() -> None:
    limits = {name: limits_of(name) for name in ("gpt-5", "gpt-5-pro", "gpt-4-1106-preview", "gpt-4-32k")}
    assert [each.output for each in limits.values() if each] == [128_000, 272_000, 4_096, 32_768]


@pytest.mark.parametrize("name", sorted(_LIMITS))
def test_an_answer_fits_into_the_window_and_a_picture_into_what_is_assumed(name: str) -> None:
    limits = _LIMITS[name]
    assert 0 < limits.output <= limits.window
    assert limits.image <= IMAGE_TOKENS_ASSUMED


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind == "chat"])
def test_nothing_that_the_simulated_provider_sells_is_more_than_listed(name: str) -> None:
    limits, model = limits_of(name), MODELS[name]
    assert limits is not None
    assert limits.window >= model.context_tokens
    assert limits.output >= model.output_tokens_max
    sizes = [f"https://images.test/{width}x{height}.png" for width, height in SIZES]
    assert limits.image >= max(
        image_tokens(name, url, detail) for url in sizes for detail in ("low", "high", "original")
    )
