"""What becomes of each field of an OpenAI chat completion that a Gemini model serves.

Fields: `openai` 3.51, `CompletionCreateParams` (2026-11).
"""

from __future__ import annotations

from tollkeeper.gateway.wire.translation import FieldRule


def _mapped(note: str) -> FieldRule:
    return FieldRule("mapped", note)


def _dropped(note: str) -> FieldRule:
    return FieldRule("dropped", note)


def _refused(note: str) -> FieldRule:
    return FieldRule("refused", note)


RULES: dict[str, FieldRule] = {
    "model": _mapped("the deployment's model, in the path"),
    "messages": _mapped("`contents`; neighbours of one role become one turn"),
    "messages[].role": _mapped("`system` and `developer` go to `systemInstruction`, wherever they stand"),
    "messages[].name": _dropped("Gemini has no names of participants"),
    "messages[].content[].text": _mapped("a text part; empty texts are left out"),
    "messages[].content[].image_url": _mapped("`inlineData` for data URLs, `fileData` for others"),
    "messages[].content[].image_url.detail": _dropped("Gemini chooses the resolution"),
    "messages[].content[].input_audio": _mapped("`inlineData`"),
    "messages[].content[].file": _mapped("`inlineData` of `file_data`; a `file_id` is refused"),
    "messages[].content[].refusal": _mapped("a text part"),
    "messages[].content[].prompt_cache_breakpoint": _dropped("Gemini caches by itself"),
    "messages[].refusal": _mapped("a text part"),
    "messages[].audio": _refused("past spoken answers are known to OpenAI alone"),
    "messages[].reasoning_content": _dropped("Gemini takes its own thoughts by their signature alone"),
    "messages[].extra_content": _mapped("`google.thought_signature` of a text, as it was answered"),
    "messages[].reasoning_details": _dropped("they are another provider's thoughts"),
    "messages[].tool_calls": _mapped('`functionCall`; arguments that are no JSON object go as {"arguments": text}'),
    "messages[].tool_calls[].extra_content": _mapped(
        "`google.thought_signature` goes back to the model; a lost one is replaced by Google's text that skips the check"
    ),
    "messages[].tool_call_id": _mapped("`functionResponse` under the name of that call"),
    "messages[].function_call": _mapped("`functionCall`"),
    "audio": _refused("they answer no speech here"),
    "cached_content": _refused("caches belong to the provider's account"),
    "extra_body": _mapped("`google.thinking_config` of it, as on Google's endpoint for OpenAI clients"),
    "frequency_penalty": _mapped("`frequencyPenalty`, at most 1.99; 0 is left out"),
    "function_call": _mapped("`toolConfig`"),
    "functions": _mapped("`functionDeclarations`"),
    "google": _mapped("`thinking_config` of it, as on Google's endpoint for OpenAI clients"),
    "logit_bias": _refused("they know no bias for single tokens"),
    "logprobs": _mapped("`responseLogprobs`"),
    "max_completion_tokens": _mapped("`maxOutputTokens`"),
    "max_tokens": _mapped("`maxOutputTokens`"),
    "metadata": _dropped("Tollkeeper's labels"),
    "modalities": _mapped("text alone is allowed"),
    "moderation": _refused("OpenAI's moderation does not run there"),
    "n": _mapped("`candidateCount`, at most 8"),
    "parallel_tool_calls": _dropped("Gemini has no such switch: several calls may come"),
    "prediction": _dropped("it changes the speed alone"),
    "presence_penalty": _mapped("`presencePenalty`, at most 1.99; 0 is left out"),
    "prompt_cache_key": _dropped("Gemini caches by itself"),
    "prompt_cache_options": _dropped("Gemini caches by itself"),
    "prompt_cache_retention": _dropped("Gemini caches by itself"),
    "reasoning_effort": _mapped("`thinkingLevel`, or `thinkingBudget` for models up to 2.5, by Google's own table"),
    "response_format": _mapped("`responseMimeType` and `responseJsonSchema`, in Gemini's subset of JSON Schema"),
    "safety_identifier": _dropped("Tollkeeper's records have the end user"),
    "seed": _mapped("`seed`, its lowest 31 bits"),
    "service_tier": _mapped("`serviceTier`: default is standard, fast is priority; auto is left out"),
    "stop": _mapped("`stopSequences`, at most 5"),
    "store": _dropped("nothing is stored at the provider"),
    "stream": _mapped("the method in the path"),
    "stream_options": _mapped("usage comes in a last chunk when asked for"),
    "temperature": FieldRule("same"),
    "tool_choice": _mapped("`functionCallingConfig`: NONE, AUTO, ANY, or VALIDATED for some tools that may be called"),
    "tools": _mapped("`functionDeclarations`; custom tools are refused"),
    "tools[].function.strict": _dropped("Gemini has no such switch"),
    "top_logprobs": _mapped("`logprobs`"),
    "top_p": _mapped("`topP`"),
    "user": _dropped("Tollkeeper's records have it"),
    "verbosity": _dropped("Gemini has no such switch"),
    "web_search_options": _refused("ask for googleSearch in the Gemini dialect"),
}
