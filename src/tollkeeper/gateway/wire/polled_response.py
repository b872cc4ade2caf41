"""OpenAI's Responses, asked for again while they go on: what is metered of one, read without reading its texts. Pure.

It may be tens of megabytes, pictures most of all, and comes again and again while other calls wait for the same loop.
"""

from __future__ import annotations

import msgspec

from tollkeeper.gateway.wire import responses_answer
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.responses_answer import StatedResponse

_FIELD_BYTES_MAX = 1024 * 1024
_ITEMS_READ_BYTES_MAX = 2 * 1024 * 1024
_OBJECTS_MAX = 100_000
"""Of a longer list of items: what may be an object in it. Bytes of text are passed over quickly, objects are not."""
_ABSENT = msgspec.Raw()


class _Response(msgspec.Struct):
    """The members that are metered, unread: whatever stands there is no error here."""

    id: msgspec.Raw = _ABSENT
    model: msgspec.Raw = _ABSENT
    status: msgspec.Raw = _ABSENT
    service_tier: msgspec.Raw = _ABSENT
    usage: msgspec.Raw = _ABSENT
    tool_usage: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    output: msgspec.Raw = _ABSENT


class _Item(msgspec.Struct, gc=False):
    """Of an item what says whether it is a fee."""

    type: msgspec.Raw = _ABSENT
    action: msgspec.Raw = _ABSENT
    container_id: msgspec.Raw = _ABSENT
    environment: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(_Response).decode
_decode_items = msgspec.json.Decoder(list[_Item]).decode


def read_polled(body: bytes) -> StatedResponse | None:
    """Return what a response states, without its texts; None when it is no JSON object."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    members = {
        name: raw for name in _Response.__struct_fields__ if len(raw := getattr(found, name)) <= _FIELD_BYTES_MAX
    }
    members["output"] = _uses_of_tools(found.output)
    stated = {name: raw for name, raw in members.items() if is_stated(raw)}
    return responses_answer.read_answer(msgspec.json.encode(stated))


def _uses_of_tools(output: msgspec.Raw) -> msgspec.Raw:
    """Return the list of items with the provider's tools alone, of each what is metered; absent when it cannot be read."""
    if not is_stated(output):
        return _ABSENT
    if len(output) > _ITEMS_READ_BYTES_MAX and bytes(output).count(b"{") > _OBJECTS_MAX:
        return _ABSENT
    try:
        items = _decode_items(output)
    except (msgspec.DecodeError, RecursionError):
        return output if len(output) <= _FIELD_BYTES_MAX else _ABSENT
    uses = [_members(item) for item in items if bytes(item.type).endswith(b'_call"')]
    return msgspec.Raw(msgspec.json.encode(uses))


def _members(item: _Item) -> dict[str, msgspec.Raw]:
    return {
        name: raw
        for name in _Item.__struct_fields__
        if is_stated(raw := getattr(item, name)) and len(raw) <= _FIELD_BYTES_MAX
    }
