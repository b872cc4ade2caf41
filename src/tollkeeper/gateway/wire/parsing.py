"""Reads the request of any route: which operation it is for, and in which dialect. Pure."""

from __future__ import annotations

from tollkeeper.gateway.wire import anthropic, openai
from tollkeeper.gateway.wire.call import Call, Operation
from tollkeeper.gateway.wire.translation import Dialect

DIALECTS: dict[Operation, Dialect] = {
    "chat.completions": "openai",
    "completions": "openai",
    "embeddings": "openai",
    "messages": "anthropic",
}


def parse(operation: Operation, body: bytes) -> Call:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    if operation == "messages":
        return anthropic.parse(body)
    return openai.parse(operation, body)
