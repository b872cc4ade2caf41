"""What becomes of each field of an Anthropic Messages request that an OpenAI-dialect provider serves. For documentation.

Fields: `anthropic` 2.12, types/message_create_params.py and content_block_param.py (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.gateway.wire.translation import SAME, FieldRule, dropped, mapped, refused

_AUTOMATIC = "caches of this dialect are automatic"
_SERVER_TOOL = "what Anthropic's own tools did stays with Anthropic"

RULES: Mapping[str, FieldRule] = {
    "model": mapped("the provider's name of the model"),
    "max_tokens": mapped(
        "`max_completion_tokens`; `max_tokens` for DeepSeek and other servers of the dialect; 0 is refused"
    ),
    "system": mapped("a message of the role `system`, first; several texts are its parts"),
    "messages": mapped("see the content blocks"),
    "messages[].role": mapped("user and assistant as they are; `system` in the middle stays where it is"),
    "messages[].content[].text": SAME,
    "messages[].content[].citations": dropped("of an earlier answer; asked for with a document they are refused"),
    "messages[].content[].image": mapped("`image_url`: a data URL or the address; ids of files are refused"),
    "messages[].content[].document": mapped(
        "a PDF becomes a `file`, texts become text, with title and context before them; addresses and ids of files are refused"
    ),
    "messages[].content[].search_result": mapped("a text with its title and source"),
    "messages[].content[].thinking": mapped("`reasoning_content` for DeepSeek, which asks for it back; else dropped"),
    "messages[].content[].redacted_thinking": dropped("only Anthropic can read it"),
    "messages[].content[].tool_use": mapped("`tool_calls`; an id longer than 40 characters becomes one made from it"),
    "messages[].content[].tool_result": mapped(
        "a message of the role `tool`, with `Error: ` before a result that `is_error`; its images follow in a user's message"
    ),
    "messages[].content[].mid_conv_system": mapped("a message of the role `system`"),
    "messages[].content[].server_tool_use": refused(_SERVER_TOOL),
    "messages[].content[].web_search_tool_result": refused(_SERVER_TOOL),
    "messages[].content[].container_upload": refused(_SERVER_TOOL),
    "messages[].content[].cache_control": dropped(_AUTOMATIC),
    "cache_control": dropped(_AUTOMATIC),
    "stop_sequences": mapped("`stop`, at most 4; which one was met is not told"),
    "stream": mapped("with `stream_options.include_usage`"),
    "temperature": mapped("the same; left out for models that reason"),
    "top_p": mapped("the same; left out for models that reason"),
    "top_k": dropped("OpenAI has nothing like it"),
    "tools": mapped(
        "functions, `strict` included, with names of at most 64 characters, as OpenAI has them; Anthropic's own tools "
        "(`web_search_…`, `bash_…` and so on) are refused"
    ),
    "tool_choice": mapped("auto, none, any (`required`), tool (one function); `disable_parallel_tool_use`"),
    "thinking": mapped(
        "`reasoning_effort` for models that reason: a budget below 4,096 tokens is low, below 16,384 medium, else high; adaptive "
        "leaves it to `output_config.effort`; disabled is the least that the model knows. DeepSeek's own `thinking` for DeepSeek"
    ),
    "output_config": mapped(
        "`format` becomes `response_format` (for DeepSeek `json_object`, the schema in a system message), `effort` becomes "
        "`reasoning_effort`; `task_budget` is dropped"
    ),
    "output_format": mapped("as `output_config.format`, which took its place"),
    "metadata": mapped("`user_id` becomes `user`"),
    "service_tier": mapped("`auto` is `auto`, `standard_only` is `default`"),
    "diagnostics": dropped("they would be Anthropic's"),
    "context_management": dropped("the conversation is passed on as it is"),
    "speed": refused("only `standard` is taken"),
    "inference_geo": refused("where a call is served is not for this provider to choose"),
    "container": refused("containers stay with Anthropic"),
    "mcp_servers": refused("Anthropic itself would call them"),
    "fallbacks": refused("which model serves a call is configured in Tollkeeper"),
}
