"""A call whose bound no budget could hold is refused before anything is reserved for it."""

from __future__ import annotations

import pytest
from ceiling_factories import Book, body_of, ceiling

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.rate_card import Rate
from tollkeeper.gateway.ceiling import RESERVED_MAX


@pytest.mark.parametrize("prompts", [1, 800_000])
def test_a_call_that_could_come_to_more_than_can_be_reserved_is_refused(prompts: int) -> None:
    body = body_of({"model": "gpt-3.5-turbo-instruct", "n": 128, "max_tokens": 10_000_000, "prompt": [""] * prompts})
    if prompts == 1:
        assert 0 < ceiling(body, operation="completions").tokens < RESERVED_MAX
        return
    with pytest.raises(InvalidRequest, match="more than can be reserved"):
        ceiling(body, operation="completions")


def test_so_is_one_whose_money_is_too_much() -> None:
    body = body_of({"model": "gpt-3.5-turbo-instruct", "n": 128, "max_tokens": 10_000_000, "prompt": "hello"})
    dear = Book(standard=(Rate("input", 1), Rate("output", 10**12)))
    with pytest.raises(InvalidRequest, match="more than can be reserved"):
        ceiling(body, operation="completions", book=dear)
