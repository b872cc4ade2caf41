"""The Anthropic dialect, requests: the tools that the provider runs, and what of their cost is bounded and stated. Pure.

Sources, read 2026-11-22: platform.claude.com/docs/en/agents-and-tools/tool-use/overview (who runs which), …/web-search-tool and
…/web-fetch-tool (`max_uses`; a search has a fee, a fetch has none, what both find is input), …/about-claude/pricing (code
execution is billed by the hour, and free beside the web tools of 2026-02-09 and later).
"""

from __future__ import annotations

import re

import msgspec

from tollkeeper.gateway.wire.decisive_names import is_stated

_CLIENTS = re.compile(r"(?:custom|(?:bash|text_editor|computer|memory)_\d{8})?")
"""What the client runs itself; every other type is a tool of the provider."""
_OF_THE_WEB = re.compile(r"web_(?:search|fetch)_(\d{8})")
_WITHOUT_FEE = re.compile(r"tool_search_tool_\w+|mcp_toolset|advisor_\d{8}")
"""Tools that cost the tokens that they make the model read and write, an advisor's by its own model: the usage states them."""
_CODE = re.compile(r"code_execution_\d{8}")
_CODE_IS_FREE_BESIDE = "20260209"


class ProviderTools(msgspec.Struct, frozen=True):
    """What the provider runs for a call: how often the web is searched, and a model run over its window, at most.

    `reads_max` is 0 when it runs nothing. `has_uncounted` says that there may be a fee that no usage states.
    """

    searches_max: int = 0
    reads_max: int = 0
    is_unbounded: bool = False
    has_uncounted: bool = False


NO_TOOLS = ProviderTools()
_ANYTHING = ProviderTools(is_unbounded=True, has_uncounted=True)


class _Tool(msgspec.Struct):
    type: str | None = None
    max_uses: int | None = None


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode


def read_tools(raw: msgspec.Raw) -> ProviderTools:
    """Return what the provider would run; a list that cannot be read may be anything: who takes it reads it differently."""
    if not is_stated(raw):
        return NO_TOOLS
    try:
        theirs = [tool for tool in _decode_tools(raw) if _CLIENTS.fullmatch(tool.type or "") is None]
    except msgspec.DecodeError:
        return _ANYTHING
    if not theirs:
        return NO_TOOLS
    searches = uses = 0
    is_unbounded = has_uncounted = False
    web = [found[1] for tool in theirs if (found := _OF_THE_WEB.fullmatch(tool.type or ""))]
    for tool in theirs:
        kind = tool.type or ""
        if not _OF_THE_WEB.fullmatch(kind):
            is_unbounded = True
            is_free = bool(_CODE.fullmatch(kind)) and any(date >= _CODE_IS_FREE_BESIDE for date in web)
            has_uncounted |= not is_free and _WITHOUT_FEE.fullmatch(kind) is None
        elif tool.max_uses is None or tool.max_uses < 1:
            is_unbounded = True
        else:
            uses += tool.max_uses
            searches += tool.max_uses if kind.startswith("web_search_") else 0
    return ProviderTools(searches, uses + 1, is_unbounded, has_uncounted)
