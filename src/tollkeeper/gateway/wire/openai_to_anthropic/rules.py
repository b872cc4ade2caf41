"""What becomes of each field of an OpenAI chat-completions request that Anthropic serves. Generated into the documentation.

Fields: `openai` 3.51, types/chat/completion_create_params.py (2026-11). What Anthropic's own OpenAI endpoint ignores:
docs.anthropic.com/en/api/openai-sdk (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.gateway.wire.translation import SAME, FieldRule, dropped, mapped, refused

_NO_COUNTERPART = "Anthropic has nothing like it"

RULES: Mapping[str, FieldRule] = {
    "model": mapped("the provider's name of the model"),
    "messages": mapped("see the fields of a message; neighbours of one role become one turn"),
    "messages[].role": mapped(
        "`system` and `developer`, wherever they stand, become `system`; `tool` becomes a user's turn"
    ),
    "messages[].content": mapped("texts as they are, those of nothing but white space left out; other parts as below"),
    "messages[].content[].image_url": mapped(
        "data URLs of JPEG, PNG, GIF and WebP, and addresses; `detail` is dropped"
    ),
    "messages[].content[].file": mapped("data URLs of PDF and plain text become documents; ids of files are refused"),
    "messages[].content[].input_audio": refused("Claude does not listen"),
    "messages[].content[].refusal": mapped("a text"),
    "messages[].content[].cache_control": SAME,
    "messages[].content[].prompt_cache_breakpoint": mapped(
        "`cache_control`: for 5 minutes, with `ttl` 12h for an hour"
    ),
    "messages[].name": dropped(_NO_COUNTERPART),
    "messages[].refusal": mapped("a text of the answer"),
    "messages[].audio": refused("spoken answers stay with the provider that gave them"),
    "messages[].tool_calls": mapped("`tool_use`; arguments must be a JSON object, none are an empty one"),
    "messages[].tool_call_id": mapped("`tool_use_id`; an id that Anthropic would not take becomes one made from it"),
    "messages[].function_call": refused("use `tool_calls`"),
    "messages[].reasoning_details": mapped("the thinking blocks of an earlier answer, signatures included"),
    "messages[].reasoning_content": dropped(
        "the thinking's text alone; what Anthropic takes back is `reasoning_details`"
    ),
    "messages[].annotations": dropped("they belong to an answer"),
    "max_completion_tokens": mapped("`max_tokens`; 8192 when nothing states a limit (4096 for Claude 3)"),
    "max_tokens": mapped("`max_tokens`; the lower one when both are given"),
    "stop": mapped("`stop_sequences`; those of nothing but white space are refused, as Anthropic does"),
    "stream": SAME,
    "stream_options": mapped("`include_usage` adds the chunk with the usage; `include_obfuscation` is dropped"),
    "temperature": mapped("above 1 it is 1; left out for models that take none (4.7 and later)"),
    "top_p": mapped(
        "left out for models that take none, and where it would stand beside a temperature (4.1 and later)"
    ),
    "top_k": mapped("not a field of OpenAI's; left out for models that take none"),
    "frequency_penalty": dropped(_NO_COUNTERPART),
    "presence_penalty": dropped(_NO_COUNTERPART),
    "logit_bias": refused("Anthropic has nothing like it, and it decides what may be said"),
    "seed": dropped("Claude's sampling cannot be repeated"),
    "n": refused("only 1 is taken: Claude gives one answer a call"),
    "logprobs": refused("Anthropic gives none; false is taken"),
    "top_logprobs": refused("Anthropic gives none; 0 is taken"),
    "tools": mapped("functions, `strict` included (4.5 and later); custom tools are refused"),
    "tool_choice": mapped(
        "auto, none, `required` (any), one function; `allowed_tools` leaves the others out; Claude 5.5 and later answer with an "
        "error when a tool is forced"
    ),
    "parallel_tool_calls": mapped("`disable_parallel_tool_use` when false"),
    "functions": refused("use `tools`"),
    "function_call": refused("use `tool_choice`"),
    "response_format": mapped(
        "a schema becomes `output_config.format`, in the part of JSON Schema that Anthropic takes; `json_object` becomes an "
        "instruction to the model"
    ),
    "reasoning_effort": mapped(
        "`thinking` and `output_config.effort`, the nearest that the model knows; a budget of tokens before Claude 4.6; "
        "`none` turns thinking off where that is possible"
    ),
    "thinking": FieldRule("same", "not a field of OpenAI's; as Anthropic's own OpenAI endpoint takes it"),
    "verbosity": dropped(_NO_COUNTERPART),
    "user": mapped("`metadata.user_id`"),
    "safety_identifier": mapped("`metadata.user_id`, before `user`"),
    "metadata": dropped("labels of the call in Tollkeeper"),
    "service_tier": mapped("auto and priority are `auto`, default is `standard_only`; others are refused"),
    "store": dropped("nothing is stored"),
    "prediction": dropped("it only makes an answer faster"),
    "prompt_cache_key": dropped("caches are found by what a prompt begins with"),
    "prompt_cache_options": dropped("mark parts with `cache_control` or `prompt_cache_breakpoint`"),
    "prompt_cache_retention": dropped("as above"),
    "modalities": mapped("only text is taken"),
    "audio": refused("Claude does not speak"),
    "moderation": refused(_NO_COUNTERPART),
    "web_search_options": refused("its fee could not be bounded; the Anthropic dialect has the tool itself"),
}
