"""How much a model takes and writes at most: its window, one answer, one image. Only what a public source states."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

OUTPUT_TOKENS_ASSUMED = 131_072
"""Of one answer of a model that is not listed: more than nearly all of them write."""
IMAGE_TOKENS_ASSUMED = 65_536
"""Of one image, where no maker states a bound: more than the dearest stated one (48,169 of gpt-4o-mini)."""
WINDOW_TOKENS_ASSUMED = 10_485_760
"""Of a model that is not listed: the largest window that a maker has claimed (Llama 4 Scout, 10M, 2025-04)."""

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")
_MILLION = 1 << 20  # "1M": which of the two millions a maker means is rarely said, so the larger one


class ModelLimits(msgspec.Struct, frozen=True, gc=False):
    """Upper bounds in tokens: `window` of input and output together, `output` of one answer, `image` of one image."""

    window: int
    output: int
    image: int = IMAGE_TOKENS_ASSUMED


UNLISTED = ModelLimits(WINDOW_TOKENS_ASSUMED, OUTPUT_TOKENS_ASSUMED)


def _tiles(base: int, tile: int) -> int:
    """Return the most that an image costs by tiles: it is made to fit 2048 × 768, which are eight of 512 × 512."""
    return base + 8 * tile


def _patches(budget: int, percent: int) -> int:
    """Return the most that an image costs by patches: a budget of them, times the model's factor."""
    return -(-budget * percent // 100)


_GPT_4O, _GPT_4O_MINI = _tiles(85, 170), _tiles(2_833, 5_667)
_MINI, _NANO, _O4_MINI = _patches(1_536, 162), _patches(1_536, 246), _patches(1_536, 172)
_NEWER = _patches(10_000, 246)  # `detail: original` has the largest budget; billed factors are smaller than stated ones

_LISTED: tuple[tuple[str, ModelLimits], ...] = (
    # OpenAI: developers.openai.com/api/docs/models, each model's page; those from 5.1 on as vercel.com/ai-gateway/models and
    # docs.oxen.ai repeat them. Images: developers.openai.com/api/docs/guides/images-vision, with the factors that were
    # measured besides (community.openai.com/t/1377015). Read 2026-11-22.
    ("gpt-3.5-turbo", ModelLimits(16_385, 4_096)),
    ("gpt-3.5-turbo-16k", ModelLimits(16_385, 16_385)),
    ("gpt-3.5-turbo-instruct davinci-002 babbage-002", ModelLimits(16_385, 16_385)),
    ("gpt-4", ModelLimits(8_192, 8_192)),
    ("gpt-4-32k", ModelLimits(32_768, 32_768)),
    ("gpt-4-turbo gpt-4-turbo-preview gpt-4-0125-preview", ModelLimits(128_000, 4_096, _GPT_4O)),
    ("gpt-4-1106-preview gpt-4-vision-preview gpt-4-1106-vision-preview", ModelLimits(128_000, 4_096, _GPT_4O)),
    ("gpt-4o chatgpt-4o-latest gpt-4o-search-preview", ModelLimits(128_000, 16_384, _GPT_4O)),
    ("gpt-4o-mini gpt-4o-mini-search-preview", ModelLimits(128_000, 16_384, _GPT_4O_MINI)),
    ("gpt-audio gpt-audio-mini gpt-4o-audio-preview gpt-4o-mini-audio-preview", ModelLimits(128_000, 16_384)),
    ("gpt-4.1", ModelLimits(1_047_576, 32_768, max(_GPT_4O, _patches(1_536, 100)))),
    ("gpt-4.1-mini", ModelLimits(1_047_576, 32_768, _MINI)),
    ("gpt-4.1-nano", ModelLimits(1_047_576, 32_768, _NANO)),
    ("gpt-4.5-preview", ModelLimits(128_000, 16_384, _GPT_4O)),
    ("o1 o1-pro o3 o3-pro", ModelLimits(200_000, 100_000, _tiles(75, 150))),
    ("o3-mini o3-deep-research o4-mini-deep-research", ModelLimits(200_000, 100_000)),
    ("o4-mini", ModelLimits(200_000, 100_000, _O4_MINI)),
    ("o1-mini", ModelLimits(128_000, 65_536)),
    ("o1-preview", ModelLimits(128_000, 32_768)),
    ("gpt-5", ModelLimits(400_000, 128_000, max(_tiles(70, 140), _patches(1_536, 120)))),
    ("gpt-5-mini", ModelLimits(400_000, 128_000, _MINI)),
    ("gpt-5-nano", ModelLimits(400_000, 128_000, _NANO)),
    ("gpt-5-pro", ModelLimits(400_000, 272_000, _NEWER)),
    ("gpt-5-chat-latest", ModelLimits(128_000, 16_384, _NEWER)),
    ("gpt-5.1 gpt-5.2 gpt-5.4-mini gpt-5.4-nano", ModelLimits(400_000, 128_000, _NEWER)),
    ("gpt-5.1-chat-latest gpt-5.2-chat-latest gpt-5.3-chat-latest", ModelLimits(128_000, 16_384, _NEWER)),
    ("gpt-5.4 gpt-5.4-pro gpt-5.5 gpt-5.5-pro", ModelLimits(1_050_000, 128_000, _NEWER)),
    ("gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna", ModelLimits(1_050_000, 128_000, _NEWER)),
    ("gpt-6-astra gpt-6-sol gpt-6-luna gpt-6.1-sol gpt-6.1-terra", ModelLimits(1_050_000, 128_000, _NEWER)),
    # What listens and speaks: opentranscription.io/blog/gpt-4o-transcribe-profile.html (as its page says), read 2026-11-22. What is
    # billed by the second, the character or the picture has no tokens: 4,096 characters are the most that is spoken at once.
    ("gpt-4o-transcribe gpt-4o-mini-transcribe gpt-4o-transcribe-diarize", ModelLimits(16_000, 2_000)),
    ("whisper-1 tts-1 tts-1-hd dall-e-2 dall-e-3", ModelLimits(4_096, 4_096)),
    # A picture: what the dearest one costs by what a token costs (developers.openai.com/api/docs/models/gpt-image-1-mini, read
    # 2026-11-22: $0.052, $8 per million, which is 6,500), and 100 for each of three partial pictures; rounded up.
    ("gpt-image-1 gpt-image-1-mini gpt-image-1.5", ModelLimits(_MILLION, 8_192)),
    ("gpt-oss-120b gpt-oss-20b", ModelLimits(131_072, 131_072)),
    # Anthropic: platform.claude.com/docs/en/models/overview and each model's page, read 2026-11-22; windows and answers are
    # the largest that a beta header opens. Its largest image has 4,784 tokens (…/docs/en/build-with-claude/vision).
    ("claude-3-opus claude-3-sonnet claude-3-haiku", ModelLimits(200_000, 4_096, 4_784)),
    ("claude-3-5-sonnet claude-3-5-haiku", ModelLimits(200_000, 8_192, 4_784)),
    ("claude-3-7-sonnet", ModelLimits(200_000, 128_000, 4_784)),
    ("claude-opus-4 claude-opus-4-0 claude-opus-4-1", ModelLimits(200_000, 32_000, 4_784)),
    ("claude-opus-4-5 claude-haiku-4-5", ModelLimits(200_000, 64_000, 4_784)),
    ("claude-sonnet-4 claude-sonnet-4-0 claude-sonnet-4-5", ModelLimits(_MILLION, 64_000, 4_784)),
    ("claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-sonnet-4-6", ModelLimits(_MILLION, 128_000, 4_784)),
    ("claude-opus-5 claude-opus-5-5 claude-sonnet-5 claude-sonnet-5-5", ModelLimits(_MILLION, 128_000, 4_784)),
    ("claude-haiku-5-5 claude-fable-5 claude-fable-5-1", ModelLimits(_MILLION, 128_000, 4_784)),
    # Google: ai.google.dev/gemini-api/docs/models and vercel.com/ai-gateway/models/gemini-3.8-flash; Gemini 4 has one limit
    # for input and output together (docs.cloud.google.com/gemini-enterprise-agent-platform/models/start/
    # get-started-with-gemini-4). Read 2026-11-22. An image is cut into as many tiles as its sides ask for: none stated.
    ("gemini-2.0-flash gemini-2.0-flash-lite", ModelLimits(_MILLION + 8_192, 8_192)),
    ("gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite", ModelLimits(_MILLION + 65_536, 65_536)),
    ("gemini-3.5-flash gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash", ModelLimits(_MILLION + 65_536, 65_536)),
    ("gemini-4-argon", ModelLimits(_MILLION, _MILLION)),
    # DeepSeek: api-docs.deepseek.com/quick_start/pricing: window 1M, output 384K, which is 393,216 (docs.apiyi.com/
    # api-capabilities/deepseek-v4-flash). The two older names are served by deepseek-v4-flash. Read 2026-11-22.
    ("deepseek-flash deepseek-v4-flash deepseek-v4-pro", ModelLimits(_MILLION, 393_216)),
    ("deepseek-chat deepseek-reasoner", ModelLimits(_MILLION, 393_216)),
    # xAI: windows as genai-prices 0.2.3 has them from docs.x.ai/docs/models, read 2026-11-22. No limit of an answer is
    # stated but the window.
    ("grok-3 grok-3-fast grok-3-mini grok-3-mini-fast", ModelLimits(131_072, 131_072)),
    ("grok-4 grok-code-fast-1 grok-build-0.1", ModelLimits(256_000, 256_000)),
    ("grok-4.5 grok-4.6 grok-4.7", ModelLimits(500_000, 500_000)),
    ("grok-4.3 grok-4.20", ModelLimits(1_000_000, 1_000_000)),
    ("grok-4-fast-reasoning grok-4-fast-non-reasoning", ModelLimits(2_000_000, 2_000_000)),
    ("grok-4-1-fast-reasoning grok-4-1-fast-non-reasoning", ModelLimits(2_000_000, 2_000_000)),
)
_LIMITS = {name: limits for names, limits in _LISTED for name in names.split()}


@lru_cache(maxsize=4096)
def limits_of(model: str) -> ModelLimits | None:
    """Return the bounds of a model; None when it is not listed.

    A listed name also stands for its dated snapshots, for fine-tuned models (`ft:NAME:…`) and behind a vendor's name
    (`openai/NAME`), and for nothing else: a newer model whose name begins like an older one's may write more.
    """
    name, plain = listed_names(model)
    return _LIMITS.get(name) or _LIMITS.get(plain)


def listed_names(model: str) -> tuple[str, str]:
    """Return the names that a model may be listed by: its own, and that of which it is a snapshot."""
    name = model.lower().rsplit("/", 1)[-1]
    if name.startswith("ft:"):
        name = name.split(":")[1]
    return name, _SNAPSHOT.sub("", name)
