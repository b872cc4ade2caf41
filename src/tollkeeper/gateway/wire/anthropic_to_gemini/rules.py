"""What becomes of each field of an Anthropic message that a Gemini model serves.

Fields: `anthropic` 2.12, `MessageCreateParams` and its beta (2026-11).
"""

from __future__ import annotations

from tollkeeper.gateway.wire.translation import FieldRule, dropped, mapped, refused

RULES: dict[str, FieldRule] = {
    "model": mapped("the deployment's model, in the path"),
    "messages": mapped("`contents`; neighbours of one role become one turn"),
    "messages[].role": mapped("assistant is model; `system` goes to `systemInstruction`, wherever it stands"),
    "messages[].content[].text": mapped("a text part; empty texts are left out, citations dropped"),
    "messages[].content[].image": mapped("`inlineData` for base64, `fileData` for URLs; uploaded files are refused"),
    "messages[].content[].document": mapped(
        "`inlineData`, `fileData` or text; its title and context go before it as texts; uploaded files are refused"
    ),
    "messages[].content[].search_result": mapped("a text of its title, source and content"),
    "messages[].content[].thinking": dropped(
        "Gemini takes its own thoughts by the signature in the tool use's id alone"
    ),
    "messages[].content[].redacted_thinking": dropped("it is Anthropic's own"),
    "messages[].content[].tool_use": mapped(
        "`functionCall`; a thought signature stands in the id as `<id>__sig__<base64url>`, and a lost one is replaced by"
        " Google's text that skips the check"
    ),
    "messages[].content[].tool_reference": mapped("a text, the tool's name"),
    "messages[].content[].tool_result": mapped(
        "`functionResponse` under the name of that call, its text as `output` or `error`; images inside it since Gemini 3,"
        " beside it before"
    ),
    "messages[].content[].cache_control": dropped("Gemini caches by itself"),
    "messages[].content[].server_tool_use": refused("and its results: what Anthropic's tools did cannot be told"),
    "billing_policy": refused("it is Anthropic's"),
    "cache_control": dropped("Gemini caches by itself"),
    "compaction": dropped("Gemini compacts nothing"),
    "container": refused("containers are Anthropic's"),
    "context_management": dropped("Gemini edits no context"),
    "diagnostics": dropped("Gemini has none"),
    "fallback_credit_token": refused("it is Anthropic's"),
    "fallbacks": refused("Tollkeeper's routes say what stands in for a model"),
    "inference_geo": refused("where Gemini works cannot be chosen"),
    "max_tokens": mapped("`maxOutputTokens`, thoughts included on both sides"),
    "mcp_servers": refused("Gemini calls no such servers"),
    "metadata": dropped("Tollkeeper's records have `user_id`"),
    "output_config": mapped("`format` is `responseJsonSchema`; `effort` is the thinking level or budget"),
    "output_format": mapped("`responseJsonSchema`"),
    "service_tier": mapped("`serviceTier` standard for standard_only; auto is left out"),
    "speed": dropped("Gemini has no such switch"),
    "stop_sequences": mapped(
        "`stopSequences`, at most 5; Gemini does not say which one it met: `stop_reason` is end_turn"
    ),
    "stream": mapped("the method in the path"),
    "system": mapped("`systemInstruction`, one part a block"),
    "temperature": FieldRule("same"),
    "thinking": mapped(
        "`thinkingConfig`: the budget (its level since Gemini 3); disabled is the least the model can do; thoughts are"
        " shown unless `display` is omitted; left out, Gemini thinks as it does by default"
    ),
    "thread": refused("threads are Anthropic's"),
    "tool_choice": mapped(
        "`functionCallingConfig`: auto AUTO, any ANY, tool ANY with its name, none NONE; `disable_parallel_tool_use` is"
        " dropped: Gemini has no such switch"
    ),
    "tools": mapped("`functionDeclarations`; tools that Anthropic defines are refused"),
    "tools[].cache_control": dropped("Gemini caches by itself"),
    "tools[].strict": dropped("Gemini has no such switch"),
    "top_k": mapped("`topK`"),
    "top_p": mapped("`topP`"),
}
