"""What becomes of each field of an OpenAI chat-completions request that Anthropic serves. Generated into the documentation.

Fields: `openai` 3.51, types/chat/completion_create_params.py (2026-11). What Anthropic's own OpenAI endpoint ignores:
docs.anthropic.com/en/api/openai-sdk (2026-11).
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
_NO_COUNTERPART = "Anthropic has nothing like it"

RULES: Mapping[str, FieldRule] = {
    "model": _mapped("the provider's name of the model"),
    "messages": _mapped("see the fields of a message; neighbours of one role become one turn"),
    "messages[].role": _mapped(
        "`system` and `developer`, wherever they stand, become `system`; `tool` becomes a user's turn"
    ),
    "messages[].content": _mapped("texts as they are, those of nothing but white space left out; other parts as below"),
    "messages[].content[].image_url": _mapped(
        "data URLs of JPEG, PNG, GIF and WebP, and addresses; `detail` is dropped"
    ),
    "messages[].content[].file": _mapped("data URLs of PDF and plain text become documents; ids of files are refused"),
    "messages[].content[].input_audio": _refused("Claude does not listen"),
    "messages[].content[].refusal": _mapped("a text"),
    "messages[].content[].cache_control": _SAME,
    "messages[].content[].prompt_cache_breakpoint": _mapped(
        "`cache_control`: for 5 minutes, with `ttl` 12h for an hour"
    ),
    "messages[].name": _dropped(_NO_COUNTERPART),
    "messages[].refusal": _mapped("a text of the answer"),
    "messages[].audio": _refused("spoken answers stay with the provider that gave them"),
    "messages[].tool_calls": _mapped("`tool_use`; arguments must be a JSON object, none are an empty one"),
    "messages[].tool_call_id": _mapped("`tool_use_id`; an id that Anthropic would not take becomes one made from it"),
    "messages[].function_call": _refused("use `tool_calls`"),
    "messages[].reasoning_details": _mapped("the thinking blocks of an earlier answer, signatures included"),
    "messages[].reasoning_content": _dropped(
        "the thinking's text alone; what Anthropic takes back is `reasoning_details`"
    ),
    "messages[].annotations": _dropped("they belong to an answer"),
    "max_completion_tokens": _mapped("`max_tokens`; 8192 when nothing states a limit (4096 for Claude 3)"),
    "max_tokens": _mapped("`max_tokens`; the lower one when both are given"),
    "stop": _mapped("`stop_sequences`; those of nothing but white space are refused, as Anthropic does"),
    "stream": _SAME,
    "stream_options": _mapped("`include_usage` adds the chunk with the usage; `include_obfuscation` is dropped"),
    "temperature": _mapped("above 1 it is 1; left out for models that take none (4.7 and later)"),
    "top_p": _mapped(
        "left out for models that take none, and where it would stand beside a temperature (4.1 and later)"
    ),
    "top_k": _mapped("not a field of OpenAI's; left out for models that take none"),
    "frequency_penalty": _dropped(_NO_COUNTERPART),
    "presence_penalty": _dropped(_NO_COUNTERPART),
    "logit_bias": _refused("Anthropic has nothing like it, and it decides what may be said"),
    "seed": _dropped("Claude's sampling cannot be repeated"),
    "n": _refused("only 1 is taken: Claude gives one answer a call"),
    "logprobs": _refused("Anthropic gives none; false is taken"),
    "top_logprobs": _refused("Anthropic gives none; 0 is taken"),
    "tools": _mapped("functions, `strict` included (4.5 and later); custom tools are refused"),
    "tool_choice": _mapped(
        "auto, none, `required` (any), one function; `allowed_tools` leaves the others out; Claude 5.5 and later answer with an "
        "error when a tool is forced"
    ),
    "parallel_tool_calls": _mapped("`disable_parallel_tool_use` when false"),
    "functions": _refused("use `tools`"),
    "function_call": _refused("use `tool_choice`"),
    "response_format": _mapped(
        "a schema becomes `output_config.format`, in the part of JSON Schema that Anthropic takes; `json_object` becomes an "
        "instruction to the model"
    ),
    "reasoning_effort": _mapped(
        "`thinking` and `output_config.effort`, the nearest that the model knows; a budget of tokens before Claude 4.6; "
        "`none` turns thinking off where that is possible"
    ),
    "thinking": FieldRule("same", "not a field of OpenAI's; as Anthropic's own OpenAI endpoint takes it"),
    "verbosity": _dropped(_NO_COUNTERPART),
    "user": _mapped("`metadata.user_id`"),
    "safety_identifier": _mapped("`metadata.user_id`, before `user`"),
    "metadata": _dropped("labels of the call in Tollkeeper"),
    "service_tier": _mapped("auto and priority are `auto`, default is `standard_only`; others are refused"),
    "store": _dropped("nothing is stored"),
    "prediction": _dropped("it only makes an answer faster"),
    "prompt_cache_key": _dropped("caches are found by what a prompt begins with"),
    "prompt_cache_options": _dropped("mark parts with `cache_control` or `prompt_cache_breakpoint`"),
    "prompt_cache_retention": _dropped("as above"),
    "modalities": _mapped("only text is taken"),
    "audio": _refused("Claude does not speak"),
    "moderation": _refused(_NO_COUNTERPART),
    "web_search_options": _refused("its fee could not be bounded; the Anthropic dialect has the tool itself"),
}
