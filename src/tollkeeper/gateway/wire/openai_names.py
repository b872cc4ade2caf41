"""The OpenAI dialect, requests: the outermost names that a call is decided by, and which of them it may not have. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.decisive_names import DecisiveNames, is_stated

ROUTING_NAMES = ("models", "preset", "route", "fallbacks")
"""By which another model may serve than the one asked for: OpenRouter's (openrouter.ai/docs/guides/routing/llms-full.txt,
npmjs.com/package/@openrouter/schemas; some routers read them in `extra_body`: docs.inworld.ai/router/capabilities/
request-level), and LiteLLM's `fallbacks` (docs.litellm.ai/docs/proxy/client_side_fallbacks). Read 2026-11-22."""

_RARE_NAMES = frozenset(
    {
        *ROUTING_NAMES, "min_tokens", "prediction", "web_search_options", "search_parameters", "plugins",
        "cached_content", "extra_body", "google",
    }
)  # fmt: skip
DECISIVE_NAMES = _RARE_NAMES | {
    "model", "messages", "input", "prompt", "stream", "stream_options", "service_tier", "n", "best_of", "max_tokens",
    "max_completion_tokens", "tools",
}  # fmt: skip
"""What Tollkeeper decides by. None of them may stand twice, because the provider's parser may take the other one."""

NAMES = DecisiveNames(DECISIVE_NAMES, uncounted=("messages", "input"))
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def check_names(body: bytes) -> list[bytes]:
    """Check the outermost names of a body that is valid JSON, and return the decisive ones as they stand in it, quoted.

    Raises:
        InvalidRequest: one is a decisive name in another spelling, or lets another model serve.
        msgspec.DecodeError: a name cannot be read.
    """
    members = NAMES.read(body)
    if not _RARE_NAMES.isdisjoint(members):
        check_routing(members)
    return NAMES.quoted(members)


def check_routing(members: Mapping[str, msgspec.Raw]) -> None:
    """Pass when nothing asks for another model to serve; null asks for nothing.

    Raises:
        InvalidRequest: something does; `param` names it.
    """
    for name in ROUTING_NAMES:
        if name in members and is_stated(members[name]):
            raise _routing(name)
    extra = members.get("extra_body")
    if extra is not None and bytes(memoryview(extra)[:1]) == b"{":
        for name in _decode_names(extra):
            if name in ROUTING_NAMES:
                raise _routing(f"extra_body.{name}")


def _routing(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{name}' is not taken: which model serves a call, and in whose place, is configured in Tollkeeper; "
        "a call names one by 'model'.",
        param=name,
    )
