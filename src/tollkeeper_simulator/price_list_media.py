"""What OpenAI's models for pictures and sound cost that are billed by tokens: US dollars per million tokens.

Source: developers.openai.com/api/docs/pricing as of 2026-10-12, by way of genai-prices 0.2.3. Written as `price_list`.
"""

from __future__ import annotations

LIST = """
model                   tier    input input_image input_audio output output_image output_audio
gpt-image-1             default 5     10          -           40     40           -
gpt-image-2             default 5     8           -           30     30           -
gpt-4o-mini-tts         default 0.6   -           -           -      -            12
gpt-4o-transcribe       default 2.5   -           6           10     -            -
gpt-4o-mini-transcribe  default 1.25  -           3           5      -            -
"""
