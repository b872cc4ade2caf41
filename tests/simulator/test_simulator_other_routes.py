"""Embeddings and legacy completions as the official SDK reads them; schemas, tokens and independence."""

from __future__ import annotations

import ast
import base64
import math
from array import array
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_calls import WITH_USAGE

import tollkeeper_simulator
from tollkeeper_simulator import Simulator, text, tokens
from tollkeeper_simulator.instance import UnsatisfiableError, instance

SMALL = "text-embedding-3-small"


@pytest.mark.parametrize(
    ("given_input", "vectors", "used"),
    [("two words", 1, 2), (["one", "two words"], 2, 3), ([5, 6, 7], 1, 3), ([[5, 6], [7]], 2, 3)],
)
async def test_embeddings_of_every_kind_of_input(
    client: openai.AsyncOpenAI, simulator: Simulator, given_input: Any, vectors: int, used: int
) -> None:
    answer = await client.embeddings.create(model=SMALL, input=given_input)
    assert [each.index for each in answer.data] == list(range(vectors))
    assert all(len(each.embedding) == 1_536 for each in answer.data)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (used, used)
    record = simulator.bill.records[0]
    assert [(line.dimension, line.quantity, line.unit_price_pico) for line in record.lines] == [("input", used, 20_000)]


async def test_embeddings_are_unit_vectors_in_both_encodings(client: openai.AsyncOpenAI) -> None:
    packed = await client.embeddings.create(model=SMALL, input="x", dimensions=64, encoding_format="base64")
    plain = await client.embeddings.create(model=SMALL, input="x", dimensions=64, encoding_format="float")
    vector = plain.data[0].embedding
    assert len(vector) == 64
    assert math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-5)
    decoded = array("f", base64.b64decode(str(packed.data[0].embedding)))
    assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(vector, decoded, strict=True))


@pytest.mark.parametrize("wrong", ["", [], [""], ["x"] * 2_049, [1, "x"], "word " * 9_000])
async def test_embeddings_refuse_wrong_inputs(client: openai.AsyncOpenAI, wrong: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model=SMALL, input=wrong)


async def test_a_completion_echoes_and_counts(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    answer = await client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt=["one", "two words"], n=2, max_tokens=5, echo=True
    )
    assert [choice.text.startswith("one") for choice in answer.choices] == [True, True, False, False]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 20)
    assert simulator.bill.total_nano == 3 * 1_500 + 20 * 2_000


async def test_a_completion_can_be_streamed(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    call: dict[str, Any] = {"model": "davinci-002", "prompt": "hello", "max_tokens": 9, "n": 2}
    plain = await client.completions.create(**call)
    stream = await client.completions.create(**call, **WITH_USAGE)
    words: dict[int, str] = {0: "", 1: ""}
    usage = None
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            words[choice.index] += choice.text
    assert list(words.values()) == [choice.text for choice in plain.choices]
    assert usage == plain.usage
    assert simulator.bill.records[0].lines == simulator.bill.records[1].lines


@given(st.text(max_size=300))
def test_tokens_lose_nothing(given_text: str) -> None:
    assert "".join(tokens.pieces(given_text)) == given_text
    assert tokens.count(given_text) == len(tokens.pieces(given_text))


def test_a_wide_character_is_a_token_of_its_own() -> None:
    assert tokens.pieces("한국어 日本") == ["한", "국", "어", " ", "日", "本"]


@given(st.integers(0, 2**64 - 1), st.integers(0, 6_000))
def test_prose_has_exactly_as_many_tokens_as_asked(seed: int, size: int) -> None:
    said = text.say(seed, size)
    assert len(said) == size == tokens.count("".join(said))


@pytest.mark.parametrize(
    ("schema", "accepted"),
    [
        ({"const": 5}, lambda v: v == 5),
        ({"type": "integer", "minimum": 3, "maximum": 3}, lambda v: v == 3),
        ({"type": "integer", "exclusiveMinimum": 3, "maximum": 5}, lambda v: v in {4, 5}),
        ({"type": "integer", "multipleOf": 7, "minimum": 8}, lambda v: v >= 8 and v % 7 == 0),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, lambda v: 0 < v < 1),
        ({"type": "number", "maximum": -2}, lambda v: v <= -2),
        ({"type": "string", "minLength": 50}, lambda v: len(v) >= 50),
        ({"type": "string", "maxLength": 3}, lambda v: len(v) <= 3),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3}, lambda v: len(v) >= 3),
        ({"type": ["null", "string"]}, lambda v: v is None or isinstance(v, str)),
        ({"anyOf": [{"type": "string", "pattern": "x"}, {"type": "integer"}]}, lambda v: isinstance(v, int)),
        ({"allOf": [{"properties": {"a": {"type": "null"}}}, {"type": "object"}]}, lambda v: v == {"a": None}),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"enum": ["y"]}}}, lambda v: v == "y"),
        ({}, lambda v: v is not None),
    ],
)
def test_an_instance_satisfies_its_schema(schema: dict[str, Any], accepted: Any) -> None:
    assert accepted(instance(schema, seed=12_345))


@pytest.mark.parametrize("schema", [{"$ref": "#/nowhere"}, {"type": "string", "pattern": "x"}, {"type": "thing"}, 5])
def test_what_cannot_be_satisfied_is_an_error(schema: Any) -> None:
    with pytest.raises(UnsatisfiableError):
        instance(schema, seed=1)


def test_the_accountant_is_independent() -> None:
    package = Path(tollkeeper_simulator.__file__).parent
    imported: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    assert "tollkeeper_simulator" in imported
    assert not imported & {"tollkeeper", "genai_prices", "openai", "tiktoken"}
