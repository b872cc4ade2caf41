"""Bodies of very many parts are refused before they are walked; long texts of braces and commas are not."""

from __future__ import annotations

import pytest

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import token_counts
from tollkeeper.gateway.wire.json_body import COMMAS_MAX, CONTAINERS_MAX, check_parts
from tollkeeper.gateway.wire.texts import collect_texts


@pytest.mark.parametrize("part", [b"{}", b"[]", b'""', b"1", b'{"a":"\\""}', b'"\\\\",{}', b'"\\n",{"a":"\\n"}'])
def test_too_many_parts_are_refused(part: bytes) -> None:
    count = (CONTAINERS_MAX if b"{" in part or b"[" in part else COMMAS_MAX) + 1
    with pytest.raises(InvalidRequest, match="too many parts"):
        check_parts(b"[" + (part + b",") * count + b"1]")


@pytest.mark.parametrize("text", [b"{[,", b'{[,\\"', b"\\\\{[,", b'\\\\\\"{[,'])
def test_a_long_text_of_braces_and_commas_is_taken(text: bytes) -> None:
    check_parts(b'{"a":"' + text * (COMMAS_MAX + 1) + b'","b":[1,{}]}')


def test_every_message_that_a_provider_takes_is_taken() -> None:
    message = b'{"role":"user","content":[{"type":"text","text":"a"}]}'
    check_parts(b'{"model":"m","messages":[' + b",".join([message] * 99_999) + b"]}")


def test_a_request_to_count_is_held_to_it() -> None:
    asked = token_counts.count_asked("/v1/messages/count_tokens")
    assert asked is not None
    with pytest.raises(InvalidRequest, match="too many parts"):
        token_counts.parse(asked, b'{"model":"m","messages":[%b{}]}' % (b"{}," * CONTAINERS_MAX))


def test_numbers_in_lists_are_tokens_and_flags_are_as_they_were() -> None:
    assert collect_texts([[1, 2, 3], [True, 4], ["a", 5], []], [], skip=frozenset()) == 6
