"""What becomes of each field of an Anthropic Messages request that an OpenAI-dialect provider serves. For documentation.

Fields: `anthropic` 2.12, types/message_create_params.py and content_block_param.py (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.gateway.wire.translation import FieldRule


def _mapped(note: str) -> FieldRule:
    return FieldRule("mapped", note)


def _dropped(note: str) -> FieldRule:
    return FieldRule("dropped", note)


def _refused(note: str) -> FieldRule:
    return FieldRule("refused", note)


_SAME = FieldRule("same")
_AUTOMATIC = "caches of this dialect are automatic"
_SERVER_TOOL = "what Anthropic's own tools did stays with Anthropic"

RULES: Mapping[str, FieldRule] = {
    "model": _mapped("the provider's name of the model"),
    "max_tokens": _mapped(
        "`max_completion_tokens`; `max_tokens` for DeepSeek and other servers of the dialect; 0 is refused"
    ),
    "system": _mapped("a message of the role `system`, first; several texts are its parts"),
    "messages": _mapped("see the content blocks"),
    "messages[].role": _mapped("user and assistant as they are; `system` in the middle stays where it is"),
    "messages[].content[].text": _SAME,
    "messages[].content[].citations": _dropped("of an earlier answer; asked for with a document they are refused"),
    "messages[].content[].image": _mapped("`image_url`: a data URL or the address; ids of files are refused"),
    "messages[].content[].document": _mapped(
        "a PDF becomes a `file`, texts become text, with title and context before them; addresses and ids of files are refused"
    ),
    "messages[].content[].search_result": _mapped("a text with its title and source"),
    "messages[].content[].thinking": _mapped("`reasoning_content` for DeepSeek, which asks for it back; else dropped"),
    "messages[].content[].redacted_thinking": _dropped("only Anthropic can read it"),
    "messages[].content[].tool_use": _mapped("`tool_calls`; an id longer than 40 characters becomes one made from it"),
    "messages[].content[].tool_result": _mapped(
        "a message of the role `tool`, with `Error: ` before a result that `is_error`; its images follow in a user's message"
    ),
    "messages[].content[].mid_conv_system": _mapped("a message of the role `system`"),
    "messages[].content[].server_tool_use": _refused(_SERVER_TOOL),
    "messages[].content[].web_search_tool_result": _refused(_SERVER_TOOL),
    "messages[].content[].container_upload": _refused(_SERVER_TOOL),
    "messages[].content[].cache_control": _dropped(_AUTOMATIC),
    "cache_control": _dropped(_AUTOMATIC),
    "stop_sequences": _mapped("`stop`, at most 4; which one was met is not told"),
    "stream": _mapped("with `stream_options.include_usage`"),
    "temperature": _mapped("the same; left out for models that reason"),
    "top_p": _mapped("the same; left out for models that reason"),
    "top_k": _dropped("OpenAI has nothing like it"),
    "tools": _mapped(
        "functions, `strict` included, with names of at most 64 characters, as OpenAI has them; Anthropic's own tools "
        "(`web_search_…`, `bash_…` and so on) are refused"
    ),
    "tool_choice": _mapped("auto, none, any (`required`), tool (one function); `disable_parallel_tool_use`"),
    "thinking": _mapped(
        "`reasoning_effort` for models that reason: a budget below 4,096 tokens is low, below 16,384 medium, else high; adaptive "
        "leaves it to `output_config.effort`; disabled is the least that the model knows. DeepSeek's own `thinking` for DeepSeek"
    ),
    "output_config": _mapped(
        "`format` becomes `response_format` (for DeepSeek `json_object`, the schema in a system message), `effort` becomes "
        "`reasoning_effort`; `task_budget` is dropped"
    ),
    "output_format": _mapped("as `output_config.format`, which took its place"),
    "metadata": _mapped("`user_id` becomes `user`"),
    "service_tier": _mapped("`auto` is `auto`, `standard_only` is `default`"),
    "diagnostics": _dropped("they would be Anthropic's"),
    "context_management": _dropped("the conversation is passed on as it is"),
    "speed": _refused("only `standard` is taken"),
    "inference_geo": _refused("where a call is served is not for this provider to choose"),
    "container": _refused("containers stay with Anthropic"),
    "mcp_servers": _refused("Anthropic itself would call them"),
    "fallbacks": _refused("which model serves a call is configured in Tollkeeper"),
}
