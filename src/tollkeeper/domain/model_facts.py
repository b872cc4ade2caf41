"""What models are made for, for lists of them: window, longest answer, what goes in and comes out. Only what a source states.

Unlike `model_limits`, whose figures bound what a call may come to, these are what makers tell: without beta headers, and
nothing where nobody says.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tollkeeper.domain.model_limits import limits_of, listed_names


class ModelFacts(msgspec.Struct, frozen=True, gc=False):
    """Tokens, and kinds of content: text, image, audio, video, pdf; embedding for vectors. None is what nobody states."""

    context_window: int | None = None
    output_limit: int | None = None
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None


NOTHING = ModelFacts()
_TEXT, _SEEN, _READ = "text", "text image", "text image pdf"
_ALL = "text image audio video pdf"
_MILLION = 1_048_576

_STATED: tuple[tuple[str, int | None, int | None, str, str], ...] = (
    # https://github.com/anomalyco/models.dev (MIT), models/ and providers/ of each maker, whose pages it names as its sources;
    # read 2026-11-22. Left out: limits of what has no text (images, speech), the length of vectors as a limit of an answer, and
    # answers as long as the window where the maker states none. Vectors are `embedding` here; there they are text.
    ("gpt-3.5-turbo", 16_385, 4_096, _TEXT, _TEXT),
    ("gpt-4-turbo", 128_000, 4_096, _SEEN, _TEXT),
    ("gpt-4o gpt-4o-mini", 128_000, 16_384, _READ, _TEXT),
    ("gpt-4.1 gpt-4.1-mini", 1_047_576, 32_768, _READ, _TEXT),
    ("gpt-4.1-nano", 1_047_576, 32_768, _SEEN, _TEXT),
    ("gpt-5 gpt-5-mini gpt-5-nano gpt-5.1 gpt-5.1-codex-mini gpt-5.2 gpt-5.2-pro", 400_000, 128_000, _SEEN, _TEXT),
    ("gpt-5-pro", 400_000, 272_000, _SEEN, _TEXT),
    ("gpt-5.3-codex", 400_000, 128_000, _READ, _TEXT),
    ("gpt-5.4-pro", 1_050_000, 128_000, _SEEN, _TEXT),
    ("gpt-5.4 gpt-5.5 gpt-5.5-pro", 1_050_000, 128_000, _READ, _TEXT),
    ("gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna", 1_050_000, 128_000, _READ, _TEXT),
    ("gpt-6-astra gpt-6-sol gpt-6-luna", 1_050_000, 128_000, _READ, _TEXT),
    ("o1 o3", 200_000, 100_000, _READ, _TEXT),
    ("o3-pro o4-mini", 200_000, 100_000, _SEEN, _TEXT),
    ("o3-mini", 200_000, 100_000, _TEXT, _TEXT),
    ("gpt-oss-120b", 131_072, 32_768, _TEXT, _TEXT),
    ("gpt-realtime", 32_000, 4_096, "text audio image", "text audio"),
    ("gpt-image-1 gpt-image-2.5-flare", None, None, _SEEN, "image"),
    ("gpt-image-1.5", None, None, _SEEN, "image text"),
    ("whisper-1 gpt-transcribe", None, None, "audio", _TEXT),
    ("tts-1 tts-1-hd", None, None, _TEXT, "audio"),
    ("text-embedding-3-small text-embedding-3-large", 8_191, None, _TEXT, "embedding"),
    ("claude-3-5-sonnet claude-3-5-haiku", 200_000, 8_192, _READ, _TEXT),
    ("claude-3-7-sonnet claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5", 200_000, 64_000, _READ, _TEXT),
    ("claude-opus-4-5 claude-haiku-4-5", 200_000, 64_000, _READ, _TEXT),
    ("claude-opus-4 claude-opus-4-0 claude-opus-4-1", 200_000, 32_000, _READ, _TEXT),
    ("claude-sonnet-4-6", 1_000_000, 64_000, _READ, _TEXT),
    ("claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5", 1_000_000, 128_000, _READ, _TEXT),
    ("claude-sonnet-5 claude-haiku-5-5 claude-fable-5", 1_000_000, 128_000, _READ, _TEXT),
    ("gemini-2.0-flash", _MILLION, 8_192, _ALL, _TEXT),
    ("gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite", _MILLION, 65_536, _ALL, _TEXT),
    ("gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite", _MILLION, 65_536, _ALL, _TEXT),
    ("gemini-3.5-flash gemini-3.8-flash", _MILLION, 65_536, _ALL, _TEXT),
    ("gemini-2.5-flash-image", 32_768, 32_768, _SEEN, "text image"),
    ("gemini-3.1-flash-image-preview", 65_536, 65_536, _READ, "text image"),
    ("gemini-2.5-flash-preview-tts", 8_192, 16_384, _TEXT, "audio"),
    ("gemini-embedding-001", 2_048, None, _TEXT, "embedding"),
    ("gemini-embedding-2", 8_192, None, _ALL, "embedding"),
    ("deepseek-flash", 1_000_000, 384_000, _SEEN, _TEXT),
    ("deepseek-v4-flash deepseek-v4-pro", 1_000_000, 384_000, _TEXT, _TEXT),
    ("grok-3", 131_072, None, _TEXT, _TEXT),
    ("grok-4", 256_000, None, _SEEN, _TEXT),
    ("grok-4.5 grok-4.6 grok-4.7", 500_000, None, _SEEN, _TEXT),
    ("grok-4.3", 1_000_000, 30_000, _READ, _TEXT),
    ("grok-code-fast-1", 256_000, 10_000, _TEXT, _TEXT),
    ("grok-4-fast-reasoning grok-4-fast-non-reasoning", 2_000_000, 64_000, _SEEN, _TEXT),
)
_FACTS = {
    name: ModelFacts(window, output, tuple(inputs.split()), tuple(outputs.split()))
    for names, window, output, inputs, outputs in _STATED
    for name in names.split()
}


@lru_cache(maxsize=4096)
def facts_of(model: str) -> ModelFacts:
    """Return what is stated of a model, by the rule of names of `limits_of`.

    An answer that is listed in `model_limits` only is told when it is a limit of its own and not the whole window.
    """
    for name in listed_names(model):
        if (facts := _FACTS.get(name)) is not None:
            return facts
    limits = limits_of(model)
    return NOTHING if limits is None or limits.output >= limits.window else ModelFacts(output_limit=limits.output)
